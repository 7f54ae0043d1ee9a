#include "http/signals.h"

#include "http/number.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 40

enum signal { RUNNING, WAITING, KV, SIGNALS };

/* Names as of each engine's documentation; an older one beside the present one. */
#define NAMES_MAX 2
static const char *const names[][SIGNALS][NAMES_MAX] = {
    [UB_DIALECT_VLLM] = {[RUNNING] = {"vllm:num_requests_running"},
                         [WAITING] = {"vllm:num_requests_waiting"},
                         [KV] = {"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"}},
    [UB_DIALECT_SGLANG] = {[RUNNING] = {"sglang:num_running_reqs"},
                           [WAITING] = {"sglang:num_queue_reqs"},
                           [KV] = {"sglang:token_usage"}},
    [UB_DIALECT_LLAMA] = {[RUNNING] = {"llamacpp:requests_processing"},
                          [WAITING] = {"llamacpp:requests_deferred"},
                          [KV] = {"llamacpp:kv_cache_usage_ratio"}},
};

void ub_signals_begin(struct ub_signals_reader *r, enum ub_dialect dialect)
{
    assert(ub_dialect_is_engine(dialect));
    r->dialect = dialect;
    r->sum = (struct ub_signals){0};
    r->has_running = r->has_waiting = r->skip = false;
    r->len = 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct ub_slice skip_blanks(struct ub_slice s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    return s;
}

/* Behind the labels: a brace inside a quoted value does not close them. False: they never end. */
static bool skip_labels(struct ub_slice *s)
{
    if (s->len == 0 || s->ptr[0] != '{') {
        return true;
    }
    bool quoted = false;
    for (size_t i = 1; i < s->len; i++) {
        char c = s->ptr[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == '}' && !quoted) {
            *s = (struct ub_slice){s->ptr + i + 1, s->len - i - 1};
            return true;
        }
    }
    return false;
}

/* A timestamp may stand behind the value. */
static bool is_rest(struct ub_slice s)
{
    bool digits = false;
    s = skip_blanks(s);
    if (s.len > 0 && s.ptr[0] == '-') {
        s = (struct ub_slice){s.ptr + 1, s.len - 1};
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!ub_number_is_digit(s.ptr[i])) {
            return false;
        }
        digits = true;
    }
    return digits || s.len == 0;
}

/* NaN and Inf, signs and hexadecimals say nothing that we could use. */
static bool read_value(struct ub_slice s, double *value)
{
    struct ub_slice text = skip_blanks(s);
    if (text.len == s.len) {
        return false;
    }
    enum ub_number place = UB_NUMBER_START;
    const char *end = ub_number_run(&place, text.ptr, text.ptr + text.len);
    size_t len = (size_t)(end - text.ptr);
    struct ub_slice rest = {end, text.len - len};
    bool whole = ub_number_is_whole(place) && len < NUMBER_MAX && text.ptr[0] != '-';
    if (!whole || (rest.len > 0 && !is_blank(rest.ptr[0])) || !is_rest(rest)) {
        return false;
    }
    char copy[NUMBER_MAX];
    memcpy(copy, text.ptr, len);
    copy[len] = '\0';
    *value = strtod(copy, NULL);
    return true;
}

/* Which of ours the line is about; it begins behind the name then. */
static enum signal signal_of(enum ub_dialect dialect, struct ub_slice *line)
{
    for (enum signal signal = RUNNING; signal < SIGNALS; signal++) {
        for (int n = 0; n < NAMES_MAX && names[dialect][signal][n] != NULL; n++) {
            struct ub_slice name = ub_slice_of(names[dialect][signal][n]);
            bool ends = line->len > name.len &&
                        (line->ptr[name.len] == '{' || is_blank(line->ptr[name.len]));
            if (ends && ub_slice_starts(*line, name)) {
                *line = (struct ub_slice){line->ptr + name.len, line->len - name.len};
                return signal;
            }
        }
    }
    return SIGNALS;
}

static void take_line(struct ub_signals_reader *r, struct ub_slice line)
{
    if (line.len == 0 || line.ptr[0] == '#') {
        return;
    }
    double value = 0;
    enum signal signal = signal_of(r->dialect, &line);
    if (signal == SIGNALS || !skip_labels(&line) || !read_value(line, &value)) {
        return;
    }
    if (value > (signal == KV ? 1.0 : UB_SIGNALS_MAX)) {
        return;
    }
    switch (signal) {
    case RUNNING:
        r->sum.running += value;
        r->has_running = true;
        break;
    case WAITING:
        r->sum.waiting += value;
        r->has_waiting = true;
        break;
    default:
        r->sum.kv = value > r->sum.kv ? value : r->sum.kv;
        break;
    }
}

static void keep(struct ub_signals_reader *r, struct ub_slice piece)
{
    if (r->skip || piece.len > sizeof r->line - r->len) {
        r->skip = true;
        return;
    }
    memcpy(r->line + r->len, piece.ptr, piece.len);
    r->len += piece.len;
}

static void end_line(struct ub_signals_reader *r)
{
    if (!r->skip) {
        take_line(r, (struct ub_slice){r->line, r->len});
    }
    r->skip = false;
    r->len = 0;
}

void ub_signals_read(struct ub_signals_reader *r, struct ub_slice chunk)
{
    while (chunk.len > 0) {
        const char *end = memchr(chunk.ptr, '\n', chunk.len);
        size_t len = end == NULL ? chunk.len : (size_t)(end - chunk.ptr);
        struct ub_slice piece = {chunk.ptr, len};
        if (end != NULL && r->len == 0 && !r->skip && len <= sizeof r->line) {
            take_line(r, piece);
        } else {
            keep(r, piece);
            if (end != NULL) {
                end_line(r);
            }
        }
        size_t used = end == NULL ? len : len + 1;
        chunk = (struct ub_slice){chunk.ptr + used, chunk.len - used};
    }
}

bool ub_signals_end(struct ub_signals_reader *r, struct ub_signals *out)
{
    end_line(r);
    bool in_range = r->sum.running <= UB_SIGNALS_MAX && r->sum.waiting <= UB_SIGNALS_MAX;
    *out = r->sum;
    return r->has_running && r->has_waiting && in_range;
}
