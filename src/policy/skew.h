/* skew.h - a skew heap (Sleator and Tarjan 1986) over an array of nodes: who has the smallest key?
 *
 * Adding and taking out cost O(log n) on the average over many, whoever is taken out. Several heaps
 * may share the array, so a thousand of them need no memory of their own: a heap is the index of its
 * root, and 0 is an empty one. The memory is the caller's (it lies in the brain's block).
 */
#ifndef UB_POLICY_SKEW_H
#define UB_POLICY_SKEW_H

#include <stdbool.h>
#include <stdint.h>

struct ub_skew_node {
    uint64_t key;
    uint64_t tie; /* among equal keys the smaller one comes first */
    uint32_t up, left, right;
};

bool ub_skew_less(const struct ub_skew_node *nodes, uint32_t a, uint32_t b);

/* Both return the new root. The key must not change in between. */
uint32_t ub_skew_add(struct ub_skew_node *nodes, uint32_t root, uint32_t node);
uint32_t ub_skew_remove(struct ub_skew_node *nodes, uint32_t root, uint32_t node);

#endif
