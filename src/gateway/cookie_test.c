#include "gateway/cookie.h"

#include "base/test.h"

static const struct {
    const char *name;
    const char *header;
    uint64_t want;
} rows[] = {
    {"the only cookie", "route=00000000deadbeef", 0xdeadbeef},
    {"among others", "a=b; route=0123456789abcdef; c=d", 0x0123456789abcdef},
    {"no space after the semicolon", "a=b;route=0000000000000001", 1},
    {"a name that ends alike is another one", "xroute=0000000000000001", 0},
    {"too short", "route=1", 0},
    {"too long", "route=00000000000000001", 0},
    {"not hex", "route=000000000000000g", 0},
    {"no value", "route", 0},
    {"nothing", "", 0},
    {"only separators", ";;; ;", 0},
};

int main(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        UB_CHECK(ub_cookie_read(ub_slice_of(rows[i].header), "route") == rows[i].want, "%s",
                 rows[i].name);
    }
    char text[UB_COOKIE_MAX];
    size_t len = ub_cookie_write(text, "route", 0xdeadbeef);
    UB_CHECK_TEXT(text, "route=00000000deadbeef; Path=/; HttpOnly; SameSite=Lax",
                  "what is written...");
    UB_CHECK(ub_cookie_read((struct ub_slice){text, len}, "route") == 0xdeadbeef,
             "...is read back");
    char endless[300];
    memset(endless, 'n', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    UB_CHECK(ub_cookie_write(text, endless, 1) == 0, "a name that is too long sets no cookie");
    return ub_test_done();
}
