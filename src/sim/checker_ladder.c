/* checker_ladder.c - steps of a ladder: each one once, in their order, and only before the answer. */
#include "sim/checker_inside.h"

static uint8_t bit(uint32_t step)
{
    return (uint8_t)(1u << step);
}

static void check_step(struct ub_checker *c, struct request_kept *r, uint32_t step)
{
    uint8_t last = r->attempts == 0 ? 0 : r->error[(r->attempts - 1) % ATTEMPTS_KEPT];
    if (step < r->steps) {
        ub_checker_fail(c, "step %u of the ladder after step %u", step + 1, r->steps);
    }
    if (r->committed) {
        ub_checker_fail(c, "a step of the ladder when the answer has begun");
    }
    if (r->running != 0) {
        ub_checker_fail(c, "a step of the ladder while an attempt runs");
    }
    if (r->serves == r->model && ub_error_class((enum ub_error)last) == UB_CLASS_CLIENT) {
        ub_checker_fail(c, "a step of the ladder after the client's own fault");
    }
    r->steps = (uint8_t)(step + 1);
}

static struct model_kept *model_of(const struct request_kept *r, uint64_t key)
{
    for (uint32_t i = 0; i < r->routes->model_count; i++) {
        if (r->routes->model[i].key == key) {
            return &r->routes->model[i];
        }
    }
    return NULL;
}

/* One that the request did not stand on before. A shorter answer may be what all new ones get: then it
 * has its own place in the order, and no other step waits for it. */
static void on_step(struct ub_checker *c, struct request_kept *r, uint32_t step)
{
    if (r->model->kind[step] == UB_STEP_MAX_TOKENS && r->attempts == 0) {
        return;
    }
    check_step(c, r, step);
    r->attempts_before++; /* one try more, or as many as a new one */
    if (r->model->kind[step] == UB_STEP_MODEL) {
        r->attempts_before = r->attempts;
        r->serves = model_of(r, r->model->leads_to[step]);
    }
    if (r->serves == NULL) {
        ub_checker_fail(c, "step %u leads to a model that is not in the routes", step + 1);
        r->serves = r->model;
    }
}

/* What nothing starts on: a stale answer or a message. */
static bool is_last(const struct model_kept *model, uint32_t step)
{
    return model->kind[step] == UB_STEP_STALE || model->kind[step] == UB_STEP_MESSAGE;
}

/* Those on which an attempt can stand, as they are now. Only another model takes the place of one. */
static void stands(struct ub_checker *c, struct request_kept *r, uint8_t degraded)
{
    uint32_t models = 0;
    for (uint32_t i = 0; i < r->model->steps; i++) {
        bool is = (degraded & bit(i)) != 0, was = (r->degraded & bit(i)) != 0;
        bool model = r->model->kind[i] == UB_STEP_MODEL;
        models += is && model;
        if (was && !is && !model) {
            ub_checker_fail(c, "step %u of the ladder is forgotten", i + 1);
        }
        if (is && !was) {
            on_step(c, r, i);
        }
    }
    if (models > 1 || (models == 0 && r->serves != r->model)) {
        ub_checker_fail(c, "the ladder leads to %u models at a time", models);
    }
    r->degraded = degraded;
}

/* The step that is a stale answer or a message; UB_STEPS_MAX: none. */
static uint32_t split(struct ub_checker *c, const struct request_kept *r, uint8_t *degraded)
{
    uint32_t found = UB_STEPS_MAX, last = 0;
    for (uint32_t i = 0; i < UB_STEPS_MAX; i++) {
        if ((*degraded & bit(i)) == 0) {
            continue;
        }
        if (r->model == NULL || i >= r->model->steps) {
            ub_checker_fail(c, "step %u is not on the ladder", i + 1);
            return UB_STEPS_MAX;
        }
        if (is_last(r->model, i)) {
            found = i;
            last++;
        }
    }
    if (last > 1) {
        ub_checker_fail(c, "a stale answer and a message at a time");
    }
    *degraded &= found == UB_STEPS_MAX ? UINT8_MAX : (uint8_t)~bit(found);
    return found;
}

void ub_checker_stands(struct ub_checker *c, struct request_kept *r, const struct ub_action *action)
{
    uint8_t degraded = action->degraded;
    if (split(c, r, &degraded) != UB_STEPS_MAX) {
        ub_checker_fail(c, "START on a step on which nothing starts");
        return;
    }
    stands(c, r, degraded);
}

void ub_checker_look(struct ub_checker *c, struct request_kept *r, const struct ub_action *action)
{
    uint8_t degraded = action->degraded;
    uint32_t step = split(c, r, &degraded);
    if (step == UB_STEPS_MAX || r->model->kind[step] != UB_STEP_STALE) {
        ub_checker_fail(c, "LOOK for a step that is no stale answer");
        return;
    }
    stands(c, r, degraded);
    check_step(c, r, step);
}

void ub_checker_stand_in(struct ub_checker *c, struct request_kept *r,
                         const struct ub_action *action)
{
    uint8_t degraded = action->degraded;
    uint32_t step = split(c, r, &degraded);
    if (step == UB_STEPS_MAX) {
        ub_checker_fail(c, "STAND_IN with what is no answer");
        return;
    }
    stands(c, r, degraded);
    if (r->model->kind[step] == UB_STEP_MESSAGE) {
        check_step(c, r, step);
        if (!r->takes_message) {
            ub_checker_fail(c, "STAND_IN with a message to a client that cannot read it");
        }
    } else if (!r->found || r->steps != step + 1) {
        ub_checker_fail(c, "STAND_IN with a stale answer that nobody has found");
    }
}
