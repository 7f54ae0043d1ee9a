#include "tools/episode.h"
#include "tools/prank.h"

#include "base/random.h"
#include "base/test.h"
#include <math.h>

static const struct {
    const char *name;
    const char *text;
    const char *bad; /* part of the words; NULL = it is good */
    struct ub_prank_rule want;
} rows[] = {
    {"a name alone is always and for ever",
     "cut",
     NULL,
     {UB_PRANK_CUT, 1.0, UB_WHEN_ALWAYS, 0, UB_NEVER, UB_PRANK_FOR_EVER, 3, 30 * UB_SECOND,
      UB_SECOND, 0}},
    {"rate and settings",
     "cut:0.05;after=7",
     NULL,
     {UB_PRANK_CUT, 0.05, UB_WHEN_ALWAYS, 0, UB_NEVER, UB_PRANK_FOR_EVER, 7, 30 * UB_SECOND,
      UB_SECOND, 0}},
    {"as a header writes it",
     "429-after ; retry = 5s ; times=1",
     NULL,
     {UB_PRANK_THROTTLED_UNTIL, 1.0, UB_WHEN_ALWAYS, 0, UB_NEVER, 1, 3, 30 * UB_SECOND, UB_SECOND,
      5 * UB_SECOND}},
    {"commas do as well",
     "stall:0.5,when=bad,from=10s,to=1m,delay=1s,every=250ms",
     NULL,
     {UB_PRANK_STALL, 0.5, UB_WHEN_BAD, 10 * UB_SECOND, UB_MINUTE, UB_PRANK_FOR_EVER, 3, UB_SECOND,
      250 * UB_MS, 0}},
    {"a misspelt name", "cutt", "did you mean cut?", {0}},
    {"a rate above 1", "cut:1.5", "from 0 to 1", {0}},
    {"a rate that is none", "cut:x", "from 0 to 1", {0}},
    {"an unknown setting", "cut;sometimes=1", "cannot read 'sometimes'", {0}},
    {"a duration without unit", "late;delay=5", "cannot read 'delay'", {0}},
    {"a negative count", "cut;after=-1", "cannot read 'after'", {0}},
    {"an empty text", "", "unknown fault ''", {0}},
};

static bool same(const struct ub_prank_rule *a, const struct ub_prank_rule *b)
{
    return a->prank == b->prank && fabs(a->rate - b->rate) < 1e-12 && a->when == b->when &&
           a->from_ns == b->from_ns && a->to_ns == b->to_ns && a->times == b->times &&
           a->after == b->after && a->delay_ns == b->delay_ns && a->every_ns == b->every_ns &&
           a->retry_ns == b->retry_ns;
}

static void check_parse(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_buf words = {0};
        struct ub_prank_rule rule = {0};
        bool ok = ub_prank_parse(ub_slice_of(rows[i].text), &rule, &words);
        bool right = rows[i].bad == NULL ? ok && same(&rule, &rows[i].want)
                                         : !ok && ub_slice_has_nocase(ub_buf_slice(&words),
                                                                      ub_slice_of(rows[i].bad));
        UB_CHECK(right, "%s", rows[i].name);
        ub_buf_free(&words);
    }
}

static void check_names(void)
{
    bool found = true;
    for (int i = 0; i < UB_PRANK_COUNT; i++) {
        struct ub_buf words = {0};
        struct ub_prank_rule rule = {0};
        const char *slug = ub_prank_facts((enum ub_prank)i)->slug;
        found = found && ub_prank_parse(ub_slice_of(slug), &rule, &words) && (int)rule.prank == i;
        ub_buf_free(&words);
    }
    UB_CHECK(found, "every fault is found by its name, and no name stands twice");
}

static int count_picks(struct ub_prank_set *set, enum ub_prank prank, ub_ns since_ns, bool bad)
{
    int count = 0;
    for (uint64_t i = 0; i < 20000; i++) {
        const struct ub_prank_rule *rule = ub_prank_pick(set, since_ns, bad, ub_mix64(i));
        count += rule != NULL && rule->prank == prank;
    }
    return count;
}

