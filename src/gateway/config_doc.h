/* config_doc.h - docs/CONFIG.md, made from the schema. */
#ifndef UB_GATEWAY_CONFIG_DOC_H
#define UB_GATEWAY_CONFIG_DOC_H

#include "base/buf.h"

void ub_conf_doc(struct ub_buf *out);

#endif
