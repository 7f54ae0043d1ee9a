#include "http/scan_inside.h"

#include "http/octet.h"
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MAX 64 /* characters; nobody means a longer one */

void ub_scan_model_over(struct ub_scan *scan)
{
    struct ub_scan_fields *fields = &scan->fields;
    fields->model = ub_scan_value_span(scan);
    if (!gathered_copy(&scan->value, fields->model_name, sizeof fields->model_name) ||
        fields->model_name[0] == '\0') {
        fields->model_name[0] = '\0';
        snprintf(scan->bad, sizeof scan->bad, "\"model\" is %s",
                 scan->value.len == 0  ? "empty"
                 : scan->value.has_nul ? "no name: it holds NUL"
                                       : "longer than 255 bytes");
        return;
    }
    scan->bad[0] = '\0';
}

/* USER, USER_ID and PROMPT_CACHE_KEY stand in the order of preference. */
void ub_scan_user_over(struct ub_scan *scan)
{
    if (scan->member > scan->user_from && scan->value.len > 0 &&
        gathered_copy(&scan->value, scan->fields.user, sizeof scan->fields.user)) {
        scan->user_from = scan->member;
    }
}

/* A number as a count: 0 for what is none, the maximum for what is too big. */
static uint32_t to_count(struct ub_slice number)
{
    if (number.len <= 9 && ub_octet_run(number, UB_OCTET_DIGIT) == number.len) { /* nearly always */
        uint32_t count = 0;
        for (size_t i = 0; i < number.len; i++) {
            count = count * 10 + (uint32_t)(number.ptr[i] - '0');
        }
        return count;
    }
    char text[NUMBER_MAX];
    memcpy(text, number.ptr, number.len);
    text[number.len] = '\0';
    double value = strtod(text, NULL);
    return !(value > 0) ? 0 : value >= UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* "0", "0.0", "-0e9": no digit but zeros before the exponent. */
static bool is_zero(struct ub_slice number)
{
    for (size_t i = 0; i < number.len && number.ptr[i] != 'e' && number.ptr[i] != 'E'; i++) {
        if (number.ptr[i] >= '1' && number.ptr[i] <= '9') {
            return false;
        }
    }
    return true;
}

void ub_scan_number_over(struct ub_scan *scan)
{
    struct ub_scan_fields *fields = &scan->fields;
    if (scan->json.depth != 1 || scan->json.text.len >= NUMBER_MAX) {
        return;
    }
    switch (scan->member) {
    case MAX_TOKENS:
        fields->max_tokens_at = ub_scan_value_span(scan);
        if (!scan->has_max_completion) {
            fields->max_tokens = to_count(scan->json.text);
        }
        break;
    case MAX_COMPLETION_TOKENS:
        fields->max_completion_tokens_at = ub_scan_value_span(scan);
        fields->max_tokens = to_count(scan->json.text);
        scan->has_max_completion = true;
        break;
    case MIN_TOKENS:
        fields->min_tokens_at = ub_scan_value_span(scan);
        break;
    case TEMPERATURE:
        fields->is_repeatable = fields->is_repeatable || is_zero(scan->json.text);
        break;
    case SEED:
        fields->is_repeatable = true;
        break;
    case N:
        fields->n = to_count(scan->json.text);
        break;
    case TOP_LOGPROBS:
        fields->has_logprobs = fields->has_logprobs || to_count(scan->json.text) > 0;
        break;
    default:
        break;
    }
}

static const char *kind_of(enum ub_json_found found)
{
    switch (found) {
    case UB_JSON_OBJECT:
        return "an object";
    case UB_JSON_ARRAY:
        return "an array";
    case UB_JSON_STRING:
        return "a string";
    case UB_JSON_NUMBER:
        return "a number";
    default:
        return "a boolean";
    }
}

static void note_wrong(struct ub_scan *scan, enum ub_json_found found, const char *param,
                       const char *want)
{
    if (scan->fields.wrong_param == NULL) {
        scan->fields.wrong_param = param;
        scan->fields.wrong_want = want;
        scan->fields.wrong_got = kind_of(found);
    }
}

void ub_scan_want_boolean(struct ub_scan *scan, enum ub_json_found found, const char *param)
{
    if (found != UB_JSON_TRUE && found != UB_JSON_FALSE && found != UB_JSON_NULL) {
        note_wrong(scan, found, param, "a boolean");
    }
}

/* A scalar at the top level; numbers are seen elsewhere. */
static void prefill_flag_seen(struct ub_scan *scan, enum ub_json_found found)
{
    if (found == UB_JSON_NULL && scan->member == MAX_TOKENS) {
        scan->fields.max_tokens_at = ub_scan_value_span(scan);
    } else if (found == UB_JSON_NULL && scan->member == MAX_COMPLETION_TOKENS) {
        scan->fields.max_completion_tokens_at = ub_scan_value_span(scan);
    } else if (scan->member == CONTINUE_FINAL_MESSAGE) {
        scan->fields.continue_final_message = ub_scan_value_span(scan);
        scan->fields.continues_final_message = found == UB_JSON_TRUE;
    } else if (scan->member == ADD_GENERATION_PROMPT) {
        scan->fields.add_generation_prompt = ub_scan_value_span(scan);
    }
}

void ub_scan_top_value(struct ub_scan *scan, enum ub_json_found found)
{
    struct ub_scan_fields *fields = &scan->fields;
    bool given = found != UB_JSON_NULL && found != UB_JSON_FALSE;
    if (scan->member == MODEL && found != UB_JSON_STRING) {
        snprintf(scan->bad, sizeof scan->bad, "\"model\" is not a string");
    } else if (scan->member == STREAM_OPTIONS) {
        fields->stream_options = ub_scan_value_span(scan);
        fields->has_stream_options = found == UB_JSON_OBJECT;
        fields->stream_options_empty = found == UB_JSON_OBJECT;
        if (found != UB_JSON_OBJECT && found != UB_JSON_NULL) {
            note_wrong(scan, found, "stream_options", "an object");
        }
    } else if (scan->member == STREAM) {
        fields->stream = found == UB_JSON_TRUE;
        ub_scan_want_boolean(scan, found, "stream");
    } else if (scan->member == LOGPROBS) {
        /* A number in completions, where 0 asks for those of the chosen tokens. */
        fields->has_logprobs = fields->has_logprobs || given;
    } else if (scan->member == GRAMMAR) {
        fields->has_grammar = fields->has_grammar || given;
    } else if (scan->member == RESPONSE_FORMAT) {
        fields->has_grammar = fields->has_grammar || (given && found != UB_JSON_OBJECT);
    } else if (scan->member == ECHO) {
        fields->has_echo = given;
    } else if (found != UB_JSON_OBJECT && found != UB_JSON_ARRAY) {
        prefill_flag_seen(scan, found);
    }
}
