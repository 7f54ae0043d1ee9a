/* config_starter.h - the configuration that the environment stands for, as YAML.
 *
 * `unbusy init` writes it as a file to grow from; `unbusy serve` without a file runs it. Keys are
 * in it as ${NAME}, never themselves.
 */
#ifndef UB_GATEWAY_CONFIG_STARTER_H
#define UB_GATEWAY_CONFIG_STARTER_H

#include "base/buf.h"

/* With DEEPSEEK_API_KEY: DeepSeek's own service, whatever else is set. Else with OPENAI_API_KEY and
 * OPENAI_BASE_URL: that one. Else false, and nothing is added. */
bool ub_config_starter(struct ub_buf *yaml);

#endif
