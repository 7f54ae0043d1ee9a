#include "base/nearest.h"
#include "gateway/config_build.h"
#include <string.h>

#define MODELS_MAX 4096 /* as the schema has it for `models` */

static const struct ub_conf_upstream *upstreams(const struct ub_conf_builder *b)
{
    return b->root->upstreams.list;
}

static int find_upstream(const struct ub_conf_builder *b, const char *name)
{
    for (uint32_t i = 0; i < b->root->upstreams.count; i++) {
        const char *other = upstreams(b)[i].name.text;
        if (other != NULL && strcmp(other, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static void unknown_upstream(struct ub_conf_builder *b, const struct ub_conf_text *name)
{
    struct ub_nearest nearest = {.text = ub_slice_of(name->shown)};
    for (uint32_t i = 0; i < b->root->upstreams.count; i++) {
        if (upstreams(b)[i].name.text != NULL) {
            ub_nearest_offer(&nearest, upstreams(b)[i].name.shown);
        }
    }
    if (nearest.word != NULL) {
        ub_conf_problem(b->problems, name->at, "no upstream is called '%s', did you mean '%s'?",
                        name->shown, nearest.word);
    } else {
        ub_conf_problem(b->problems, name->at, "no upstream is called '%s'", name->shown);
    }
}

/* The number of the tier (from 1) that has this upstream already, or 0. */
static uint32_t tier_of(const struct ub_model_spec *spec, int upstream)
{
    for (uint32_t i = 0; i < spec->tiers; i++) {
        for (uint32_t j = 0; j < spec->tier[i].count; j++) {
            if (spec->tier[i].member[j] == (uint16_t)upstream) {
                return i + 1;
            }
        }
    }
    return 0;
}

static void build_tiers(struct ub_conf_builder *b, const struct ub_conf_model *from,
                        struct ub_model_spec *spec)
{
    bool served = false, problem = from->tiers.count == 0; /* already said */
    for (uint32_t i = 0; i < from->tiers.count; i++) {
        const struct ub_conf_texts *names = &from->tiers.list[i];
        struct ub_tier_spec *tier = &spec->tier[spec->tiers++];
        for (uint32_t j = 0; j < names->count; j++) {
            int upstream = find_upstream(b, names->list[j].text);
            uint32_t earlier = upstream >= 0 ? tier_of(spec, upstream) : 0;
            if (upstream < 0) {
                unknown_upstream(b, &names->list[j]);
                problem = true;
            } else if (earlier != 0) {
                ub_conf_problem(b->problems, names->list[j].at, "'%s' is in tier %u already",
                                names->list[j].shown, earlier);
                problem = true;
            } else {
                tier->member[tier->count++] = (uint16_t)upstream;
                served = served || ub_conf_serves(&upstreams(b)[upstream], from->name.text);
            }
        }
    }
    if (!served && !problem) {
        bool any = strcmp(from->name.text, "*") == 0;
        ub_conf_problem(b->problems, from->name.at, "no upstream in the tiers of '%s' %s",
                        from->name.shown,
                        any ? "takes every name: give one the name \"*\" under its 'models', or no "
                              "'models' at all"
                            : "has it among its 'models'");
    }
}

/* One tier of all that serve it. With "*", only those that serve any name. */
static void build_only_tier(struct ub_conf_builder *b, const struct ub_conf_text *name,
                            struct ub_model_spec *spec)
{
    struct ub_tier_spec *tier = &spec->tier[0];
    spec->tiers = 1;
    for (uint32_t i = 0; i < b->root->upstreams.count; i++) {
        if (!ub_conf_serves(&upstreams(b)[i], name->text)) {
            continue;
        }
        if (tier->count == UB_TIER_MAX) {
            ub_conf_problem(b->problems, name->at,
                            "more than %d upstreams serve '%s': write tiers of at most %d for it "
                            "under 'models'",
                            UB_TIER_MAX, name->shown, UB_TIER_MAX);
            return;
        }
        tier->member[tier->count++] = (uint16_t)i;
    }
    if (tier->count == 0) {
        ub_conf_problem(b->problems, name->at, "no upstream has '%s' among its 'models'",
                        name->shown);
    }
}

static void build_policy(const struct ub_conf_builder *b, const struct ub_conf_model *from,
                         struct ub_model_policy *policy)
{
    *policy = from->policy;
    policy->slot_wait_ns = b->root->queue_wait_ns;
    policy->affinity = (from->affinity_cookie.text != NULL ? UB_AFFINITY_COOKIE : 0u) |
                       (from->affinity_header.text != NULL ? UB_AFFINITY_HEADER : 0u) |
                       (from->affinity_client ? UB_AFFINITY_CLIENT : 0u) |
                       (from->affinity_prefix ? UB_AFFINITY_PREFIX : 0u);
}

/* The two lists that are filled side by side; the configuration sees them as constant. */
struct lists {
    struct ub_model_config *models;
    struct ub_model_spec *specs;
};

static bool make_lists(struct ub_conf_builder *b, uint32_t count, struct lists *lists)
{
    lists->models = ub_arena_array(b->arena, count, sizeof *lists->models);
    lists->specs = ub_arena_array(b->arena, count, sizeof *lists->specs);
    b->config->models = lists->models;
    b->config->routes.models = lists->specs;
    b->models_shown = ub_arena_array(b->problems->arena, count, sizeof *b->models_shown);
    return lists->models != NULL && lists->specs != NULL && b->models_shown != NULL;
}

static void build_model(struct ub_conf_builder *b, const struct ub_conf_model *from,
                        const struct lists *lists)
{
    uint32_t index = b->config->model_count;
    struct ub_model_config *model = &lists->models[index];
    struct ub_model_spec *spec = &lists->specs[index];
    uint64_t id = ub_conf_id(from->name.text, NULL);
    for (uint32_t i = 0; i < index; i++) {
        if (lists->specs[i].key == id) {
            ub_conf_problem(b->problems, from->name.at, "the model '%s' is here twice",
                            from->name.shown);
        }
    }
    *model = (struct ub_model_config){
        .name = ub_conf_keep(b, &from->name),
        .affinity_cookie = ub_conf_keep(b, &from->affinity_cookie),
        .affinity_header = ub_conf_keep(b, &from->affinity_header),
        .resume = from->resume,
    };
    spec->key = id;
    spec->quota = ub_conf_quota(&from->requests, &from->tokens);
    b->models_shown[index] = from->name.shown;
    build_policy(b, from, &spec->policy);
    if (from->tiers.list != NULL) {
        build_tiers(b, from, spec);
    } else {
        build_only_tier(b, &from->name, spec);
    }
    b->config->model_count++;
    b->config->routes.model_count++;
}

/* Every name that an upstream lists, in order; then "*" when one lists none. */
static const struct ub_conf_text *collect_names(struct ub_conf_builder *b, uint32_t *count)
{
    static const struct ub_conf_text rest = {"*", "*", {1, 1}};
    struct ub_conf_text *names = ub_arena_array(b->arena, MODELS_MAX, sizeof *names);
    uint64_t *ids = ub_arena_array(b->arena, MODELS_MAX, sizeof *ids);
    bool any = false;
    if (names == NULL || ids == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < b->root->upstreams.count; i++) {
        const struct ub_conf_pairs *models = &upstreams(b)[i].models;
        any = any || models->list == NULL;
        for (uint32_t j = 0; j < models->count; j++) {
            uint64_t id = ub_conf_id(models->list[j].from.text, NULL);
            uint32_t k = 0;
            while (k < *count && ids[k] != id) {
                k++;
            }
            if (strcmp(models->list[j].from.text, "*") == 0) {
                any = true;
            } else if (k == MODELS_MAX - 1) {
                ub_conf_problem(b->problems, models->list[j].from.at, "more than %d models",
                                MODELS_MAX);
                return NULL;
            } else if (k == *count) {
                names[k] = models->list[j].from;
                ids[k] = id;
                *count = k + 1;
            }
        }
    }
    if (any) {
        names[(*count)++] = rest;
    }
    return names;
}

static void derive_models(struct ub_conf_builder *b)
{
    uint32_t count = 0;
    const struct ub_conf_text *names = collect_names(b, &count);
    struct lists lists;
    if (names == NULL || !make_lists(b, count, &lists)) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct ub_conf_model model = {0};
        ub_conf_model_section.defaults(&model);
        model.name = names[i];
        build_model(b, &model, &lists);
    }
}

void ub_conf_build_models(struct ub_conf_builder *b)
{
    const struct ub_conf_items *items = &b->root->models;
    const struct ub_conf_model *from = items->list;
    struct lists lists;
    if (from == NULL) {
        derive_models(b);
        return;
    }
    const struct ub_conf_model **built =
        ub_arena_array(b->problems->arena, items->count, sizeof *built);
    if (built == NULL || !make_lists(b, items->count, &lists)) {
        return;
    }
    for (uint32_t i = 0; i < items->count; i++) {
        if (from[i].name.text != NULL) {
            built[b->config->model_count] = &from[i];
            build_model(b, &from[i], &lists);
        }
    }
    ub_conf_build_ladders(b, built, lists.models, lists.specs);
}
