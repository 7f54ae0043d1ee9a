/* Runs of text in vectors, checked against the table byte by byte. */
#include "http/octet.h"

#include "base/test.h"
#include "http/text.h"

#define LEN 40

int main(void)
{
    char text[LEN];
    memset(text, 'x', sizeof text);
    text[3] = '\t';
    text[20] = (char)0x80;
    text[30] = (char)0xff;
    int wrong = 0;
    for (size_t place = 0; place < LEN; place++) {
        for (int byte = 0; byte < 256; byte++) {
            char kept = text[place];
            text[place] = (char)byte;
            struct ub_slice all = {text, LEN};
            wrong += ub_octet_text_run(all) != ub_octet_run(all, UB_OCTET_TEXT);
            text[place] = kept;
        }
    }
    UB_CHECK(wrong == 0, "every byte ends a run of text, or does not, in every place");

    for (size_t len = 0; len <= LEN; len++) {
        struct ub_slice part = {text, len};
        wrong += ub_octet_text_run(part) != len;
        wrong += ub_text_count_high(text, len) != (size_t)(len > 20) + (size_t)(len > 30);
    }
    UB_CHECK(wrong == 0, "runs end with the text, and high bytes are counted, at every length");
    char chinese[3 * 1000];
    memset(chinese, 0xe4, sizeof chinese);
    UB_CHECK(ub_text_count_high(chinese, sizeof chinese) == sizeof chinese, "no lane overflows");
    return ub_test_done();
}
