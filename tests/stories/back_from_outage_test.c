/* Metastability: for 30 seconds everybody is down, while clients come back as the SDKs do (twice; the
 * advice obeyed) or stubbornly by their own clock. They must not keep the system down when the
 * upstreams are back, nor fall upon them as a herd. */
#include "sim/world.h"

#define PER_S   50
#define DOWN_S  20
#define UP_S    50
#define END_S   90
#define SECONDS (END_S + 30)

static const char *const names[] = {"a", "b", "c"};

static void set_all(struct ub_world *world, enum ub_fault fault)
{
    for (size_t i = 0; i < UB_COUNT(names); i++) {
        if (fault == UB_FAULT_CONNECT_REFUSED) {
            ub_world_kill(world, names[i]);
            continue;
        }
        ub_world_restart(world, names[i]);
        ub_world_upstream_named(world, names[i])->fault = fault;
    }
}

static int started(struct ub_world *world)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < UB_COUNT(names); i++) {
        sum += ub_world_upstream_named(world, names[i])->started;
    }
    return (int)sum;
}

/* What happened in each second to those who arrived in it. */
struct second {
    int arrived, answered, slow;
};

static void count(struct ub_world *world, struct second *seconds)
{
    for (uint32_t i = 1; i <= ub_world_asked(world); i++) {
        struct ub_sim_result r = ub_world_result(world, i);
        struct second *s = &seconds[ub_ns_min(r.arrived / UB_SECOND, SECONDS - 1)];
        s->arrived++;
        s->answered += r.outcome == UB_SIM_FINISHED;
        s->slow += r.outcome == UB_SIM_FINISHED && r.forwarded - r.arrived > UB_SECOND;
    }
}

/* Runs up to END_S; returns the most attempts that begin in one second after the outage. */
static int run(struct ub_world *world, enum ub_fault fault)
{
    ub_world_run_until(world, DOWN_S * UB_SECOND);
    set_all(world, fault);
    ub_world_run_until(world, UP_S * UB_SECOND);
    set_all(world, UB_FAULT_NONE);
    int peak = 0;
    for (int s = UP_S; s < END_S; s++) {
        int before = started(world);
        ub_world_run_until(world, (s + 1) * UB_SECOND);
        int now = started(world) - before;
        peak = now > peak ? now : peak;
    }
    ub_world_run(world);
    return peak;
}

/* `within_s`: after the outage, until everybody is answered; `slow_s`: and within a second. */
static void test_outage(enum ub_fault fault, bool stubborn, bool known, int within_s, int slow_s)
{
    struct ub_world *world = ub_world_new(
        (struct ub_world_options){.seed = 4, .quiet = true, .limits = {.requests = 8000}});
    for (size_t i = 0; i < UB_COUNT(names); i++) {
        struct ub_sim_upstream *u = ub_world_upstream(world, names[i], 200 * UB_MS);
        u->slots = 40;
        u->concurrency = known ? 40 : 0;
        u->learns = !known;
        u->queue_max = known ? 0 : 1000;
    }
    for (int i = 0; i < PER_S * END_S; i++) {
        ub_world_ask(world, (struct ub_ask){
                                .at = i * UB_SECOND / PER_S, .returns = 2, .stubborn = stubborn});
    }
    int peak = run(world, fault);
    struct second seconds[SECONDS] = {{0}};
    count(world, seconds);
    int most = 0, failed = 0, slow = 0;
    for (int s = UP_S; s < END_S; s++) {
        most = seconds[s].arrived > most ? seconds[s].arrived : most;
        failed += s >= UP_S + within_s ? seconds[s].arrived - seconds[s].answered : 0;
        slow += s >= UP_S + slow_s ? seconds[s].slow : 0;
    }
    const char *words = ub_fault_facts(fault)->words;
    const char *clients = stubborn ? ", stubborn clients" : "";
    UB_CHECK(seconds[UP_S - 5].answered == 0, "%s%s%s: it was an outage", words, clients,
             known ? "" : ", learned limits");
    UB_CHECK(failed == 0, "%d s later everybody is answered (%d are not)", within_s, failed);
    UB_CHECK(slow == 0, "and %d s later within a second (%d are not)", slow_s, slow);
    UB_CHECK(most <= 3 * PER_S + PER_S / 4, "at most %d a second come, of %d new ones", most,
             PER_S);
    UB_CHECK(peak <= 3 * PER_S, "and at most %d attempts a second begin", peak);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

int main(void)
{
    for (int known = 0; known <= 1; known++) {
        int slow_s = known ? 2 : 8;
        test_outage(UB_FAULT_CONNECT_REFUSED, false, known, 2, slow_s);
        test_outage(UB_FAULT_CONNECT_REFUSED, true, known, 2, slow_s);
        test_outage(UB_FAULT_BUSY_503, false, known, 2, slow_s);
        test_outage(UB_FAULT_BUSY_503, true, known, 2, slow_s);
    }
    /* Silence keeps the slots taken, and a whole line waits for them when it ends; those who were
     * refused meanwhile come back when they were told that it would be over. */
    test_outage(UB_FAULT_SILENT, false, true, 8, 36);
    test_outage(UB_FAULT_SILENT, true, true, 8, 30);
    return ub_test_done();
}
