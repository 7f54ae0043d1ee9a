#include "tools/trace.h"

#include "base/alloc.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LINE_MAX_BYTES ((size_t)1024 * 1024)
#define COLUMNS_MAX    32

enum column { COLUMN_AT, COLUMN_PROMPT, COLUMN_ANSWER, COLUMN_KINDS };
static const char *const column_names[COLUMN_KINDS] = {"t_ms", "in_tok", "out_tok"};

struct reader {
    struct ub_trace *trace;
    struct ub_buf *words;
    const char *path;
    gzFile in;
    char *line; /* LINE_MAX_BYTES */
    uint32_t line_number;
    uint32_t row_cap;
    uint32_t block_cap;
    int column[COLUMN_KINDS]; /* where it stands in a line of CSV */
    double first_ms;
};

static bool bad(struct reader *r, const char *what)
{
    ub_buf_printf(r->words, "%s:%u: %s", r->path, r->line_number, what);
    return false;
}

/* The next line without its end; false at the end of the file. */
static bool next_line(struct reader *r)
{
    if (gzgets(r->in, r->line, (int)LINE_MAX_BYTES) == NULL) {
        return false;
    }
    r->line[strcspn(r->line, "\r\n")] = '\0';
    r->line_number++;
    return true;
}

static bool add_row(struct reader *r, double at_ms, double prompt, double answer)
{
    struct ub_trace *trace = r->trace;
    if (!(prompt >= 0 && prompt < 1e9 && answer >= 0 && answer < 1e9 && at_ms > -1e15 &&
          at_ms < 1e15)) {
        return bad(r, "time and lengths must be numbers");
    }
    if (trace->count == UB_TRACE_ROWS_MAX) {
        return bad(r, "too many rows");
    }
    if (trace->count == r->row_cap) {
        uint32_t cap = r->row_cap == 0 ? 4096 : r->row_cap * 2;
        struct ub_trace_row *rows = ub_realloc(trace->row, cap * sizeof *rows);
        if (rows == NULL) {
            return bad(r, "out of memory");
        }
        trace->row = rows;
        r->row_cap = cap;
    }
    r->first_ms = trace->count == 0 ? at_ms : r->first_ms;
    trace->row[trace->count++] = (struct ub_trace_row){
        .at = (ub_ns)((at_ms - r->first_ms) * 1e6),
        .prompt = prompt < 1 ? 1 : (uint32_t)prompt,
        .answer = answer < 1 ? 1 : (uint32_t)answer,
    };
    return true;
}

static bool add_blocks(struct reader *r, const json_t *ids)
{
    struct ub_trace *trace = r->trace;
    struct ub_trace_row *row = &trace->row[trace->count - 1];
    size_t count = json_array_size(ids);
    row->first_block = trace->block_count;
    row->blocks = (uint32_t)count;
    if (trace->block_count + count > r->block_cap) {
        uint32_t cap = (r->block_cap + (uint32_t)count) * 2;
        uint32_t *blocks = ub_realloc(trace->block, cap * sizeof *blocks);
        if (blocks == NULL) {
            return bad(r, "out of memory");
        }
        trace->block = blocks;
        r->block_cap = cap;
    }
    for (size_t i = 0; i < count; i++) {
        trace->block[trace->block_count++] = (uint32_t)json_integer_value(json_array_get(ids, i));
    }
    return true;
}

static bool read_json_line(struct reader *r)
{
    json_error_t error;
    json_t *root = json_loads(r->line, 0, &error);
    const json_t *at = json_object_get(root, "timestamp");
    const json_t *prompt = json_object_get(root, "input_length");
    const json_t *answer = json_object_get(root, "output_length");
    bool ok = json_is_number(at) && json_is_number(prompt) && json_is_number(answer);
    if (!ok) {
        bad(r, "an object with timestamp, input_length and output_length is needed");
    } else {
        ok = add_row(r, json_number_value(at), json_number_value(prompt),
                     json_number_value(answer)) &&
             add_blocks(r, json_object_get(root, "hash_ids"));
    }
    json_decref(root);
    return ok;
}

