#include "tools/episode.h"

#include "base/random.h"
#include "base/units.h"
#include <stdlib.h>

static bool parse_setting(struct ub_slice key, struct ub_slice value, struct ub_episodes *e)
{
    char text[32];
    if (value.len == 0 || value.len >= sizeof text) {
        return false;
    }
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    char *end = text;
    if (ub_slice_is(key, "share")) {
        e->share = strtod(text, &end);
        return *end == '\0' && e->share > 0.0 && e->share <= 0.9;
    }
    if (ub_slice_is(key, "slow")) {
        e->slow = strtod(text, &end);
        return *end == '\0' && e->slow >= 1.0 && e->slow <= 1e6;
    }
    if (ub_slice_is(key, "seed")) {
        e->seed = strtoull(text, &end, 10);
        return *end == '\0';
    }
    if (ub_slice_is(key, "turn")) {
        unsigned long turn = strtoul(text, &end, 10);
        unsigned long turns = *end == '/' ? strtoul(end + 1, &end, 10) : 0;
        e->turn = (uint32_t)turn - 1;
        e->turns = (uint32_t)turns;
        return *end == '\0' && turn >= 1 && turn <= turns && turns <= 1000;
    }
    return ub_slice_is(key, "mean") && ub_duration_parse(value, &e->mean_ns) &&
           e->mean_ns >= UB_MS && e->mean_ns <= 24 * UB_HOUR;
}

bool ub_episodes_parse(struct ub_slice text, struct ub_episodes *episodes, struct ub_buf *words)
{
    *episodes = (struct ub_episodes){.mean_ns = 20 * UB_SECOND, .turns = 1, .slow = 1.0};
    while (text.len > 0) {
        size_t len = 0;
        while (len < text.len && text.ptr[len] != ',' && text.ptr[len] != ';') {
            len++;
        }
        struct ub_slice part = {text.ptr, len};
        text.ptr += len < text.len ? len + 1 : len;
        text.len -= len < text.len ? len + 1 : len;
        const char *equals = memchr(part.ptr, '=', part.len);
        size_t key = equals == NULL ? part.len : (size_t)(equals - part.ptr);
        struct ub_slice value = {part.ptr + key + 1, equals == NULL ? 0 : part.len - key - 1};
        if (!parse_setting(ub_slice_trim((struct ub_slice){part.ptr, key}), ub_slice_trim(value),
                           episodes)) {
            ub_buf_printf(words,
                          "cannot read '%.*s' (share=0..0.9 mean=DURATION turn=I/N slow=FACTOR "
                          "seed=N)",
                          UB_SLICE_ARG(part));
            return false;
        }
    }
    if (episodes->share == 0.0 || episodes->share * episodes->turns > 1.0) {
        ub_buf_add_text(words, "episodes need a share above 0, and at most 1/N with turn=I/N");
        return false;
    }
    return true;
}

/* The bad episode of one cycle, as [begin, end) from the start of the cycle. */
static void episode_of(const struct ub_episodes *e, int64_t cycle, double *begin, double *end)
{
    double cycle_ns = (double)e->mean_ns / e->share;
    double window_ns = cycle_ns / e->turns;
    double mean_ns = (double)e->mean_ns;
    double swing_ns = mean_ns / 2 < window_ns - mean_ns ? mean_ns / 2 : window_ns - mean_ns;
    struct ub_random random = {.state = ub_mix64(e->seed + 1) ^
                                        ub_mix64((uint64_t)cycle * 1024 + e->turn)};
    double len_ns = mean_ns + swing_ns * (2 * ub_random_unit(&random) - 1);
    *begin = window_ns * e->turn + (window_ns - len_ns) * ub_random_unit(&random);
    *end = *begin + len_ns;
}

bool ub_episodes_bad(const struct ub_episodes *episodes, ub_ns at, ub_ns *until)
{
    if (until != NULL) {
        *until = UB_NEVER;
    }
    if (episodes->share <= 0.0) {
        return false;
    }
    ub_ns cycle_ns = (ub_ns)((double)episodes->mean_ns / episodes->share);
    int64_t cycle = at / cycle_ns;
    double into = (double)(at % cycle_ns);
    double begin;
    double end;
    episode_of(episodes, cycle, &begin, &end);
    bool bad = into >= begin && into < end;
    if (until != NULL) {
        double change = into < begin ? begin : bad ? end : (double)cycle_ns;
        *until = at + (ub_ns)(change - into) + 1;
    }
    return bad;
}
