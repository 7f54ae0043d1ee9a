/* config_build.h - from the configuration as written to the one that the gateway uses. */
#ifndef UB_GATEWAY_CONFIG_BUILD_H
#define UB_GATEWAY_CONFIG_BUILD_H

#include "gateway/config_files.h"
#include "gateway/config_schema.h"

struct ub_conf_builder {
    const struct ub_conf_root *root;
    struct ub_config *config; /* filled in */
    struct ub_arena *arena;   /* everything it points to */
    struct ub_conf_problems *problems;
    const char **models_shown; /* names of the models as they stand in the file, same order */
};

/* Says what is wrong across values: names, references, files, addresses. The result is good when no
 * problem was added, then or before. */
void ub_conf_build(struct ub_conf_builder *builder);

/* Its parts; each fills in its share. */
void ub_conf_build_upstreams(struct ub_conf_builder *builder); /* config_build_upstreams.c */
void ub_conf_build_models(struct ub_conf_builder *builder);    /* config_build_models.c */
void ub_conf_build_tenants(struct ub_conf_builder *builder);
void ub_conf_build_limits(struct ub_conf_builder *builder); /* after the tenants */

/* config_build_ladder.c: the steps of all models, when these are there. `from` is the same list. */
void ub_conf_build_ladders(struct ub_conf_builder *builder, const struct ub_conf_model *const *from,
                           struct ub_model_config *models, struct ub_model_spec *specs);

/* Either may not be given. */
struct ub_quota ub_conf_quota(const struct ub_conf_rate *requests,
                              const struct ub_conf_rate *tokens);

/* Can this upstream be asked for this public name? One that lists no models is asked for all. */
bool ub_conf_serves(const struct ub_conf_upstream *upstream, const char *model);

/* A copy that lives as long as the configuration; NULL stays NULL. */
const char *ub_conf_keep(struct ub_conf_builder *builder, const struct ub_conf_text *text);

/* The same for a path: relative ones start at the folder of the configuration file. */
const char *ub_conf_keep_path(struct ub_conf_builder *builder, const struct ub_conf_text *text);

/* How messages call the file at `path`: whole, but with its variables as they were written. */
struct ub_conf_path ub_conf_path(const struct ub_conf_text *text, const char *path);

/* The identity of an upstream (name and URL) or a model (name, NULL); never 0. */
uint64_t ub_conf_id(const char *name, const char *url);

#endif
