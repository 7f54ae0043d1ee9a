#include "policy/pace.h"

#include "base/real.h"

#define FORGET        0.98 /* a line remembers about fifty samples */
#define LINE_MIN      8.0  /* samples before a slope is believed */
#define MEAN_GAIN     0.125
#define DEV_GAIN      0.25 /* RFC 6298 */
#define DEVIATIONS    4.0
#define PEAK_TAU_NS   (10.0 * (double)UB_SECOND)
#define RESPONSE_GAIN 0.1
#define P95_GAIN      2.0
#define P95_SAMPLES   20u
#define STALL_SAMPLES 8u
#define STALL_TIMES   4.0
#define STALL_MIN_NS  (4 * UB_SECOND)

/* Before the slope is learned: 0.25 ms a token (a slow engine in PERFORMANCE figures), for what a
 * prompt has above 2,000 tokens. */
#define GUESS_NS     ((double)(250 * UB_US))
#define GUESS_BEYOND 2000u

/* An answer in one piece may take three times its expected generation. */
#define WHOLE_SLACK 3.0

static void line_add(struct ub_line *line, double x, double y)
{
    line->n = line->n * FORGET + 1.0;
    double gain = 1.0 / line->n;
    double dx = x - line->x;
    double dy = y - line->y;
    line->x += gain * dx;
    line->y += gain * dy;
    line->xx += gain * (dx * (x - line->x) - line->xx);
    line->xy += gain * (dx * (y - line->y) - line->xy);
}

/* The slope where the samples say anything about it (they vary by a tenth of their mean), else < 0.
 */
static double line_slope(const struct ub_line *line)
{
    double spread = 0.1 * line->x;
    if (line->n < LINE_MIN || line->xx <= spread * spread || line->xx <= 1.0) {
        return -1.0;
    }
    double slope = line->xy / line->xx;
    return slope > 0.0 ? slope : 0.0;
}

static double prefill_ns(const struct ub_pace *pace, uint32_t tokens)
{
    double slope = line_slope(&pace->prefill);
    if (slope >= 0.0) {
        return slope * (double)tokens;
    }
    return tokens > GUESS_BEYOND ? GUESS_NS * (double)(tokens - GUESS_BEYOND) : 0.0;
}

static double peak_now(const struct ub_pace *pace, ub_ns now)
{
    double share = ub_decay_share((double)(now - pace->peak_at), PEAK_TAU_NS);
    return pace->peak_ns + share * (pace->wait_ns - pace->peak_ns);
}

static void peak_add(struct ub_pace *pace, double wait_ns, ub_ns now)
{
    double peak = pace->samples == 0 ? wait_ns : peak_now(pace, now);
    pace->peak_ns = wait_ns > peak ? wait_ns : peak;
    pace->peak_at = now;
}

static void wait_add(struct ub_pace *pace, double wait_ns)
{
    if (pace->samples == 0) {
        pace->wait_ns = wait_ns;
        pace->dev_ns = wait_ns / 2;
        return;
    }
    double miss = wait_ns - pace->wait_ns;
    pace->dev_ns += DEV_GAIN * ((miss < 0 ? -miss : miss) - pace->dev_ns);
    pace->wait_ns += MEAN_GAIN * miss;
}

/* One step of stochastic approximation (Robbins and Monro, 1951): up by nineteen when a sample is above,
 * down by one when it is below, in units that follow the spread. */
static void p95_add(struct ub_pace *pace, double wait_ns)
{
    if (pace->samples == 0) {
        pace->p95_ns = 2 * wait_ns;
        return;
    }
    double step = P95_GAIN * (pace->dev_ns + 0.01 * pace->wait_ns);
    pace->p95_ns += wait_ns > pace->p95_ns ? 0.95 * step : -0.05 * step;
}

static void sample(struct ub_pace *pace, uint32_t prompt_tokens, double took_ns, ub_ns now)
{
    line_add(&pace->prefill, (double)prompt_tokens, took_ns);
    double wait_ns = took_ns - prefill_ns(pace, prompt_tokens);
    wait_ns = wait_ns > 0.0 ? wait_ns : 0.0;
    peak_add(pace, wait_ns, now);
    p95_add(pace, wait_ns);
    wait_add(pace, wait_ns);
    pace->samples += pace->samples < UINT32_MAX;
}

void ub_pace_first(struct ub_pace *pace, uint32_t prompt_tokens, ub_ns took_ns, ub_ns now)
{
    sample(pace, prompt_tokens, (double)took_ns, now);
}

void ub_pace_at_least(struct ub_pace *pace, uint32_t prompt_tokens, ub_ns waited_ns, ub_ns now)
{
    double wait_ns = (double)waited_ns - prefill_ns(pace, prompt_tokens);
    if (pace->samples > 0 && wait_ns > peak_now(pace, now)) {
        peak_add(pace, wait_ns, now);
    }
}

ub_ns ub_pace_95(const struct ub_pace *pace, uint32_t prompt_tokens)
{
    if (pace->samples < P95_SAMPLES) {
        return 0;
    }
    double usual = pace->p95_ns > pace->wait_ns ? pace->p95_ns : pace->wait_ns;
    return (ub_ns)(usual + prefill_ns(pace, prompt_tokens)) + 1;
}

