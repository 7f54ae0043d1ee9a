#include "base/nearest.h"
#include "gateway/config_build.h"
#include <stdlib.h>
#include <string.h>

/* A name that no model has is a mistake, unless "*" takes every name. */
static void check_pattern(struct ub_conf_builder *b, const struct ub_conf_text *pattern)
{
    const char *star = strchr(pattern->text, '*');
    if (star != NULL) {
        if (star[1] != '\0') {
            ub_conf_problem(b->problems, pattern->at, "'*' stands only at the end of a pattern");
        }
        return;
    }
    struct ub_nearest nearest = {.text = ub_slice_of(pattern->shown)};
    for (uint32_t i = 0; i < b->config->model_count; i++) {
        const char *name = b->config->models[i].name;
        if (name == NULL || strcmp(name, pattern->text) == 0 || strcmp(name, "*") == 0) {
            return;
        }
        ub_nearest_offer(&nearest, b->models_shown[i]);
    }
    if (nearest.word != NULL) {
        ub_conf_problem(b->problems, pattern->at, "no model is called '%s', did you mean '%s'?",
                        pattern->shown, nearest.word);
    } else {
        ub_conf_problem(b->problems, pattern->at, "no model is called '%s'", pattern->shown);
    }
}

static void build_patterns(struct ub_conf_builder *b, const struct ub_conf_texts *from,
                           struct ub_tenant_config *out)
{
    static const struct ub_conf_text all = {"*", "*", {0, 0}};
    uint32_t count = from->list != NULL ? from->count : 1;
    const char **patterns = ub_arena_array(b->arena, count, sizeof *patterns);
    if (patterns == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct ub_conf_text *pattern = from->list != NULL ? &from->list[i] : &all;
        check_pattern(b, pattern);
        patterns[i] = ub_conf_keep(b, pattern);
    }
    out->models = patterns;
    out->model_count = count;
}

static void build_keys(struct ub_conf_builder *b, const struct ub_conf_items *from,
                       struct ub_tenant_config *out)
{
    const struct ub_conf_key *list = from->list;
    uint8_t(*keys)[32] = ub_arena_array(b->arena, from->count, sizeof *keys);
    if (keys == NULL) {
        return;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        memcpy(keys[i], list[i].sha256, sizeof keys[i]);
    }
    out->keys = (const uint8_t(*)[32])keys;
    out->key_count = from->count;
}

/* All keys of all tenants, sorted, show which one stands twice. */
struct seen {
    uint8_t sha256[32];
    struct ub_place at;
};

static int by_key(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    int order = memcmp(x->sha256, y->sha256, sizeof x->sha256);
    if (order == 0) {
        order = x->at.line != y->at.line ? (x->at.line < y->at.line ? -1 : 1)
                                         : (x->at.column < y->at.column ? -1 : 1);
    }
    return order;
}

static void check_keys_differ(struct ub_conf_builder *b)
{
    const struct ub_conf_tenant *tenants = b->root->tenants.list;
    size_t count = 0, filled = 0;
    for (uint32_t i = 0; i < b->root->tenants.count; i++) {
        count += tenants[i].keys.count;
    }
    struct seen *all = ub_arena_array(b->arena, count, sizeof *all);
    if (all == NULL || count == 0) {
        return;
    }
    for (uint32_t i = 0; i < b->root->tenants.count; i++) {
        const struct ub_conf_key *keys = tenants[i].keys.list;
        for (uint32_t j = 0; j < tenants[i].keys.count; j++) {
            memcpy(all[filled].sha256, keys[j].sha256, sizeof all[filled].sha256);
            all[filled++].at = keys[j].at;
        }
    }
    qsort(all, count, sizeof *all, by_key);
    static const uint8_t none[32]; /* one that could not be read, as already said */
    for (size_t i = 1; i < count; i++) {
        if (memcmp(all[i - 1].sha256, all[i].sha256, sizeof none) == 0 &&
            memcmp(all[i].sha256, none, sizeof none) != 0) {
            ub_conf_problem(b->problems, all[i].at, "this key is in line %u already",
                            all[i - 1].at.line);
        }
    }
}

static void build_spec(const struct ub_conf_tenant *from, bool shared, struct ub_tenant_spec *spec)
{
    spec->key = from->name.text == NULL ? 0 : ub_conf_id(from->name.text, NULL);
    spec->class = (uint8_t)from->class;
    spec->concurrency = from->concurrency;
    spec->shared = shared;
    spec->quota = ub_conf_quota(&from->requests, &from->tokens);
}

void ub_conf_build_tenants(struct ub_conf_builder *b)
{
    const struct ub_conf_items *items = &b->root->tenants;
    const struct ub_conf_tenant *from = items->list;
    struct ub_tenant_config *list = ub_arena_array(b->arena, items->count, sizeof *list);
    struct ub_tenant_spec *specs = ub_arena_array(b->arena, items->count, sizeof *specs);
    if (list == NULL || specs == NULL) {
        return;
    }
    for (uint32_t i = 0; i < items->count; i++) {
        for (uint32_t j = 0; j < i && from[i].name.text != NULL; j++) {
            if (from[j].name.text != NULL && strcmp(from[j].name.text, from[i].name.text) == 0) {
                ub_conf_problem(b->problems, from[i].name.at,
                                "the name '%s' is taken by the tenant in line %u",
                                from[i].name.shown, from[j].name.at.line);
                break;
            }
        }
        list[i].name = ub_conf_keep(b, &from[i].name);
        list[i].class = (enum ub_traffic)from[i].class;
        build_spec(&from[i], b->config->share.redis != NULL, &specs[i]);
        build_keys(b, &from[i].keys, &list[i]);
        build_patterns(b, &from[i].models, &list[i]);
    }
    b->config->tenants = list;
    b->config->tenant_count = items->count;
    b->config->routes.tenants = specs;
    b->config->routes.tenant_count = items->count;
    check_keys_differ(b);
}