static bool read_csv_head(struct reader *r)
{
    int index = 0;
    for (int k = 0; k < COLUMN_KINDS; k++) {
        r->column[k] = -1;
    }
    for (const char *p = r->line;; index++) {
        size_t len = strcspn(p, ",");
        for (int k = 0; k < COLUMN_KINDS; k++) {
            if (strlen(column_names[k]) == len && memcmp(p, column_names[k], len) == 0) {
                r->column[k] = index;
            }
        }
        if (p[len] == '\0') {
            break;
        }
        p += len + 1;
    }
    for (int k = 0; k < COLUMN_KINDS; k++) {
        if (r->column[k] < 0 || index >= COLUMNS_MAX) {
            return bad(r, "the first line must name t_ms, in_tok and out_tok (or each line be a "
                          "JSON object)");
        }
    }
    return true;
}

static bool read_csv_line(struct reader *r)
{
    double value[COLUMN_KINDS] = {0};
    bool seen[COLUMN_KINDS] = {false};
    const char *p = r->line;
    for (int index = 0; index < COLUMNS_MAX; index++) {
        size_t len = strcspn(p, ",");
        for (int k = 0; k < COLUMN_KINDS; k++) {
            if (r->column[k] == index) {
                char *end;
                value[k] = strtod(p, &end);
                seen[k] = len > 0 && end == p + len;
            }
        }
        if (p[len] == '\0') {
            break;
        }
        p += len + 1;
    }
    if (!seen[COLUMN_AT] || !seen[COLUMN_PROMPT] || !seen[COLUMN_ANSWER]) {
        return bad(r, "t_ms, in_tok and out_tok must be numbers");
    }
    return add_row(r, value[COLUMN_AT], value[COLUMN_PROMPT], value[COLUMN_ANSWER]);
}

static int by_time(const void *a, const void *b)
{
    const struct ub_trace_row *x = a;
    const struct ub_trace_row *y = b;
    if (x->at != y->at) {
        return x->at < y->at ? -1 : 1;
    }
    return x < y ? -1 : x > y;
}

static bool read_all(struct reader *r)
{
    if (!next_line(r)) {
        return bad(r, "the file is empty");
    }
    bool json = r->line[0] == '{';
    if (json ? !read_json_line(r) : !read_csv_head(r)) {
        return false;
    }
    while (next_line(r)) {
        if (r->line[0] != '\0' && !(json ? read_json_line(r) : read_csv_line(r))) {
            return false;
        }
    }
    int code = Z_OK;
    gzerror(r->in, &code);
    if (code != Z_OK && code != Z_STREAM_END) {
        return bad(r, "the compressed data are broken");
    }
    if (r->trace->count == 0) {
        return bad(r, "no request in it");
    }
    qsort(r->trace->row, r->trace->count, sizeof r->trace->row[0], by_time);
    ub_ns first = r->trace->row[0].at;
    for (uint32_t i = 0; i < r->trace->count; i++) {
        r->trace->row[i].at -= first;
    }
    return true;
}

bool ub_trace_read(struct ub_trace *trace, const char *path, struct ub_buf *words)
{
    *trace = (struct ub_trace){0};
    struct reader r = {.trace = trace, .words = words, .path = path};
    r.in = gzopen(path, "rb");
    if (r.in == NULL) {
        ub_buf_printf(words, "%s: %s", path, strerror(errno));
        return false;
    }
    r.line = ub_malloc(LINE_MAX_BYTES);
    bool ok = r.line == NULL ? bad(&r, "out of memory") : read_all(&r);
    ub_free(r.line);
    gzclose(r.in);
    return ok;
}

void ub_trace_free(struct ub_trace *trace)
{
    ub_free(trace->row);
    ub_free(trace->block);
    *trace = (struct ub_trace){0};
}
