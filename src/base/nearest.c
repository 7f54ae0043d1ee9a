#include "base/nearest.h"

#include <assert.h>

#define LENGTH_MAX 63 /* longer words are nobody's typing mistake */

static unsigned char fold(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (unsigned char)(c + ('a' - 'A'));
    }
    return c == '-' ? '_' : (unsigned char)c;
}

static uint32_t min3(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t least = a < b ? a : b;
    return least < c ? least : c;
}

static uint32_t distance(struct ub_slice a, struct ub_slice b)
{
    assert(b.len <= LENGTH_MAX);
    uint32_t rows[3][LENGTH_MAX + 1]; /* the row in work and the two above it */
    for (uint32_t j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }
    for (uint32_t i = 1; i <= a.len; i++) {
        uint32_t *row = rows[i % 3];
        const uint32_t *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (uint32_t j = 1; j <= b.len; j++) {
            unsigned char x = fold(a.ptr[i - 1]), y = fold(b.ptr[j - 1]);
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x == y ? 0 : 1));
            if (i > 1 && j > 1 && x == fold(b.ptr[j - 2]) && y == fold(a.ptr[i - 2]) &&
                two_above[j - 2] + 1 < row[j]) {
                row[j] = two_above[j - 2] + 1;
            }
        }
    }
    return rows[a.len % 3][b.len];
}

void ub_nearest_offer(struct ub_nearest *nearest, const char *word)
{
    struct ub_slice offered = ub_slice_of(word);
    if (nearest->text.len > LENGTH_MAX || offered.len > LENGTH_MAX) {
        return;
    }
    uint32_t allowed = (uint32_t)offered.len < 6 ? 1 : (uint32_t)offered.len / 3;
    uint32_t found = distance(nearest->text, offered);
    if (found <= allowed && (nearest->word == NULL || found < nearest->distance)) {
        nearest->word = word;
        nearest->distance = found;
    }
}
