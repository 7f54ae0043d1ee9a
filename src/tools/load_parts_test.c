/* The parts of `unbusy load` that need no network. */
#include "base/test.h"
#include "tools/arrival.h"
#include "tools/load_prompt.h"
#include "tools/mock_talk.h"
#include "tools/trace.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

static void check_arrivals(void)
{
    static const struct {
        const char *name;
        double cv;
    } rows[] = {
        {"a metronome", 0.0},
        {"a Poisson process", 1.0},
        {"regular traffic", 0.5},
        {"bursts", 2.5},
    };
    enum { N = 200000 };
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_arrivals a = {.rate = 50, .cv = rows[i].cv, .random = {.state = 3}};
        double sum = 0;
        double squares = 0;
        ub_ns last = 0;
        bool forward = true;
        for (int k = 0; k < N; k++) {
            ub_ns at = ub_arrivals_next(&a);
            double gap = (double)(at - last) / 1e9;
            forward = forward && at >= last;
            last = at;
            sum += gap;
            squares += gap * gap;
        }
        double mean = sum / N;
        double cv = sqrt(fmax(0.0, squares / N - mean * mean)) / mean;
        UB_CHECK(forward && fabs(mean * 50 - 1) < 0.02, "%s: the rate is 50/s (%.2f)", rows[i].name,
                 1 / mean);
        UB_CHECK(fabs(cv - rows[i].cv) < 0.03 + 0.02 * rows[i].cv, "%s: CV %.1f (%.3f)",
                 rows[i].name, rows[i].cv, cv);
    }
}

static void check_lengths(void)
{
    static const struct {
        const char *text;
        bool good;
        double mean;
    } rows[] = {
        {"200", true, 200},
        {"50..150", true, 100},
        {"lognormal:300:1.2", true, 300},
        {"0", false, 0},
        {"9..3", false, 0},
        {"", false, 0},
        {"5x", false, 0},
        {"-5", false, 0},
        {"lognormal:300", false, 0},
        {"lognormal:0:1", false, 0},
    };
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_lengths lengths;
        bool good = ub_lengths_parse(rows[i].text, &lengths);
        double mean = 0;
        struct ub_random random = {.state = 1};
        for (int k = 0; good && k < 100000; k++) {
            mean += ub_lengths_draw(&lengths, &random) / 100000.0;
        }
        UB_CHECK(good == rows[i].good && fabs(mean - rows[i].mean) <= 0.03 * rows[i].mean,
                 "length '%s': %s", rows[i].text, good ? "has its mean" : "is refused");
    }
}

static void check_question(void)
{
    static const uint32_t blocks[] = {7, 8};
    struct ub_load_question q = {.model = "m\"x",
                                 .stream = true,
                                 .exact = true,
                                 .prompt = 1500,
                                 .answer = 20,
                                 .seed = 1,
                                 .block = blocks,
                                 .blocks = 2};
    struct ub_buf one = {0};
    struct ub_buf two = {0};
    ub_load_question_write(&q, &one);
    q.seed = 2;
    ub_load_question_write(&q, &two);
    size_t same = 0;
    while (same < one.len && one.ptr[same] == two.ptr[same]) {
        same++;
    }
    UB_CHECK(same >= 2 * 512 * 4 && same < 2 * 512 * 4 + 200,
             "two prompts with the same blocks share these, and no more");
    json_error_t error;
    json_t *root = json_loadb(one.ptr, one.len, JSON_REJECT_DUPLICATES, &error);
    const json_t *message = json_array_get(json_object_get(root, "messages"), 0);
    const char *text = json_string_value(json_object_get(message, "content"));
    UB_CHECK(text != NULL && ub_talk_tokens(ub_slice_of(text)) == 1500,
             "it is JSON, and its prompt has the tokens it was given");
    UB_CHECK(json_integer_value(json_object_get(root, "max_tokens")) == 20 &&
                 strcmp(json_string_value(json_object_get(root, "model")), "m\"x") == 0,
             "model and answer length are said");
    json_decref(root);
    ub_buf_clear(&one);
    q.endpoint = UB_LOAD_EMBEDDINGS;
    ub_load_question_write(&q, &one);
    root = json_loadb(one.ptr, one.len, JSON_REJECT_DUPLICATES, &error);
    UB_CHECK(json_is_string(json_object_get(root, "input")), "embeddings have an input");
    json_decref(root);
    ub_buf_free(&one);
    ub_buf_free(&two);
}

