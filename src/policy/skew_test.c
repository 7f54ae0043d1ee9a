#include "policy/skew.h"

#include "base/random.h"
#include "base/test.h"

#define NODES 200

static struct ub_skew_node nodes[NODES + 1];
static bool inside[NODES + 1];

/* The smallest by looking at all of them. */
static uint32_t smallest(void)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i <= NODES; i++) {
        if (inside[i] && (best == 0 || ub_skew_less(nodes, i, best))) {
            best = i;
        }
    }
    return best;
}

static uint32_t count_linked(uint32_t root, uint32_t up, bool *sound)
{
    if (root == 0) {
        return 0;
    }
    *sound &= nodes[root].up == up && inside[root];
    *sound &= up == 0 || !ub_skew_less(nodes, root, up);
    return 1 + count_linked(nodes[root].left, root, sound) +
           count_linked(nodes[root].right, root, sound);
}

static void test_in_order(void)
{
    struct ub_skew_node few[4] = {{0}, {.key = 5, .tie = 1}, {.key = 3, .tie = 9}, {.key = 5}};
    uint32_t root = 0;
    for (uint32_t i = 1; i <= 3; i++) {
        root = ub_skew_add(few, root, i);
    }
    const uint32_t want[] = {2, 3, 1};
    for (uint32_t i = 0; i < 3; i++) {
        UB_CHECK(root == want[i], "the smallest key comes first, then the smaller tie");
        root = ub_skew_remove(few, root, root);
    }
    UB_CHECK(root == 0, "and then it is empty");
}

/* Whoever is added and taken out, in whatever order. */
static void test_at_random(void)
{
    struct ub_random random = {4};
    uint32_t root = 0, count = 0;
    bool sound = true;
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t i = 1 + ub_random_below(&random, NODES);
        if (inside[i]) {
            root = ub_skew_remove(nodes, root, i);
        } else {
            nodes[i].key = ub_random_below(&random, 50);
            nodes[i].tie = round;
            root = ub_skew_add(nodes, root, i);
        }
        inside[i] = !inside[i];
        count += inside[i] ? 1 : UINT32_MAX;
        sound &= root == smallest();
        if (round % 100 == 0) {
            sound &= count_linked(root, 0, &sound) == count;
        }
    }
    UB_CHECK(sound, "the root is the smallest of all, and everybody is linked once");
}

int main(void)
{
    test_in_order();
    test_at_random();
    return ub_test_done();
}
