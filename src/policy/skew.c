#include "policy/skew.h"

#include <assert.h>

bool ub_skew_less(const struct ub_skew_node *nodes, uint32_t a, uint32_t b)
{
    const struct ub_skew_node *x = &nodes[a], *y = &nodes[b];
    return x->key != y->key ? x->key < y->key : x->tie < y->tie;
}

/* Down the two right spines, the smaller root first; each node on the way swaps its children, which
 * is what keeps the spines short. `up` is the place above the result. */
static uint32_t merge(struct ub_skew_node *nodes, uint32_t a, uint32_t b, uint32_t up)
{
    uint32_t root = 0;
    uint32_t *link = &root;
    while (a != 0 && b != 0) {
        if (ub_skew_less(nodes, b, a)) {
            uint32_t swap = a;
            a = b;
            b = swap;
        }
        struct ub_skew_node *node = &nodes[a];
        *link = a;
        node->up = up;
        up = a;
        a = node->right;
        node->right = node->left;
        link = &node->left;
    }
    *link = a != 0 ? a : b;
    if (*link != 0) {
        nodes[*link].up = up;
    }
    return root;
}

uint32_t ub_skew_add(struct ub_skew_node *nodes, uint32_t root, uint32_t node)
{
    assert(node != 0);
    nodes[node].up = nodes[node].left = nodes[node].right = 0;
    return merge(nodes, root, node, 0);
}

uint32_t ub_skew_remove(struct ub_skew_node *nodes, uint32_t root, uint32_t node)
{
    uint32_t up = nodes[node].up;
    assert(up != 0 || root == node);
    uint32_t rest = merge(nodes, nodes[node].left, nodes[node].right, up);
    nodes[node].up = nodes[node].left = nodes[node].right = 0;
    if (up == 0) {
        return rest;
    }
    *(nodes[up].left == node ? &nodes[up].left : &nodes[up].right) = rest;
    return root;
}
