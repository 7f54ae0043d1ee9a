#include "policy/gradient.h"

#include "base/real.h"

#define TOLERANCE     1.5
#define GRADIENT_LOW  0.5
#define SMOOTHING     0.2
#define STREAK_MAX    4 /* the smoothing is 1 by then */
#define LONG_SAMPLES  600.0
#define LONG_FALL     0.95                    /* what was usual twice as long ago is outdated */
#define NOTICEABLE_NS ((double)(250 * UB_MS)) /* the default patience */
#define WINDOW_MAX    10u
#define WINDOW_NS     (100 * UB_MS)
#define WINDOW_FEW_NS UB_SECOND
#define OUTDATED_NS   (30 * UB_SECOND)
#define STALE_NS      (2 * UB_SECOND)
#define CUT           0.9
#define SHARE_GAIN    0.1
#define LONG_GAIN     0.02
#define SHARE_NOISE   0.2  /* two refusals in a row are below this, three are above */
#define SHARE_FIRST   0.35 /* before there is a limit: four in a row are below this */
#define SHARE_AGAIN   0.3
#define SHARE_SURE    0.5 /* believed although little is in flight */
#define HOLD_NS       (10 * UB_SECOND)
#define NOISE_GAIN    0.05
#define NOISE         0.1 /* this share of refusals does not stop growth */
#define CHECK_NS      (500 * UB_MS)
#define CHECK_MIN     15u
#define CHECK_LONG_NS (5 * UB_SECOND)

static double square_root(double x)
{
    return ub_exp(0.5 * ub_log(x));
}

/* With answers of a minute no more begin than a change has let in. */
static uint32_t samples_needed(const struct ub_gradient *g, uint32_t inflight)
{
    double need = g->limit == 0 || g->limit / 4 > WINDOW_MAX ? WINDOW_MAX : g->limit / 4;
    double let_in = g->limit - (double)inflight;
    need = g->limit > 0 && let_in < need ? let_in : need;
    return need > 1 ? (uint32_t)need : 1;
}

static void begin_window(struct ub_gradient *g, uint32_t inflight, ub_ns now)
{
    g->need = samples_needed(g, inflight);
    g->since = now;
    g->sum_ns = 0;
    g->count = g->stale = g->refused = g->peak = 0;
}

static void change(struct ub_gradient *g, double limit, ub_ns now)
{
    g->limit = limit > UB_GRADIENT_MIN ? limit : UB_GRADIENT_MIN;
    g->limit = g->limit < UB_GRADIENT_MAX ? g->limit : 0;
    g->changed_at = now;
}

/* From where a limit comes when there was none. */
static double limit_or(const struct ub_gradient *g, uint32_t inflight)
{
    double used = inflight > UB_GRADIENT_FIRST ? (double)inflight : UB_GRADIENT_FIRST;
    return g->limit > 0 ? g->limit : used;
}

static bool is_used(const struct ub_gradient *g, uint32_t inflight)
{
    double least = g->limit > 0 ? g->limit / 2 : UB_GRADIENT_MIN;
    return (double)inflight >= least;
}

static bool is_window_over(const struct ub_gradient *g, ub_ns now)
{
    uint32_t need = g->need == 0 ? WINDOW_MAX : g->need;
    return (g->count >= need && now - g->since >= WINDOW_NS) || now - g->since >= WINDOW_FEW_NS;
}

static void learn_usual(struct ub_gradient *g, double mean_ns)
{
    double count = (double)g->count;
    g->samples = g->samples + count < LONG_SAMPLES ? g->samples + count : LONG_SAMPLES;
    g->usual_ns += count / g->samples * (mean_ns - g->usual_ns);
    if (g->usual_ns > 2 * mean_ns + NOTICEABLE_NS) {
        g->usual_ns *= LONG_FALL;
    }
}

/* 1, or less when the waiting is longer than usual. */
static double gradient_of(const struct ub_gradient *g, double mean_ns)
{
    if (g->samples == 0) {
        return 1.0;
    }
    double gradient = TOLERANCE * (g->usual_ns + NOTICEABLE_NS) / (mean_ns + NOTICEABLE_NS);
    gradient = gradient > GRADIENT_LOW ? gradient : GRADIENT_LOW;
    return gradient < 1.0 ? gradient : 1.0;
}