static const struct {
    const char *name;
    const char *text;
    const char *bad; /* part of the words; NULL: it is good */
    uint32_t rows;
    ub_ns last;
} traces[] = {
    {"CSV", "t_ms,in_tok,out_tok\n5.5,374,44\n1005.5,396,109\n", NULL, 2, UB_SECOND},
    {"CSV with other columns and CRLF", "x,out_tok,t_ms,in_tok\r\na,1,10,2\r\n\r\nb,1,20,2\r\n",
     NULL, 2, 10 * UB_MS},
    {"rows out of order are sorted", "t_ms,in_tok,out_tok\n100,1,1\n50,1,1\n", NULL, 2, 50 * UB_MS},
    {"JSON lines",
     "{\"timestamp\":0,\"input_length\":6,\"output_length\":5,\"hash_ids\":[0,1]}\n"
     "{\"timestamp\":30,\"input_length\":6,\"output_length\":5,\"hash_ids\":[0,2,3]}\n",
     NULL, 2, 30 * UB_MS},
    {"nothing", "", "empty", 0, 0},
    {"a head only", "t_ms,in_tok,out_tok\n", "no request", 0, 0},
    {"no head", "1,2,3\n", ":1: the first line", 0, 0},
    {"a word for a number", "t_ms,in_tok,out_tok\n1,2,3\n1,many,3\n", ":3: t_ms, in_tok", 0, 0},
    {"a short line", "t_ms,in_tok,out_tok\n1,2\n", ":2: t_ms", 0, 0},
    {"a negative length", "t_ms,in_tok,out_tok\n1,-2,3\n", ":2: time and lengths", 0, 0},
    {"broken JSON", "{\"timestamp\":0,\n", ":1: an object", 0, 0},
    {"JSON without lengths", "{\"timestamp\":0}\n", ":1: an object", 0, 0},
};

static void check_traces(void)
{
    char path[] = "/tmp/ub-trace-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) {
        abort();
    }
    close(fd);
    for (size_t i = 0; i < UB_COUNT(traces); i++) {
        for (int zipped = 0; zipped < 2; zipped++) {
            gzFile out = gzopen(path, zipped ? "wb" : "wbT");
            gzputs(out, traces[i].text);
            gzclose(out);
            struct ub_trace trace;
            struct ub_buf words = {0};
            bool good = ub_trace_read(&trace, path, &words);
            ub_buf_add(&words, "", 1);
            bool right = traces[i].bad == NULL ? good && trace.count == traces[i].rows &&
                                                     trace.row[trace.count - 1].at == traces[i].last
                                               : !good && strstr(words.ptr, traces[i].bad) != NULL;
            UB_CHECK(right, "%s%s", traces[i].name, zipped ? ", gzipped" : "");
            if (good && trace.block_count > 0) {
                UB_CHECK(trace.row[1].first_block == 2 && trace.row[1].blocks == 3 &&
                             trace.block[4] == 3,
                         "blocks are kept");
            }
            ub_trace_free(&trace);
            ub_buf_free(&words);
        }
    }
    unlink(path);
    struct ub_trace trace;
    struct ub_buf words = {0};
    UB_CHECK(!ub_trace_read(&trace, path, &words) && words.len > 0, "a file that is not there");
    ub_buf_free(&words);
}

/* The traces that the README's commands replay. */
static void check_recorded(const char *folder)
{
    static const struct {
        const char *file;
        uint32_t rows;
        double mean_prompt;
        double minutes;
        bool blocks;
    } files[] = {
        {"azure2023_conv.csv.gz", 12340, 1246, 35.0, false},
        {"mooncake_600.jsonl.gz", 600, 13823, 3.3, true},
    };
    for (size_t i = 0; i < UB_COUNT(files); i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/llm/%s", folder, files[i].file);
        struct ub_trace trace;
        struct ub_buf words = {0};
        bool good = ub_trace_read(&trace, path, &words);
        double sum = 0;
        for (uint32_t k = 0; k < trace.count; k++) {
            sum += trace.row[k].prompt;
        }
        double mean = trace.count > 0 ? sum / trace.count : 0;
        double minutes = trace.count > 0 ? (double)trace.row[trace.count - 1].at / 60e9 : 0;
        UB_CHECK(good && trace.count == files[i].rows &&
                     fabs(mean / files[i].mean_prompt - 1) < 0.01 &&
                     fabs(minutes / files[i].minutes - 1) < 0.02 &&
                     (trace.block_count > 0) == files[i].blocks,
                 "%s: %u requests, %.0f prompt tokens on average, %.1f minutes", files[i].file,
                 trace.count, mean, minutes);
        ub_trace_free(&trace);
        ub_buf_free(&words);
    }
}

int main(int argc, char **argv)
{
    check_recorded(argc > 1 ? argv[1] : "tests/data");
    check_arrivals();
    check_lengths();
    check_question();
    check_traces();
    return ub_test_done();
}
