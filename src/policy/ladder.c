/* ladder.c - the steps of a model, from the routes into the brain; degrade.c takes them. */
#include "policy/steps.h"

static struct step step_of(const struct ub_routes *routes, const struct ub_step *spec)
{
    return (struct step){
        .kind = spec->kind,
        .key = spec->kind == UB_STEP_MODEL ? routes->models[spec->value].key : 0,
        .max_tokens = spec->kind == UB_STEP_MAX_TOKENS ? spec->value : 0,
    };
}

bool ladder_is_same(const struct route *route, const struct ub_routes *routes,
                    const struct ub_model_spec *spec)
{
    bool same = route->steps == spec->steps;
    for (uint32_t i = 0; i < spec->steps && same; i++) {
        const struct step step = step_of(routes, &spec->step[i]);
        same = route->step[i].kind == step.kind && route->step[i].key == step.key &&
               route->step[i].max_tokens == step.max_tokens;
    }
    return same;
}

void ladder_adopt(struct route *route, const struct ub_routes *routes,
                  const struct ub_model_spec *spec)
{
    route->steps = spec->steps;
    for (uint32_t i = 0; i < spec->steps; i++) {
        route->step[i] = step_of(routes, &spec->step[i]);
    }
}

void ladder_find(struct ub_brain *brain, struct route *route)
{
    for (uint32_t i = 0; i < route->steps; i++) {
        if (route->step[i].kind == UB_STEP_MODEL) {
            route->step[i].model = find_model(brain, route->step[i].key);
        }
    }
}

const char *ladder_refuses(const struct ub_routes *routes, uint32_t index)
{
    const struct ub_model_spec *spec = &routes->models[index];
    uint32_t count[UB_STEP_KINDS] = {0};
    if (spec->steps > UB_STEPS_MAX) {
        return "a ladder has at most 8 steps";
    }
    for (uint32_t i = 0; i < spec->steps; i++) {
        const struct ub_step *step = &spec->step[i];
        if (step->kind >= UB_STEP_KINDS) {
            return "a ladder has a step that nobody knows";
        }
        if (step->kind == UB_STEP_MODEL &&
            (step->value >= routes->model_count || step->value == index)) {
            return "a ladder leads to a model that is not there, or to its own";
        }
        if (step->kind == UB_STEP_MAX_TOKENS && step->value == 0) {
            return "a ladder leads to an answer of no tokens";
        }
        count[step->kind]++;
    }
    return count[UB_STEP_STALE] > 1 || count[UB_STEP_MESSAGE] > 1
               ? "a ladder has a stale answer or a message twice"
               : NULL;
}