void ub_pace_late(struct ub_pace *pace, uint32_t prompt_tokens, ub_ns waited_ns, ub_ns now)
{
    double wait_ns = (double)waited_ns - prefill_ns(pace, prompt_tokens);
    wait_ns = wait_ns > 0.0 ? wait_ns : 0.0;
    peak_add(pace, 2 * wait_ns, now);
    pace->wait_ns = wait_ns > pace->wait_ns ? wait_ns : pace->wait_ns;
    double dev = wait_ns / DEVIATIONS;
    pace->dev_ns = dev > pace->dev_ns ? dev : pace->dev_ns;
    pace->samples += pace->samples < UINT32_MAX;
}

void ub_pace_done(struct ub_pace *pace, uint32_t prompt_tokens, uint32_t tokens_out, ub_ns took_ns,
                  ub_ns generated_ns, ub_ns now)
{
    double took = (double)took_ns;
    pace->response_ns +=
        (pace->response_ns == 0 ? 1.0 : RESPONSE_GAIN) * (took - pace->response_ns);
    if (generated_ns > 0) {
        if (tokens_out > 0) {
            line_add(&pace->output, (double)tokens_out, (double)generated_ns);
        }
        return;
    }
    double generation = (double)ub_pace_per_token(pace) * (double)tokens_out;
    if (tokens_out > 0) {
        line_add(&pace->output, (double)tokens_out, took);
    }
    sample(pace, prompt_tokens, generation < took ? took - generation : 0.0, now);
}

ub_ns ub_pace_wait(const struct ub_pace *pace, uint32_t prompt_tokens, ub_ns took_ns)
{
    return ub_ns_max(took_ns - ub_pace_prefill(pace, prompt_tokens), 0);
}

void ub_pace_pause(struct ub_pace *pace, ub_ns pause_ns)
{
    double pause = (double)pause_ns;
    if (pace->pauses == 0) {
        pace->pause_ns = pause;
        pace->pause_dev_ns = pause / 2;
    } else {
        double miss = pause - pace->pause_ns;
        pace->pause_dev_ns += DEV_GAIN * ((miss < 0 ? -miss : miss) - pace->pause_dev_ns);
        pace->pause_ns += MEAN_GAIN * miss;
    }
    pace->pauses += pace->pauses < UINT32_MAX;
}

/* Four times what is already four deviations above the mean: an engine that throws a sequence out of its
 * memory and computes it again pauses far longer than it usually does. */
ub_ns ub_pace_stall(const struct ub_pace *pace, ub_ns max_ns)
{
    if (pace->pauses < STALL_SAMPLES) {
        return max_ns;
    }
    double limit = STALL_TIMES * (pace->pause_ns + DEVIATIONS * pace->pause_dev_ns);
    return limit > (double)max_ns ? max_ns
                                  : ub_ns_min(ub_ns_max((ub_ns)limit, STALL_MIN_NS), max_ns);
}

ub_ns ub_pace_prefill(const struct ub_pace *pace, uint32_t prompt_tokens)
{
    return (ub_ns)prefill_ns(pace, prompt_tokens);
}

ub_ns ub_pace_per_token(const struct ub_pace *pace)
{
    double slope = line_slope(&pace->output);
    return slope > 0.0 ? (ub_ns)slope : 0;
}

ub_ns ub_pace_expect(const struct ub_pace *pace, uint32_t prompt_tokens, ub_ns now)
{
    if (pace->samples == 0) {
        return 0;
    }
    ub_ns expect = (ub_ns)(peak_now(pace, now) + prefill_ns(pace, prompt_tokens));
    return expect > 0 ? expect : 1;
}

/* Four deviations, and never less than as long again: a steady upstream has next to no deviation, and its
 * first queue would look like silence (RFC 6298 has its clock granularity for the same reason). */
static double usual_wait(const struct ub_pace *pace)
{
    double margin = DEVIATIONS * pace->dev_ns;
    return pace->wait_ns + (margin > pace->wait_ns ? margin : pace->wait_ns);
}

ub_ns ub_pace_deadline(const struct ub_pace *pace, uint32_t prompt_tokens, ub_ns min_ns,
                       ub_ns max_ns)
{
    double wait = usual_wait(pace);
    ub_ns bounded = wait > (double)max_ns ? max_ns : ub_ns_clamp((ub_ns)wait, min_ns, max_ns);
    return ub_ns_after(bounded, ub_pace_prefill(pace, prompt_tokens));
}

ub_ns ub_pace_whole_deadline(const struct ub_pace *pace, uint32_t prompt_tokens,
                             uint32_t max_tokens, ub_ns min_ns, ub_ns left_ns)
{
    ub_ns half_ns = left_ns / 2;
    ub_ns per_token = ub_pace_per_token(pace);
    if (per_token == 0 || max_tokens == 0) {
        return half_ns;
    }
    double whole = usual_wait(pace) + WHOLE_SLACK * (double)per_token * (double)max_tokens +
                   prefill_ns(pace, prompt_tokens);
    return whole > (double)half_ns ? half_ns : ub_ns_min(ub_ns_max((ub_ns)whole, min_ns), half_ns);
}
