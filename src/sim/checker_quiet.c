/* checker_quiet.c - when everything that was asked is over, nothing may be left. */
#include "sim/checker_inside.h"

void ub_checker_quiet(struct ub_checker *c, const struct ub_brain *brain)
{
    for (uint32_t i = 0; i < c->high; i++) {
        if (c->request[i].alive) {
            ub_checker_fail(c, "request %u.%u has no outcome", i, c->request[i].generation);
        }
    }
    for (uint32_t i = 0; i < c->limits.upstreams; i++) {
        if (c->inflight[i] != 0) {
            ub_checker_fail(c, "upstream %u has %u attempts left over", i, c->inflight[i]);
        }
    }
    struct ub_brain_facts f = ub_brain_facts(brain);
    if (f.requests != 0 || f.running != 0 || f.waiting != 0 || f.backing_off != 0 || f.ready != 0) {
        ub_checker_fail(
            c, "the brain still counts %u requests, %u running, %u waiting, %u backing off",
            f.requests, f.running, f.waiting, f.backing_off);
    }
    if (f.reserved_tokens != 0) {
        ub_checker_fail(c, "%llu tokens stay reserved for requests that are over",
                        (unsigned long long)f.reserved_tokens);
    }
    if (f.first_attempts != c->firsts || f.extra_attempts != c->extras) {
        ub_checker_fail(
            c, "the brain counts %llu first and %llu extra attempts instead of %llu and %llu",
            (unsigned long long)f.first_attempts, (unsigned long long)f.extra_attempts,
            (unsigned long long)c->firsts, (unsigned long long)c->extras);
    }
    if (f.charged_attempts > f.extra_attempts || f.charged_attempts < c->charged) {
        ub_checker_fail(c, "the brain charged %llu of %llu extra attempts, at least %llu cost",
                        (unsigned long long)f.charged_attempts,
                        (unsigned long long)f.extra_attempts, (unsigned long long)c->charged);
    }
}
