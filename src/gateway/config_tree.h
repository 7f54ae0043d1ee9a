/* config_tree.h - YAML text to a tree of nodes, each with its place.
 *
 * Built from libyaml's events and not from its documents: so nesting, anchors and nodes are bounded
 * while they come (libyaml alone takes quadratic time for deep nesting and for many anchors), and
 * every alias is known. What is refused here, with its place: syntax errors, bytes that are not
 * UTF-8, a second document, tags, keys that are no plain words, a key that stands twice, an alias
 * inside its own anchor.
 */
#ifndef UB_GATEWAY_CONFIG_TREE_H
#define UB_GATEWAY_CONFIG_TREE_H

#include "gateway/config_problems.h"

#define UB_CONF_DEPTH_MAX   16
#define UB_CONF_ANCHORS_MAX 64
#define UB_CONF_NODES_MAX   200000
#define UB_CONF_ITEMS_MAX   10000 /* of one list or mapping */

enum ub_node_kind { UB_NODE_SCALAR, UB_NODE_LIST, UB_NODE_MAP };

struct ub_node {
    enum ub_node_kind kind;
    bool plain;            /* scalar without quotes */
    struct ub_place at;    /* where it begins */
    struct ub_slice text;  /* scalar: as YAML gives it, zero-terminated, `${NAME}` still in it */
    uint32_t count;        /* list, map: items */
    struct ub_item *first; /* list, map */
};

struct ub_item {
    struct ub_item *next;
    struct ub_slice key; /* map */
    struct ub_place key_at;
    struct ub_place at; /* of the value, or of the alias that stands for it */
    const struct ub_node *value;
};

/* The root, or NULL: an empty document, or a problem that ends the reading. Also after less grave
 * problems there is a tree. */
const struct ub_node *ub_conf_tree(struct ub_slice text, struct ub_arena *arena,
                                   struct ub_conf_problems *problems);

#endif
