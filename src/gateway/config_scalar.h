/* config_scalar.h - one value of a configuration from its text. */
#ifndef UB_GATEWAY_CONFIG_SCALAR_H
#define UB_GATEWAY_CONFIG_SCALAR_H

#include "gateway/config_schema.h"

/* `${NAME}` replaced from the environment; `$${` stands for a plain "${". The text is
 * zero-terminated. False: said what is wrong, or out of memory. */
bool ub_conf_expand(struct ub_slice text, struct ub_place at, struct ub_arena *arena,
                    struct ub_conf_problems *problems, struct ub_slice *out);

/* Is `text` a text of this kind? NULL, or what is wrong with it ("must not be empty"). */
const char *ub_conf_text_wrong(enum ub_conf_kind kind, struct ub_slice text);

/* Stores a value that is no text. `words` gets what it should have been when it is not. */
bool ub_conf_value_read(const struct ub_conf_field *field, struct ub_slice text, void *target,
                        struct ub_buf *words);

/* The i-th of words that are separated by single spaces; empty after the last. */
struct ub_slice ub_conf_word(const char *words, uint32_t index);

#endif
