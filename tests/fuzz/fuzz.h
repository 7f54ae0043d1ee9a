/* fuzz.h - what a fuzz target is: one function, and checks of properties inside it.
 *
 * The same target runs under libFuzzer (searching, by time) and under driver.c (replaying the
 * corpus and a fixed number of mutations from a fixed seed). See README.md.
 */
#ifndef UB_TESTS_FUZZ_H
#define UB_TESTS_FUZZ_H

#include "base/random.h"
#include "base/slice.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property does not hold: say which, and end here, so that the input is kept. */
#define UB_FUZZ_CHECK(condition, ...)                                                     \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: %s does not hold: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                                 \
            fprintf(stderr, "\n");                                                        \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

/* Chance that depends on the input alone (FNV-1a), so that a run can be repeated. */
static inline struct ub_random ub_fuzz_random(const uint8_t *data, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ data[i]) * 0x100000001b3u;
    }
    return (struct ub_random){hash};
}

#endif
