#include "tools/prank.h"

#include "base/nearest.h"
#include "base/random.h"
#include "base/units.h"
#include <assert.h>

static const struct ub_prank_facts facts[] = {
#define X(name, slug, place, status, words) {slug, UB_PRANK_##place, status, words},
    UB_PRANKS(X)
#undef X
};

const struct ub_prank_facts *ub_prank_facts(enum ub_prank prank)
{
    assert(prank >= 0 && prank < UB_PRANK_COUNT);
    return &facts[prank];
}

static struct ub_prank_rule defaults(enum ub_prank prank)
{
    struct ub_prank_rule rule = {
        .prank = prank,
        .rate = 1.0,
        .to_ns = UB_NEVER,
        .times = UB_PRANK_FOR_EVER,
        .after = 3,
        .delay_ns = 30 * UB_SECOND,
        .every_ns = UB_SECOND,
    };
    switch (prank) {
    case UB_PRANK_THROTTLED_UNTIL:
        rule.retry_ns = 2 * UB_SECOND;
        break;
    case UB_PRANK_FLAP:
        rule.every_ns = 5 * UB_SECOND;
        break;
    case UB_PRANK_STORM:
    case UB_PRANK_REFUSE:
        rule.delay_ns = 5 * UB_SECOND;
        break;
    case UB_PRANK_DRIP:
        rule.after = 0;
        break;
    default:
        break;
    }
    return rule;
}

/* The text up to one of `stops`, without it; `text` is advanced past it. */
static struct ub_slice cut_at(struct ub_slice *text, const char *stops)
{
    size_t len = 0;
    while (len < text->len && strchr(stops, text->ptr[len]) == NULL) {
        len++;
    }
    struct ub_slice part = {text->ptr, len};
    size_t used = len < text->len ? len + 1 : len;
    text->ptr += used;
    text->len -= used;
    return ub_slice_trim(part);
}

static bool parse_share(struct ub_slice text, double *out)
{
    double value = 0.0;
    double scale = 0.0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && scale == 0.0) {
            scale = 1.0;
        } else if (c >= '0' && c <= '9') {
            value = value * 10 + (c - '0');
            scale *= 10.0;
        } else {
            return false;
        }
    }
    *out = scale > 0.0 ? value / scale : value;
    return text.len > 0 && *out <= 1.0;
}

static bool parse_count(struct ub_slice text, uint32_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || value > UINT32_MAX / 16) {
            return false;
        }
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *out = (uint32_t)value;
    return text.len > 0;
}

static bool parse_when(struct ub_slice text, enum ub_prank_when *out)
{
    static const char *const words[] = {"always", "bad", "good"};
    for (size_t i = 0; i < UB_COUNT(words); i++) {
        if (ub_slice_is(text, words[i])) {
            *out = (enum ub_prank_when)i;
            return true;
        }
    }
    return false;
}

static bool parse_setting(struct ub_slice key, struct ub_slice value, struct ub_prank_rule *rule)
{
    if (ub_slice_is(key, "rate")) {
        return parse_share(value, &rule->rate);
    }
    if (ub_slice_is(key, "after")) {
        return parse_count(value, &rule->after);
    }
    if (ub_slice_is(key, "times")) {
        return parse_count(value, &rule->times);
    }
    if (ub_slice_is(key, "when")) {
        return parse_when(value, &rule->when);
    }
    static const char *const names[] = {"delay", "every", "retry", "from", "to"};
    ub_ns *targets[] = {&rule->delay_ns, &rule->every_ns, &rule->retry_ns, &rule->from_ns,
                        &rule->to_ns};
    for (size_t i = 0; i < UB_COUNT(names); i++) {
        if (ub_slice_is(key, names[i])) {
            return ub_duration_parse(value, targets[i]);
        }
    }
    return false;
}

static bool find(struct ub_slice slug, enum ub_prank *out, struct ub_buf *words)
{
    struct ub_nearest nearest = {.text = slug};
    for (int i = 0; i < UB_PRANK_COUNT; i++) {
        if (ub_slice_is(slug, facts[i].slug)) {
            *out = (enum ub_prank)i;
            return true;
        }
        ub_nearest_offer(&nearest, facts[i].slug);
    }
    ub_buf_printf(words, "unknown fault '%.*s'", UB_SLICE_ARG(slug));
    if (nearest.word != NULL) {
        ub_buf_printf(words, ", did you mean %s?", nearest.word);
    }
    return false;
}

bool ub_prank_parse(struct ub_slice text, struct ub_prank_rule *rule, struct ub_buf *words)
{
    struct ub_slice name = cut_at(&text, ";,");
    struct ub_slice slug = cut_at(&name, ":");
    enum ub_prank prank;
    if (!find(slug, &prank, words)) {
        return false;
    }
    *rule = defaults(prank);
    if (name.len > 0 && !parse_share(ub_slice_trim(name), &rule->rate)) {
        ub_buf_printf(words, "%s: the rate must be a number from 0 to 1", facts[prank].slug);
        return false;
    }
    while (text.len > 0) {
        struct ub_slice value = cut_at(&text, ";,");
        struct ub_slice key = cut_at(&value, "=");
        if (!parse_setting(key, ub_slice_trim(value), rule)) {
            ub_buf_printf(words,
                          "%s: cannot read '%.*s' (settings: rate=0..1 after=TOKENS times=N "
                          "when=bad|good delay= every= retry= from= to=DURATION)",
                          facts[prank].slug, UB_SLICE_ARG(key));
            return false;
        }
    }
    return true;
}

static bool fires(const struct ub_prank_rule *rule, ub_ns since_ns, bool bad, double draw)
{
    if (rule->times == 0 || since_ns < rule->from_ns || since_ns >= rule->to_ns) {
        return false;
    }
    if (rule->when != UB_WHEN_ALWAYS && bad != (rule->when == UB_WHEN_BAD)) {
        return false;
    }
    /* Flapping is down in the first half of each turn. */
    if (rule->prank == UB_PRANK_FLAP && rule->every_ns > 0 && since_ns / rule->every_ns % 2 == 1) {
        return false;
    }
    return draw < rule->rate;
}

const struct ub_prank_rule *ub_prank_pick(struct ub_prank_set *set, ub_ns since_ns, bool bad,
                                          uint64_t seed)
{
    struct ub_random random = {.state = seed};
    for (uint32_t i = 0; i < set->count; i++) {
        struct ub_prank_rule *rule = &set->rule[i];
        double draw = ub_random_unit(&random); /* one for each rule, whatever the others do */
        if (fires(rule, since_ns, bad, draw)) {
            rule->times -= rule->times != UB_PRANK_FOR_EVER;
            return rule;
        }
    }
    return NULL;
}

void ub_prank_list(struct ub_buf *out)
{
    for (int i = 1; i < UB_PRANK_COUNT; i++) {
        ub_buf_printf(out, "%-13s %s\n", facts[i].slug, facts[i].words);
    }
    ub_buf_add_text(out,
                    "\n"
                    "A rule is NAME[:RATE][;SETTING=VALUE...], with RATE the share of requests "
                    "(0..1) that it strikes.\n"
                    "Settings, with the defaults in brackets above:\n"
                    "  after=TOKENS       so many tokens are sent first\n"
                    "  delay=T every=T    how late, how often\n"
                    "  retry=T            Retry-After, with any of the errors\n"
                    "  times=N            strikes so often, then never again\n"
                    "  from=T to=T        only from and until so long after the start\n"
                    "  when=bad|good      only in bad episodes (--episodes), or outside them\n");
}
