/* Bodies come back as they were given, wherever they were kept, and the budget is whole again. */
#include "gateway/body.h"

#include "base/alloc.h"
#include "base/test.h"

static const struct {
    const char *name;
    uint64_t expected;
    size_t piece;
    size_t pieces;
    bool on_file;
} rows[] = {
    {"a small body with its length announced", 2000, 2000, 1, false},
    {"a small body without a length", 0, 100, 37, false},
    {"an empty body", 0, 0, 0, false},
    {"a body of exactly 1 MiB stays in memory", 1048576, 65536, 16, false},
    {"a body of 1 MiB and a byte goes to a file", 1048577, 1048577, 1, true},
    {"a large body without a length", 0, 65521, 70, true},
    {"a body shorter than announced", 500000, 1000, 10, false},
};

static char pattern(size_t at)
{
    return (char)((at * 7919) >> 3);
}

static bool fill(struct ub_body *body, size_t piece, size_t pieces)
{
    static char bytes[1048577];
    size_t at = 0;
    for (size_t i = 0; i < pieces; i++) {
        for (size_t k = 0; k < piece; k++) {
            bytes[k] = pattern(at++);
        }
        if (!ub_body_add(body, (struct ub_slice){bytes, piece})) {
            return false;
        }
    }
    return true;
}

static bool intact(struct ub_slice bytes, size_t len)
{
    if (bytes.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (bytes.ptr[i] != pattern(i)) {
            return false;
        }
    }
    return true;
}

static void bodies_come_back(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_budget budget = {.memory_max = 8 << 20, .file_max = 64 << 20};
        struct ub_body body;
        struct ub_slice bytes;
        ub_body_init(&body, &budget, rows[i].expected);
        bool ok = fill(&body, rows[i].piece, rows[i].pieces) && ub_body_finish(&body, &bytes);
        UB_CHECK(ok && intact(bytes, rows[i].piece * rows[i].pieces), "%s", rows[i].name);
        UB_CHECK((budget.file > 0) == rows[i].on_file &&
                     (budget.memory > 0 || bytes.len == 0 || rows[i].on_file),
                 "%s: kept where it should be", rows[i].name);
        ub_body_close(&body);
        UB_CHECK(budget.memory == 0 && budget.file == 0, "%s: all given back", rows[i].name);
    }
}

static void the_budget_is_overdrawn_by_one_piece(void)
{
    struct ub_budget budget = {.memory_max = 10000, .file_max = 1 << 20};
    struct ub_body body;
    ub_body_init(&body, &budget, 0);
    int pieces = 0;
    while (ub_budget_has_room(&budget) && pieces < 100) {
        fill(&body, 1000, 1);
        pieces++;
    }
    UB_CHECK(pieces >= 5 && pieces <= 11, "reading stops when the budget is used up");
    UB_CHECK(budget.memory <= 16384, "and it is not overdrawn by more than the last growth");
    ub_body_close(&body);
    UB_CHECK(ub_budget_has_room(&budget), "closing gives the room back");
}

static void failures_are_told(void)
{
    struct ub_budget budget = {.memory_max = 8 << 20, .file_max = 64 << 20};
    struct ub_body body;
    ub_body_init(&body, &budget, 0);
    ub_alloc_fail_nth(1);
    UB_CHECK(!fill(&body, 1000, 1), "a failed allocation is told");
    ub_alloc_fail_nth(0);
    ub_body_close(&body);
    ub_body_close(&body);
    UB_CHECK(budget.memory == 0, "and nothing stays charged, closed twice");
}

int main(void)
{
    bodies_come_back();
    the_budget_is_overdrawn_by_one_piece();
    failures_are_told();
    return ub_test_done();
}
