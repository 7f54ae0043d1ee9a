/* config_read.h - fills the structs of the schema from a tree of nodes. */
#ifndef UB_GATEWAY_CONFIG_READ_H
#define UB_GATEWAY_CONFIG_READ_H

#include "gateway/config_schema.h"
#include "gateway/config_tree.h"

/* `root` holds the defaults; what the tree says replaces them. Texts and lists go into `arena`.
 * Everything that one value alone can be wrong about is said here. */
void ub_conf_read(const struct ub_node *node, struct ub_conf_root *root, struct ub_arena *arena,
                  struct ub_conf_problems *problems);

#endif
