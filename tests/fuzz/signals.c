/* The reader of engines' load against itself with the page cut into pieces; and whatever stands there,
 * what comes out is in range. */
#include "http/signals.h"
#include "fuzz.h"

#include <string.h>

static bool read_pieces(enum ub_dialect dialect, struct ub_slice text, struct ub_random *random,
                        struct ub_signals *out)
{
    struct ub_signals_reader reader;
    ub_signals_begin(&reader, dialect);
    while (text.len > 0) {
        size_t len = random == NULL ? text.len : 1 + ub_random_below(random, 40);
        len = len < text.len ? len : text.len;
        char *copy = malloc(len); /* exact, so that a sanitizer sees a look beyond its end */
        memcpy(copy, text.ptr, len);
        ub_signals_read(&reader, (struct ub_slice){copy, len});
        free(copy);
        text = (struct ub_slice){text.ptr + len, text.len - len};
    }
    return ub_signals_end(&reader, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ub_slice text = {(const char *)data, size};
    struct ub_random random = ub_fuzz_random(data, size);
    for (enum ub_dialect dialect = UB_DIALECT_VLLM; dialect <= UB_DIALECT_LLAMA; dialect++) {
        struct ub_signals whole, pieces;
        bool good = read_pieces(dialect, text, NULL, &whole);
        bool same = read_pieces(dialect, text, &random, &pieces) == good;
        same &= whole.running == pieces.running && whole.waiting == pieces.waiting &&
                whole.kv == pieces.kv;
        UB_FUZZ_CHECK(same, "%f %f %f and %f %f %f", whole.running, whole.waiting, whole.kv,
                      pieces.running, pieces.waiting, pieces.kv);
        bool in_range = whole.running >= 0 && whole.running <= UB_SIGNALS_MAX &&
                        whole.waiting >= 0 && whole.waiting <= UB_SIGNALS_MAX;
        UB_FUZZ_CHECK(!good || in_range, "%f running, %f waiting", whole.running, whole.waiting);
        UB_FUZZ_CHECK(whole.kv >= 0 && whole.kv <= 1, "%f of the KV memory", whole.kv);
    }
    return 0;
}
