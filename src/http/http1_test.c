/* Every row is fed whole, in two pieces cut at every position, and byte by byte: same outcome. */
#include "http/http1_vectors.h"
#include "http/trace.h"

#include "base/test.h"

#include <stdlib.h>

static void check_input(enum ub_http1_side side, struct ub_slice input, const char *want,
                        bool head_request, const char *name)
{
    char *whole = ub_http1_trace_of(side, &limits, input, input.len, head_request);
    UB_CHECK_TEXT(whole, want, "%s", name);
    size_t differs = 0;
    for (size_t cut = 0; cut <= input.len && differs == 0; cut++) {
        char *pieces = ub_http1_trace_of(side, &limits, input, cut == input.len ? SIZE_MAX : cut,
                                         head_request);
        differs = strcmp(pieces, whole) == 0 ? 0 : cut + 1;
        free(pieces);
    }
    UB_CHECK(differs == 0, "%s, cut anywhere (differs at %d)", name, (int)differs - 1);
    free(whole);
}

static void check_rows(enum ub_http1_side side, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = rows[i].len != 0 ? rows[i].len : strlen(rows[i].input);
        check_input(side, (struct ub_slice){rows[i].input, len}, rows[i].want, false, rows[i].name);
    }
}

int main(void)
{
    check_rows(UB_HTTP1_REQUESTS, good_requests, UB_COUNT(good_requests));
    check_rows(UB_HTTP1_REQUESTS, bad_heads, UB_COUNT(bad_heads));
    check_rows(UB_HTTP1_REQUESTS, bad_bodies, UB_COUNT(bad_bodies));
    check_rows(UB_HTTP1_RESPONSES, responses, UB_COUNT(responses));
    check_input(UB_HTTP1_RESPONSES, UB_LIT(OK "Content-Length: 5\r\n\r\n"),
                "200 1.1 keep len=5 no-body\n  Content-Length: 5\nend\n", true,
                "the answer to HEAD has no body, whatever its length says");
    return ub_test_done();
}
