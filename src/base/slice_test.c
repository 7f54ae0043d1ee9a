/* Comparison without case is done eight bytes at a time; checked here against the obvious way, for
 * every pair of bytes in every place. */
#include "base/slice.h"

#include "base/test.h"

#include <ctype.h>

static bool same_but_for_case(unsigned char a, unsigned char b)
{
    return a == b || (a < 0x80 && b < 0x80 && tolower(a) == tolower(b));
}

/* How many pairs of texts of this length, which differ in one place at most, are judged wrongly. */
static int wrong_at(size_t len)
{
    int wrong = 0;
    for (size_t place = 0; place < len; place++) {
        for (int pair = 0; pair < 0x10000; pair++) {
            char a[24] = "Content-Type:\x80\xff`@[{}zZ", b[24] = "cONTENT-tYPE:\x80\xff`@[{}Zz";
            a[place] = (char)(pair >> 8);
            b[place] = (char)(pair & 0xff);
            bool same = same_but_for_case((unsigned char)a[place], (unsigned char)b[place]);
            wrong +=
                ub_slice_eq_nocase((struct ub_slice){a, len}, (struct ub_slice){b, len}) != same;
        }
    }
    return wrong;
}

int main(void)
{
    for (size_t len = 1; len <= 17;
         len += 4) { /* tails of one byte, and whole eights before them */
        UB_CHECK(wrong_at(len) == 0, "case does not matter in letters, and only there: %zu bytes",
                 len);
    }
    UB_CHECK(!ub_slice_eq_nocase(UB_LIT("abc"), UB_LIT("abcd")), "the length matters");
    UB_CHECK(ub_slice_has_nocase(UB_LIT("gzip, CHUNKED"), UB_LIT("chunked")), "found inside");
    UB_CHECK(!ub_slice_has_nocase(UB_LIT("chunke"), UB_LIT("chunked")), "not found in less");
    UB_CHECK(ub_slice_trim(UB_LIT("\t a b ")).len == 3, "white space goes from both ends only");
    return ub_test_done();
}
