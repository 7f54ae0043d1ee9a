#include "policy/breaker.h"

#include <assert.h>
#include <string.h>

#define IN_A_ROW_MAX  5
#define CALLS_MIN     20
#define DOWN_IN_A_ROW 2
#define OPEN_BASE_NS  (2 * UB_SECOND)
#define OPEN_CAP_NS   (8 * UB_SECOND)
#define QUIET_NS      UB_MINUTE /* after this long without an outage it starts from the base again */

static bool is_open(const struct ub_breaker *b)
{
    return b->open_until != 0;
}

enum ub_breaker_says ub_breaker_says(const struct ub_breaker *b, ub_ns now)
{
    if (!is_open(b)) {
        return UB_BREAKER_GO;
    }
    return b->on_trial || now < b->open_until ? UB_BREAKER_STOP : UB_BREAKER_TRY;
}

void ub_breaker_trial(struct ub_breaker *b)
{
    assert(is_open(b) && !b->on_trial);
    b->on_trial = true;
}

void ub_breaker_trial_void(struct ub_breaker *b)
{
    b->on_trial = false;
}

static void turn_buckets(struct ub_breaker *b, ub_ns now)
{
    int64_t second = now / UB_SECOND;
    int64_t passed = second - b->second;
    for (int64_t i = 1; i <= passed && i <= UB_BREAKER_BUCKETS; i++) {
        int64_t at = (b->second + i) % UB_BREAKER_BUCKETS;
        b->good[at] = b->bad[at] = 0;
    }
    if (passed > 0) {
        b->second = second;
    }
}

static void count(uint16_t *bucket)
{
    if (*bucket < UINT16_MAX) {
        (*bucket)++;
    }
}

static bool half_failed(const struct ub_breaker *b)
{
    uint32_t good = 0, bad = 0;
    for (int i = 0; i < UB_BREAKER_BUCKETS; i++) {
        good += b->good[i];
        bad += b->bad[i];
    }
    return good + bad >= CALLS_MIN && bad >= good;
}

static void forget_window(struct ub_breaker *b)
{
    memset(b->good, 0, sizeof b->good);
    memset(b->bad, 0, sizeof b->bad);
    b->in_a_row = 0;
}

void ub_breaker_good(struct ub_breaker *b, bool trial, ub_ns now)
{
    turn_buckets(b, now);
    b->in_a_row = 0;
    if (!is_open(b)) {
        count(&b->good[b->second % UB_BREAKER_BUCKETS]);
    } else if (trial) {
        forget_window(b);
        b->open_until = 0;
        b->on_trial = false;
        b->closed_at = now;
    }
}

static bool is_connection_error(enum ub_error error)
{
    return error == UB_ERR_CONNECT_REFUSED || error == UB_ERR_CONNECT_FAILED ||
           error == UB_ERR_TLS_FAILED;
}

static bool trips(const struct ub_breaker *b, enum ub_error error)
{
    if (error == UB_ERR_KEY_REFUSED || error == UB_ERR_NO_BALANCE ||
        error == UB_ERR_MODEL_MISSING) {
        return true;
    }
    if (is_connection_error(error) && b->in_a_row >= DOWN_IN_A_ROW) {
        return true;
    }
    return b->in_a_row >= IN_A_ROW_MAX || half_failed(b);
}

/* Equal jitter: at least half of the time, at most all of it. */
static ub_ns open_time(uint8_t opened, double draw)
{
    ub_ns full_ns = OPEN_BASE_NS;
    for (uint8_t i = 1; i < opened && full_ns < OPEN_CAP_NS; i++) {
        full_ns = ub_ns_min(2 * full_ns, OPEN_CAP_NS);
    }
    return full_ns / 2 + (ub_ns)(draw * (double)(full_ns / 2));
}

void ub_breaker_bad(struct ub_breaker *b, enum ub_error error, bool trial, ub_ns now, double draw)
{
    assert(ub_error_blames(error));
    turn_buckets(b, now);
    count(&b->bad[b->second % UB_BREAKER_BUCKETS]);
    count(&b->in_a_row);

    if (!is_open(b) && !trips(b, error)) {
        return;
    }
    if (!is_open(b) && b->closed_at != 0 && now - b->closed_at > QUIET_NS) {
        b->opened = 0;
    }
    if ((!is_open(b) || trial) && b->opened < UINT8_MAX) {
        b->opened++;
    }
    b->on_trial = b->on_trial && !trial;
    b->why = (uint8_t)error;
    b->open_until = ub_ns_max(b->open_until, now + open_time(b->opened, draw));
}

void ub_breaker_probe_good(struct ub_breaker *b, ub_ns now)
{
    if (is_open(b) && now < b->open_until) {
        b->open_until = now;
    }
}

bool ub_breaker_wants_probe(const struct ub_breaker *b)
{
    return is_open(b) && is_connection_error((enum ub_error)b->why);
}
