/* random.h - reproducible chance. Seeds come from outside; the same seed gives the same draws. */
#ifndef UB_BASE_RANDOM_H
#define UB_BASE_RANDOM_H

#include <stdint.h>

/* SplitMix64 (Steele, Lea, Flood 2014): one addition and a finaliser; every seed is a good one. */
struct ub_random {
    uint64_t state;
};

/* The finaliser alone: a good 64-bit mixer for hashes. */
static inline uint64_t ub_mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t ub_random_u64(struct ub_random *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    return ub_mix64(random->state);
}

/* Uniform in [0, 1): the upper 53 bits, so that every value is exact. */
static inline double ub_random_unit(struct ub_random *random)
{
    return (double)(ub_random_u64(random) >> 11) * 0x1p-53;
}

/* Uniform in [0, n); n > 0. Multiply-shift (Lemire 2019) without the rejection step: the bias is
 * below n / 2^32. */
static inline uint32_t ub_random_below(struct ub_random *random, uint32_t n)
{
    return (uint32_t)(((ub_random_u64(random) >> 32) * n) >> 32);
}

#endif
