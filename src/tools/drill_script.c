#include "tools/drill_script.h"

#include "base/alloc.h"
#include <assert.h>

static struct ub_prank_rule rule_of(const char *text)
{
    struct ub_prank_rule rule = {.prank = UB_PRANK_NONE, .rate = 1.0, .to_ns = UB_NEVER};
    bool good = text == NULL || ub_prank_parse(ub_slice_of(text), &rule, NULL);
    assert(good);
    return rule;
}

bool ub_drill_script_init(struct ub_drill_script *script, const struct ub_drill *drill, bool all,
                          uint32_t upstreams)
{
    *script = (struct ub_drill_script){.drill = drill, .all = all, .sick = -1};
    pthread_mutex_init(&script->lock, NULL);
    script->others = rule_of(drill->others);
    script->rule = ub_calloc(upstreams, sizeof *script->rule);
    for (uint32_t i = 0; script->rule != NULL && i < upstreams; i++) {
        script->rule[i] = rule_of(drill->sick);
    }
    return script->rule != NULL;
}

void ub_drill_script_close(struct ub_drill_script *script)
{
    pthread_mutex_destroy(&script->lock);
    ub_free(script->rule);
}

void ub_drill_script_begin(struct ub_drill_script *script)
{
    pthread_mutex_lock(&script->lock);
    script->began_at = ub_clock_now();
    pthread_mutex_unlock(&script->lock);
}

uint32_t ub_drill_script_calls(struct ub_drill_script *script)
{
    pthread_mutex_lock(&script->lock);
    uint32_t calls = script->calls;
    pthread_mutex_unlock(&script->lock);
    return calls;
}

uint32_t ub_drill_script_running(struct ub_drill_script *script)
{
    pthread_mutex_lock(&script->lock);
    uint32_t running = script->running;
    pthread_mutex_unlock(&script->lock);
    return running;
}

/* ---- on the mocks' threads ---- */

static struct ub_drill_script *script_of(const struct ub_drill_scripts *scripts, uint64_t question)
{
    for (uint32_t i = 0; i < scripts->count; i++) {
        for (uint32_t k = 0; k < scripts->list[i].questions; k++) {
            if (scripts->list[i].question[k] == question) {
                return &scripts->list[i];
            }
        }
    }
    return NULL;
}

/* A rule on its own: does it fire, and how often may it yet? */
static void play(struct ub_prank_rule *rule, ub_ns since_ns, struct ub_prank_rule *out)
{
    struct ub_prank_set set = {.count = 1};
    set.rule[0] = *rule;
    const struct ub_prank_rule *fired = ub_prank_pick(&set, since_ns, false, 0);
    if (fired != NULL) {
        *out = *fired;
    }
    *rule = set.rule[0];
}

static void choose(void *user, uint64_t question, struct ub_prank_rule *rule)
{
    const struct ub_drill_upstream *upstream = user;
    struct ub_drill_script *script = script_of(upstream->scripts, question);
    if (script == NULL) {
        return;
    }
    pthread_mutex_lock(&script->lock);
    script->calls++;
    script->running++;
    if (script->sick < 0) {
        script->sick = (int)upstream->number;
    }
    bool sick = script->all || script->sick == (int)upstream->number;
    ub_ns since_ns = ub_clock_now() - script->began_at;
    play(sick ? &script->rule[upstream->number] : &script->others, since_ns, rule);
    pthread_mutex_unlock(&script->lock);
}

static void ended(void *user, uint64_t question, bool cancelled)
{
    const struct ub_drill_upstream *upstream = user;
    struct ub_drill_script *script = script_of(upstream->scripts, question);
    if (script != NULL) {
        pthread_mutex_lock(&script->lock);
        script->running--;
        pthread_mutex_unlock(&script->lock);
    }
}

void ub_drill_upstream_init(struct ub_drill_upstream *upstream, struct ub_drill_scripts *scripts,
                            uint32_t number)
{
    *upstream = (struct ub_drill_upstream){
        .scripts = scripts,
        .number = number,
        .script = {.choose = choose, .ended = ended, .user = upstream},
    };
}
