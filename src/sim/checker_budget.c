/* checker_budget.c - who pays for an extra attempt: the budgets of models and of upstreams. */
#include "sim/checker_inside.h"

#include "base/alloc.h"

static struct budget_kept *budget_of(struct ub_checker *c, uint64_t key)
{
    for (uint32_t i = 0; i < c->budgets; i++) {
        if (c->budget[i].key == key) {
            return &c->budget[i];
        }
    }
    struct budget_kept *grown = ub_realloc(c->budget, (c->budgets + 1) * sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    c->budget = grown;
    grown[c->budgets] = (struct budget_kept){.key = key};
    return &grown[c->budgets++];
}

/* The largest share and rate of those who use it. */
void ub_checker_widen(struct ub_checker *c, uint64_t key, const struct ub_retry_policy *retry)
{
    struct budget_kept *budget = budget_of(c, key);
    if (budget != NULL) {
        budget->ratio = retry->budget > budget->ratio ? retry->budget : budget->ratio;
        budget->per_s = retry->budget_per_s > budget->per_s ? retry->budget_per_s : budget->per_s;
    }
}

/* A model or an upstream that is gone may be forgotten, and begins with a full reserve when it comes
 * back. */
void ub_checker_absent(struct ub_checker *c, const struct ub_routes *routes)
{
    for (uint32_t i = 0; i < c->budgets; i++) {
        bool there = false;
        for (uint32_t m = 0; m < routes->model_count && !there; m++) {
            there = routes->models[m].key == c->budget[i].key;
        }
        for (uint32_t u = 0; u < routes->upstream_count && !there; u++) {
            there = routes->upstreams[u].key == c->budget[i].key;
        }
        c->budget[i].beginnings += !there;
    }
}

static uint64_t model_bit(const struct request_kept *r)
{
    return 1ull << (r->serves->key % 64);
}

void ub_checker_hear(struct ub_checker *c, const struct request_kept *r, uint16_t upstream,
                     enum ub_error error)
{
    if (ub_error_blames(error)) {
        c->bad[upstream] |= model_bit(r);
        c->bad_new[upstream] |= model_bit(r);
    } else if (error == UB_ERR_OK) {
        c->bad[upstream] &= ~model_bit(r);
        c->served[upstream] = true;
    }
}

/* Moving on from a quick refusal to known free slots costs nothing: the concurrency is known, or
 * learned from those that were served, and the last word was good. While older actions may still come, it may have been so when they were
 * decided. */
static bool may_be_free(const struct ub_checker *c, const struct request_kept *r, uint16_t upstream)
{
    bool known = c->concurrency[upstream] != 0 || c->routes_new || c->served[upstream];
    bool good = ((c->bad[upstream] & ~c->bad_new[upstream]) & model_bit(r)) == 0;
    bool refused = false; /* by one of them: two may have ended in either order */
    for (uint32_t i = 0; i < r->attempts && i < ATTEMPTS_KEPT; i++) {
        refused |= ub_error_is_quick(r->error[i]);
    }
    return known && good && refused;
}

static void charge(struct ub_checker *c, struct budget_kept *b, const char *whose, ub_ns now)
{
    b->charged++;
    double passed_s = (double)(now - c->began) / (double)UB_SECOND;
    if ((double)b->charged >
        b->ratio * (double)b->firsts + b->per_s * (passed_s + 1.0 + b->beginnings)) {
        ub_checker_fail(c,
                        "retry budget of %s overspent: %llu charged attempts after %llu first ones",
                        whose, (unsigned long long)b->charged, (unsigned long long)b->firsts);
    }
}

void ub_checker_pay(struct ub_checker *c, struct request_kept *r, uint16_t upstream, bool races,
                    ub_ns now)
{
    struct budget_kept *models = budget_of(c, r->serves->key);
    struct budget_kept *theirs = budget_of(c, c->slot_key[upstream]);
    if (models == NULL || theirs == NULL) {
        ub_checker_fail(c, "no memory for the checker");
        return;
    }
    if (r->attempts == 0) {
        c->firsts++;
        models->firsts++;
        theirs->firsts++;
        return;
    }
    c->extras++;
    if (races || !may_be_free(c, r, upstream)) {
        c->charged++;
        charge(c, models, "a model", now);
        charge(c, theirs, "an upstream", now);
    }
}