static struct ub_prank_rule rule_of(const char *text)
{
    struct ub_buf words = {0};
    struct ub_prank_rule rule = {0};
    UB_CHECK(ub_prank_parse(ub_slice_of(text), &rule, &words), "%s is a rule", text);
    ub_buf_free(&words);
    return rule;
}

static void check_pick(void)
{
    struct ub_prank_set set = {.count = 2};
    set.rule[0] = rule_of("cut:0.05");
    set.rule[1] = rule_of("503:0.5;when=bad;from=10s;to=20s");
    int cuts = count_picks(&set, UB_PRANK_CUT, 0, true);
    UB_CHECK(cuts > 900 && cuts < 1100, "a rate of 5 %% fires for 5 %% (%d of 20,000)", cuts);
    UB_CHECK(count_picks(&set, UB_PRANK_BUSY_503, 5 * UB_SECOND, true) == 0 &&
                 count_picks(&set, UB_PRANK_BUSY_503, 20 * UB_SECOND, true) == 0,
             "not before its time, and not after");
    UB_CHECK(count_picks(&set, UB_PRANK_BUSY_503, 15 * UB_SECOND, false) == 0,
             "not outside of bad episodes");
    int busy = count_picks(&set, UB_PRANK_BUSY_503, 15 * UB_SECOND, true);
    UB_CHECK(busy > 9200 && busy < 9800, "rules are independent, the first one wins (%d)", busy);

    set.count = 1;
    set.rule[0] = rule_of("500;times=1");
    UB_CHECK(count_picks(&set, UB_PRANK_ERROR_500, 0, false) == 1, "once means once");
    set.rule[0] = rule_of("flap;every=2s");
    UB_CHECK(count_picks(&set, UB_PRANK_FLAP, UB_SECOND, false) == 20000 &&
                 count_picks(&set, UB_PRANK_FLAP, 3 * UB_SECOND, false) == 0 &&
                 count_picks(&set, UB_PRANK_FLAP, 5 * UB_SECOND, false) == 20000,
             "flapping is bad and good in turn");
}

static void check_episodes(void)
{
    struct ub_episodes e[3];
    struct ub_buf words = {0};
    static const char *const texts[] = {"share=0.28,mean=20s,turn=1/3,seed=7",
                                        "share=0.28,mean=20s,turn=2/3,seed=7",
                                        "share=0.28, mean=20s, turn=3/3, seed=7, slow=4"};
    bool good = true;
    for (int i = 0; i < 3; i++) {
        good = good && ub_episodes_parse(ub_slice_of(texts[i]), &e[i], &words);
    }
    UB_CHECK(good && e[2].slow == 4.0, "episodes are read");
    int bad[3] = {0};
    int together = 0;
    bool until_right = true;
    enum { STEPS = 200000 };
    for (int i = 0; i < STEPS; i++) {
        ub_ns at = i * 100 * UB_MS;
        int now_bad = 0;
        for (int k = 0; k < 3; k++) {
            ub_ns until;
            bool is_bad = ub_episodes_bad(&e[k], at, &until);
            until_right = until_right && until > at &&
                          ub_episodes_bad(&e[k], at + (until - at) / 2, NULL) == is_bad;
            bad[k] += is_bad;
            now_bad += is_bad;
        }
        together += now_bad > 1;
    }
    for (int k = 0; k < 3; k++) {
        double share = (double)bad[k] / STEPS;
        UB_CHECK(fabs(share - 0.28) < 0.01, "upstream %d is bad %.1f %% of the time", k + 1,
                 100 * share);
    }
    UB_CHECK(together == 0, "those that take turns are never bad together");
    UB_CHECK(until_right, "it says until when nothing changes");
    UB_CHECK(!ub_episodes_parse(UB_LIT("share=0.5,turn=1/3"), &e[0], &words),
             "three cannot take turns at being bad half of the time");
    UB_CHECK(!ub_episodes_parse(UB_LIT("mean=20s"), &e[0], &words), "a share is needed");
    UB_CHECK(!ub_episodes_parse(UB_LIT("share=0.1,often"), &e[0], &words), "unknown settings");
    ub_buf_free(&words);
}

int main(void)
{
    check_parse();
    check_names();
    check_pick();
    check_episodes();
    return ub_test_done();
}
