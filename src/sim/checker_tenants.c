/* checker_tenants.c - the checker's account of tenants: who of them is in the house, and how much of
 * their rate has come in. */
#include "sim/checker_inside.h"

#include "base/alloc.h"

static struct tenant_kept *find(struct ub_checker *c, uint64_t key)
{
    for (uint32_t i = 0; i < c->tenants; i++) {
        if (c->tenant[i].key == key) {
            return &c->tenant[i];
        }
    }
    return NULL;
}

static struct tenant_kept *keep(struct ub_checker *c, uint64_t key)
{
    struct tenant_kept *kept = find(c, key);
    if (kept != NULL) {
        return kept;
    }
    struct tenant_kept *grown = ub_realloc(c->tenant, (c->tenants + 1) * sizeof *grown);
    if (grown == NULL) {
        ub_checker_fail(c, "no memory for the checker");
        return NULL;
    }
    c->tenant = grown;
    grown[c->tenants] = (struct tenant_kept){.key = key};
    return &grown[c->tenants++];
}

/* What its rate has allowed up to now. */
static void refill(struct tenant_kept *t, ub_ns now)
{
    if (t->rate.amount != 0) {
        t->allowed += (double)t->rate.amount / (double)t->rate.per_ns * (double)(now - t->since);
    }
    t->since = now;
}

/* A new rate may begin with its whole burst, and so may a tenant that was away. */
static void adopt(struct tenant_kept *t, const struct ub_tenant_spec *spec, uint16_t slot,
                  ub_ns now)
{
    const struct ub_rate *rate = &spec->quota.requests;
    refill(t, now);
    if (t->slot == UB_NO_TENANT || t->rate.amount != rate->amount ||
        t->rate.per_ns != rate->per_ns || t->rate.burst != rate->burst) {
        t->allowed += (double)rate->burst;
    }
    t->rate = *rate;
    t->unlimited |= rate->amount == 0;
    t->crowd |= spec->concurrency == 0;
    t->concurrency = spec->concurrency > t->concurrency ? spec->concurrency : t->concurrency;
    t->slot = slot;
    t->class = spec->class;
}

void ub_checker_tenants(struct ub_checker *c, const struct ub_brain *brain,
                        const struct ub_routes *routes, ub_ns now)
{
    for (uint32_t i = 0; i < routes->tenant_count; i++) {
        const struct ub_tenant_spec *spec = &routes->tenants[i];
        bool known = find(c, spec->key) != NULL;
        struct tenant_kept *t = keep(c, spec->key);
        if (t == NULL) {
            return;
        }
        t->slot = known ? t->slot : UB_NO_TENANT;
        adopt(t, spec, ub_brain_tenant(brain, spec->key), now);
        if (t->slot == UB_NO_TENANT) {
            ub_checker_fail(c, "tenant %u of the new routes has no slot", i);
        }
    }
    for (uint32_t i = 0; i < c->tenants; i++) {
        if (ub_brain_tenant(brain, c->tenant[i].key) == UB_NO_TENANT) {
            refill(&c->tenant[i], now);
            c->tenant[i].rate.amount = 0;
            c->tenant[i].slot = UB_NO_TENANT;
        }
    }
}

uint64_t ub_checker_tenant_of(const struct ub_checker *c, uint16_t slot)
{
    for (uint32_t i = 0; slot != UB_NO_TENANT && i < c->tenants; i++) {
        if (c->tenant[i].slot == slot) {
            return c->tenant[i].key;
        }
    }
    return 0;
}

uint8_t ub_checker_class_of(const struct ub_checker *c, const struct ub_arrival *arrival)
{
    uint8_t class = arrival->class;
    for (uint32_t i = 0; arrival->tenant != UB_NO_TENANT && i < c->tenants; i++) {
        if (c->tenant[i].slot == arrival->tenant && c->tenant[i].class > class) {
            class = c->tenant[i].class;
        }
    }
    return class;
}

/* Its first attempt starts: it was let in, now or before. */
void ub_checker_let_in(struct ub_checker *c, struct request_kept *r, ub_ns now)
{
    struct tenant_kept *t = r->let_in || r->tenant == 0 ? NULL : find(c, r->tenant);
    r->let_in = true;
    if (t == NULL) {
        return;
    }
    refill(t, now);
    if (++t->inside > t->concurrency && !t->crowd) {
        ub_checker_fail(c, "%u requests of a tenant in the house that may have %u", t->inside,
                        t->concurrency);
    }
    if ((double)++t->admitted > 1.001 * t->allowed + 1 && !t->unlimited) {
        ub_checker_fail(c, "%llu requests of a tenant came in that may have %.3f",
                        (unsigned long long)t->admitted, t->allowed);
    }
}

void ub_checker_goes(struct ub_checker *c, const struct request_kept *r)
{
    struct tenant_kept *t = r->let_in && r->tenant != 0 ? find(c, r->tenant) : NULL;
    if (t != NULL) {
        t->inside--;
    }
}