static double smoothing_of(int32_t streak)
{
    double smoothing = SMOOTHING;
    for (int32_t i = 1; i < (streak < 0 ? -streak : streak); i++) {
        smoothing *= 2;
    }
    return smoothing < 1.0 ? smoothing : 1.0;
}

static bool is_noisy(const struct ub_gradient *g)
{
    double share = (double)g->refused / (double)(g->count + g->refused);
    return share > NOISE + 2 * g->noise;
}

static void move(struct ub_gradient *g, double gradient, ub_ns now)
{
    double limit = limit_or(g, g->peak);
    double aim = gradient * limit + square_root(limit);
    if (aim > limit && is_noisy(g)) {
        g->streak = 0;
        return;
    }
    if (aim > limit) {
        g->streak = g->streak <= 0 ? 1 : g->streak < STREAK_MAX ? g->streak + 1 : STREAK_MAX;
    } else {
        g->streak = g->streak >= 0 ? -1 : g->streak > -STREAK_MAX ? g->streak - 1 : -STREAK_MAX;
    }
    if (2 * g->stale > g->count) {
        g->streak = aim > limit ? 1 : -1;
    }
    bool back = g->back_at > g->felt_at && limit < (double)g->well_at;
    bool outdated = now - g->felt_at > OUTDATED_NS && g->refused_share < NOISE + g->noise;
    if (aim > limit && (outdated || back)) {
        aim = 2 * limit;
        aim = !outdated && aim > (double)g->well_at ? (double)g->well_at : aim;
        g->streak = STREAK_MAX;
    }
    double next = limit + smoothing_of(g->streak) * (aim - limit);
    next = aim > limit && next < limit + 1 ? limit + 1 : next; /* else nobody new shows how it is */
    bool held = now < g->held_until && next > (double)g->fitted;
    change(g, held ? (double)g->fitted : next, now);
}

static void end_window(struct ub_gradient *g, uint32_t inflight, ub_ns now)
{
    double mean_ns = g->sum_ns / (double)g->count;
    double gradient = gradient_of(g, mean_ns);
    double refused = (double)g->refused / (double)(g->count + g->refused);
    g->noise += g->noise > 0 ? NOISE_GAIN * (refused - g->noise) : 0;
    bool used = is_used(g, g->peak);
    if (gradient == 1.0 || !used || g->limit == UB_GRADIENT_MIN) {
        learn_usual(g, mean_ns);
    }
    if (gradient == 1.0 && g->peak > g->well_at) {
        g->well_at = g->peak;
    }
    if (gradient < 1.0 && (used || (double)g->peak >= UB_GRADIENT_FIRST)) {
        g->felt_at = now;
        g->by_refusal = false;
        double most = 2.0 * (double)g->peak;
        change(g, g->limit > most ? most : limit_or(g, g->peak), now);
    }
    if (used && g->limit > 0) {
        move(g, gradient, now);
    }
    begin_window(g, inflight, now);
}

void ub_gradient_started(struct ub_gradient *g)
{
    g->refused_share -= SHARE_GAIN * g->refused_share;
    g->refused_long -= LONG_GAIN * g->refused_long;
}

/* Those that began within half a second after the cut have spoken: did it help? */
static void end_check(struct ub_gradient *g, uint32_t inflight, ub_ns now)
{
    double share = (double)g->check.bad / (double)(g->check.good + g->check.bad);
    if (share < SHARE_SURE && share > g->check.refused_share / 2) {
        g->noise = share;
        g->limit = g->by_refusal ? 0 : g->check.limit;
        g->changed_at = now;
        g->felt_at = g->check.felt_at;
        g->held_until = 0;
    }
    g->check.until = 0;
    begin_window(g, inflight, now);
}

/* True: a check is on, and nothing else is learned meanwhile. */
static bool check(struct ub_gradient *g, bool good, ub_ns started_at, uint32_t inflight, ub_ns now)
{
    if (g->check.until == 0) {
        return false;
    }
    bool counts = started_at >= g->cut_at && started_at < g->check.until;
    g->check.good += counts && good;
    g->check.bad += counts && !good;
    bool spoken = (good && started_at >= g->check.until) || now - g->cut_at > CHECK_LONG_NS;
    if (spoken && g->check.good + g->check.bad < CHECK_MIN && now - g->cut_at < CHECK_LONG_NS) {
        g->check.until += CHECK_NS;
    } else if (spoken) {
        end_check(g, inflight, now);
    }
    return true;
}

