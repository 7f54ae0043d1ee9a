/* config_build_ladder.c - the steps of models: to whom they lead, and that they lead somewhere. */
#include "base/nearest.h"
#include "gateway/config_build.h"
#include <string.h>

struct ladders {
    struct ub_conf_builder *builder;
    const struct ub_conf_model *const *from;
    struct ub_model_spec *specs;
};

static int find_model(const struct ladders *l, const struct ub_conf_text *name)
{
    uint64_t id = ub_conf_id(name->text, NULL);
    for (uint32_t i = 0; i < l->builder->config->model_count; i++) {
        if (l->specs[i].key == id) {
            return (int)i;
        }
    }
    struct ub_nearest nearest = {.text = ub_slice_of(name->shown)};
    for (uint32_t i = 0; i < l->builder->config->model_count; i++) {
        ub_nearest_offer(&nearest, l->from[i]->name.shown);
    }
    ub_conf_problem(l->builder->problems, name->at,
                    nearest.word != NULL ? "no model is called '%s', did you mean '%s'?"
                                         : "no model is called '%s'",
                    name->shown, nearest.word);
    return -1;
}

/* False: it is no use behind those that stand before it. */
static bool is_new(const struct ladders *l, const struct ub_model_spec *spec, struct ub_step step,
                   struct ub_place at)
{
    for (uint32_t i = 0; i < spec->steps; i++) {
        const struct ub_step *before = &spec->step[i];
        if (before->kind != step.kind) {
            continue;
        }
        if (step.kind != UB_STEP_MAX_TOKENS && before->value == step.value) {
            ub_conf_problem(l->builder->problems, at, "this step is here twice");
            return false;
        }
        if (step.kind == UB_STEP_MAX_TOKENS && before->value <= step.value) {
            ub_conf_problem(l->builder->problems, at,
                            "behind a step of %u tokens, one of %u changes nothing", before->value,
                            step.value);
            return false;
        }
    }
    return true;
}

/* False: a problem, which has been said. */
static bool build_step(const struct ladders *l, uint32_t index, const struct ub_conf_step *from,
                       struct ub_step *step)
{
    if (from->model.text == NULL) {
        step->kind = from->stale                  ? UB_STEP_STALE
                     : from->message.text != NULL ? UB_STEP_MESSAGE
                                                  : UB_STEP_MAX_TOKENS;
        step->value = from->max_tokens;
        return from->stale || from->message.text != NULL || from->max_tokens != 0;
    }
    int model = strcmp(from->model.text, "*") == 0 ? -1 : find_model(l, &from->model);
    if (strcmp(from->model.text, "*") == 0) {
        ub_conf_problem(l->builder->problems, from->model.at,
                        "a step leads to a model, and '*' is any");
    } else if (model == (int)index) {
        ub_conf_problem(l->builder->problems, from->model.at, "'%s' leads to itself",
                        from->model.shown);
        model = -1;
    }
    step->kind = UB_STEP_MODEL;
    step->value = model < 0 ? 0 : (uint32_t)model;
    return model >= 0;
}

static void build_ladder(const struct ladders *l, uint32_t index, struct ub_model_config *model)
{
    const struct ub_conf_items *items = &l->from[index]->degrade;
    const struct ub_conf_step *from = items->list;
    struct ub_model_spec *spec = &l->specs[index];
    for (uint32_t i = 0; i < items->count && i < UB_STEPS_MAX; i++) {
        struct ub_step step = {0};
        if (!build_step(l, index, &from[i], &step) || !is_new(l, spec, step, from[i].at)) {
            continue;
        }
        spec->step[spec->steps++] = step;
        if (step.kind == UB_STEP_MESSAGE) {
            model->message = ub_conf_keep(l->builder, &from[i].message);
        }
    }
}

/* Does a way from `at` lead to `goal`? `seen` has been there. */
static bool leads_to(const struct ladders *l, uint32_t at, uint32_t goal, bool *seen)
{
    if (at == goal) {
        return true;
    }
    if (seen[at]) {
        return false;
    }
    seen[at] = true;
    for (uint32_t i = 0; i < l->specs[at].steps; i++) {
        const struct ub_step *step = &l->specs[at].step[i];
        if (step->kind == UB_STEP_MODEL && leads_to(l, step->value, goal, seen)) {
            return true;
        }
    }
    return false;
}

/* Two that lead to each other would hand a crowd to and fro. */
static void check_circle(const struct ladders *l, uint32_t index, bool *seen)
{
    const struct ub_conf_items *items = &l->from[index]->degrade;
    const struct ub_conf_step *from = items->list;
    for (uint32_t i = 0; i < l->specs[index].steps; i++) {
        const struct ub_step *step = &l->specs[index].step[i];
        memset(seen, 0, l->builder->config->model_count);
        if (step->kind != UB_STEP_MODEL || !leads_to(l, step->value, index, seen)) {
            continue;
        }
        uint32_t k = 0; /* where it stands: problems left some out */
        while (k < items->count &&
               (from[k].model.text == NULL ||
                ub_conf_id(from[k].model.text, NULL) != l->specs[step->value].key)) {
            k++;
        }
        if (k < items->count) {
            ub_conf_problem(l->builder->problems, from[k].model.at,
                            "'%s' leads back to '%s' by its own 'degrade'", from[k].model.shown,
                            l->from[index]->name.shown);
        }
    }
}

void ub_conf_build_ladders(struct ub_conf_builder *b, const struct ub_conf_model *const *from,
                           struct ub_model_config *models, struct ub_model_spec *specs)
{
    const struct ladders ladders = {b, from, specs};
    bool *seen = ub_arena_array(b->problems->arena, b->config->model_count, sizeof *seen);
    if (seen == NULL) {
        return;
    }
    for (uint32_t i = 0; i < b->config->model_count; i++) {
        build_ladder(&ladders, i, &models[i]);
    }
    for (uint32_t i = 0; i < b->config->model_count; i++) {
        check_circle(&ladders, i, seen);
    }
}