void ub_gradient_first(struct ub_gradient *g, ub_ns wait_ns, ub_ns started_at, uint32_t inflight,
                       ub_ns now)
{
    if (check(g, true, started_at, inflight, now)) {
        return;
    }
    bool stale = started_at < g->changed_at;
    if (stale && now - g->changed_at < STALE_NS) {
        return;
    }
    g->stale += stale;
    g->sum_ns += (double)wait_ns;
    g->count++;
    g->peak = inflight > g->peak ? inflight : g->peak;
    if (is_window_over(g, now)) {
        end_window(g, inflight, now);
    }
}

/* Says something only beside others that came. */
void ub_gradient_late(struct ub_gradient *g, ub_ns wait_ns, ub_ns started_at, uint32_t inflight,
                      ub_ns now)
{
    if (g->samples > 0) {
        ub_gradient_first(g, wait_ns, started_at, inflight, now);
    }
}

/* Within a fiftieth. */
static bool is_near(uint32_t a, uint32_t b)
{
    uint32_t apart = a > b ? a - b : b - a;
    return apart <= 1 + b / 50;
}

/* More than the limit allows: it was lowered, or somebody went beyond it. A refusal says nothing
 * new then. */
static bool is_beyond(const struct ub_gradient *g, uint32_t inflight)
{
    return g->limit != 0 && (double)inflight > g->limit + 1;
}

static void cut(struct ub_gradient *g, uint32_t inflight, ub_ns now)
{
    double there = (double)inflight;
    double limit = CUT * (g->limit > 0 && g->limit < there ? g->limit : there);
    double well = (double)g->well_at; /* of a crowd that comes at once more are there than fit */
    limit = well > 0 && well < limit ? well : limit;
    limit = limit < there - 1 ? limit : there - 1; /* else nothing changes for those who come */
    bool most = g->refused_share >= SHARE_SURE;
    bool again = g->refused_share > SHARE_AGAIN && is_near(inflight - 1, g->fitted);
    g->check.until = now + CHECK_NS;
    g->check.good = g->check.bad = 0;
    g->check.limit = g->limit;
    g->check.refused_share = g->refused_long;
    g->by_refusal |= g->limit == 0;
    g->check.felt_at = g->felt_at;
    g->fitted = inflight - 1;
    g->cut_at = g->felt_at = now;
    g->held_until = most || again ? now + HOLD_NS : 0;
    change(g, limit, now);
    g->streak = 0;
    begin_window(g, inflight, now);
}

void ub_gradient_refused(struct ub_gradient *g, ub_ns started_at, uint32_t inflight, ub_ns now)
{
    if (is_beyond(g, inflight)) {
        return;
    }
    g->refused_share += SHARE_GAIN;
    g->refused_long += LONG_GAIN;
    if (check(g, false, started_at, inflight, now)) {
        return;
    }
    g->refused++;
    double usual = (g->limit > 0 ? SHARE_NOISE : SHARE_FIRST) + 3 * g->noise;
    bool few = !is_used(g, inflight) && (double)inflight < UB_GRADIENT_FIRST;
    bool elsewhere = few && g->refused_share < SHARE_SURE;
    if (g->refused_share >= usual && !elsewhere && started_at >= g->cut_at) {
        cut(g, inflight, now);
    }
}

void ub_gradient_out(struct ub_gradient *g, ub_ns now)
{
    g->felt_at = now;
    g->check.until = 0;
    g->refused++;
}

void ub_gradient_back(struct ub_gradient *g, ub_ns now)
{
    g->check.until = 0;
    g->refused_share = 0;
    g->cut_at = g->held_until = 0;
    g->streak = 0;
    g->back_at = now;
    if (g->limit > 0) {
        change(g, g->limit > UB_GRADIENT_FIRST ? g->limit : UB_GRADIENT_FIRST, now);
    }
    begin_window(g, 0, now);
}

bool ub_gradient_has_room_beyond(const struct ub_gradient *g, uint32_t inflight, ub_ns now)
{
    return g->limit == 0 || (double)inflight < 2 * g->limit || now - g->felt_at > OUTDATED_NS;
}

bool ub_gradient_knows_room(const struct ub_gradient *g, uint32_t inflight)
{
    return g->well_at > 0 && (g->limit > 0 ? (double)inflight < g->limit : inflight < g->well_at);
}
