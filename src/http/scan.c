#include "http/scan_inside.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    struct ub_slice name;
    enum member member;
} members[] = {
    {UB_LIT("model"), MODEL},
    {UB_LIT("messages"), MESSAGES},
    {UB_LIT("prompt"), PROMPT},
    {UB_LIT("suffix"), PROMPT},
    {UB_LIT("input"), PROMPT},
    {UB_LIT("stream"), STREAM},
    {UB_LIT("stream_options"), STREAM_OPTIONS},
    {UB_LIT("max_tokens"), MAX_TOKENS},
    {UB_LIT("max_completion_tokens"), MAX_COMPLETION_TOKENS},
    {UB_LIT("min_tokens"), MIN_TOKENS},
    {UB_LIT("temperature"), TEMPERATURE},
    {UB_LIT("seed"), SEED},
    {UB_LIT("echo"), ECHO},
    {UB_LIT("continue_final_message"), CONTINUE_FINAL_MESSAGE},
    {UB_LIT("add_generation_prompt"), ADD_GENERATION_PROMPT},
    {UB_LIT("n"), N},
    {UB_LIT("tools"), TOOLS},
    {UB_LIT("functions"), TOOLS},
    {UB_LIT("logprobs"), LOGPROBS},
    {UB_LIT("top_logprobs"), TOP_LOGPROBS},
    {UB_LIT("response_format"), RESPONSE_FORMAT},
    {UB_LIT("user"), USER},
    {UB_LIT("user_id"), USER_ID},
    {UB_LIT("prompt_cache_key"), PROMPT_CACHE_KEY},
    /* vLLM */
    {UB_LIT("guided_json"), GRAMMAR},
    {UB_LIT("guided_regex"), GRAMMAR},
    {UB_LIT("guided_choice"), GRAMMAR},
    {UB_LIT("guided_grammar"), GRAMMAR},
    {UB_LIT("structured_outputs"), GRAMMAR},
    /* SGLang */
    {UB_LIT("regex"), GRAMMAR},
    {UB_LIT("ebnf"), GRAMMAR},
    {UB_LIT("structural_tag"), GRAMMAR},
    /* SGLang and llama-server */
    {UB_LIT("json_schema"), GRAMMAR},
    {UB_LIT("grammar"), GRAMMAR},
};

struct ub_scan *ub_scan_new(struct ub_stock *stock)
{
    static const char missing[] = "\"model\" is missing";
    struct ub_scan *scan = ub_stock_take(stock, sizeof *scan);
    if (scan != NULL) {
        memset(scan, 0, offsetof(struct ub_scan, bad));
        ub_json_init(&scan->json);
        ub_prompt_init(&scan->prompt);
        gather_new(&scan->key);
        gather_new(&scan->value);
        scan->fields.n = 1;
        memcpy(scan->bad, missing, sizeof missing);
    }
    return scan;
}

void ub_scan_free(struct ub_stock *stock, struct ub_scan *scan)
{
    ub_stock_give(stock, scan);
}

const struct ub_scan_fields *ub_scan_fields(const struct ub_scan *scan)
{
    return &scan->fields;
}

const char *ub_scan_bad(const struct ub_scan *scan)
{
    return scan->bad;
}

static void fail(struct ub_scan *scan, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail(struct ub_scan *scan, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(scan->bad, sizeof scan->bad, format, args);
    va_end(args);
    scan->failed = true;
}

/* Keys ---------------------------------------------------------------------------------------- */

/* FNV-1a, because it takes bytes as they come; keys are short. */
static void hash_key(struct ub_scan *scan, struct ub_slice part)
{
    uint64_t hash = scan->key.len == 0 ? 0xcbf29ce484222325u : scan->key_hash;
    for (size_t i = 0; i < part.len; i++) {
        hash = (hash ^ (unsigned char)part.ptr[i]) * 0x100000001b3u;
    }
    scan->key_hash = hash;
}

static void member_begins(struct ub_scan *scan)
{
    for (uint32_t i = 0; i < scan->key_count; i++) {
        if (scan->keys[i] == scan->key_hash) {
            fail(scan, "duplicate key \"%.64s\"", scan->key.text);
            return;
        }
    }
    if (scan->key_count == UB_SCAN_KEYS) {
        fail(scan, "more than %d top-level keys", UB_SCAN_KEYS);
        return;
    }
    scan->keys[scan->key_count++] = scan->key_hash;
    scan->member = OTHER;
    scan->at_usage = scan->at_type = false;
    for (size_t i = 0; i < UB_COUNT(members); i++) {
        if (gathered_is(&scan->key, members[i].name)) {
            scan->member = members[i].member;
        }
    }
    gather_new(&scan->value);
}

/* Values of these keys in messages are pictures, recordings and files, or links to them. */
static bool is_media_key(const struct gathered *key)
{
    return gathered_is(key, UB_LIT("url")) || gathered_is(key, UB_LIT("image_url")) ||
           gathered_is(key, UB_LIT("data")) || gathered_is(key, UB_LIT("file_data"));
}

static void message_key_over(struct ub_scan *scan)
{
    ub_prompt_media(&scan->prompt, is_media_key(&scan->key));
    scan->message_key = NOTHING;
    if (scan->json.depth != 3) {
        return;
    }
    if (gathered_is(&scan->key, UB_LIT("content"))) {
        scan->message_key = CONTENT;
    } else if (gathered_is(&scan->key, UB_LIT("role"))) {
        scan->message_key = ROLE;
        gather_new(&scan->value);
    } else if (gathered_is(&scan->key, UB_LIT("prefix"))) {
        scan->message_key = PREFIX;
    }
}

static void stream_option_begins(struct ub_scan *scan)
{
    scan->fields.stream_options_empty = false;
    scan->at_usage = gathered_is(&scan->key, UB_LIT("include_usage"));
    if (scan->at_usage && scan->fields.has_include_usage) {
        fail(scan, "duplicate key \"stream_options.include_usage\"");
    }
}

/* Most keys stand somewhere inside tools and schemas and mean nothing to us. */
static void key_part(struct ub_scan *scan)
{
    uint32_t depth = scan->json.depth;
    if (depth == 1) {
        hash_key(scan, scan->json.text);
    }
    bool matters = scan->member == MESSAGES || scan->member == STREAM_OPTIONS ||
                   scan->member == RESPONSE_FORMAT;
    if (depth == 1 || matters) {
        gather(&scan->key, scan->json.text);
    }
}

static void key_over(struct ub_scan *scan)
{
    uint32_t depth = scan->json.depth;
    if (depth == 1) {
        member_begins(scan);
    } else if (scan->member == MESSAGES) {
        message_key_over(scan);
    } else if (depth == 2 && scan->member == STREAM_OPTIONS) {
        stream_option_begins(scan);
    } else if (depth == 2 && scan->member == RESPONSE_FORMAT) {
        scan->at_type = gathered_is(&scan->key, UB_LIT("type"));
        gather_new(&scan->value);
    }
    gather_new(&scan->key);
}

/* Values -------------------------------------------------------------------------------------- */

static bool is_prompt(const struct ub_scan *scan)
{
    return scan->member == MESSAGES || scan->member == PROMPT;
}

/* A text that is the value of a message's own key. */
static void message_text_over(struct ub_scan *scan)
{
    struct ub_message_fields *last = &scan->fields.last;
    if (scan->message_key == ROLE) {
        last->is_assistant = gathered_is(&scan->value, UB_LIT("assistant"));
    } else if (scan->message_key == CONTENT) {
        last->content = ub_scan_value_span(scan);
    }
}

static void string_over(struct ub_scan *scan)
{
    if (is_prompt(scan)) {
        ub_prompt_text_over(&scan->prompt);
        if (scan->json.depth == 3) {
            message_text_over(scan);
        }
    } else if (scan->json.depth == 1 && scan->member == MODEL) {
        ub_scan_model_over(scan);
    } else if (scan->json.depth == 1 && scan->member >= USER) {
        ub_scan_user_over(scan);
    } else if (scan->json.depth == 2 && scan->at_type) {
        scan->is_plain_text = gathered_is(&scan->value, UB_LIT("text"));
    }
}

/* A value of any kind, or its opening bracket. `depth` is where it stands. */
static void value_seen(struct ub_scan *scan, enum ub_json_found found, uint32_t depth)
{
    struct ub_scan_fields *fields = &scan->fields;
    if (depth == 2) {
        fields->has_tools = fields->has_tools || scan->member == TOOLS;
        if (scan->at_usage) {
            fields->has_include_usage = true;
            fields->include_usage =
                ub_scan_value_span(scan); /* of a container its bracket for now */
            fields->wants_usage = found == UB_JSON_TRUE;
            ub_scan_want_boolean(scan, found, "stream_options.include_usage");
        }
    }
    if (depth == 3 && scan->message_key == PREFIX) {
        fields->last.is_prefix = found == UB_JSON_TRUE;
        if (found != UB_JSON_OBJECT && found != UB_JSON_ARRAY) {
            fields->last.prefix = ub_scan_value_span(scan);
        }
    }
    if (depth == 1) {
        ub_scan_top_value(scan, found);
    }
}

static void container_begins(struct ub_scan *scan, enum ub_json_found found)
{
    if (scan->json.depth == 1) {
        scan->fields.object.begin = scan->json.begin;
        return;
    }
    value_seen(scan, found, scan->json.depth - 1);
    if (scan->json.depth == 2) {
        scan->member_begin = scan->json.begin;
    } else if (scan->json.depth == 3 && scan->member == MESSAGES) {
        scan->fields.last = (struct ub_message_fields){.object.begin = scan->json.begin};
        scan->message_key = NOTHING;
    }
}

static void container_over(struct ub_scan *scan)
{
    struct ub_scan_fields *fields = &scan->fields;
    if (scan->json.depth == 0) {
        fields->object.end = scan->json.at;
    } else if (scan->json.depth == 2 && scan->at_usage) {
        fields->include_usage.end = scan->json.at;
    } else if (scan->json.depth == 2 && scan->member == MESSAGES) {
        fields->last.object.end = scan->json.at;
    } else if (scan->json.depth == 1 && scan->member == STREAM_OPTIONS) {
        fields->stream_options.end = scan->json.at;
    } else if (scan->json.depth == 1 && scan->member == RESPONSE_FORMAT) {
        fields->has_grammar = fields->has_grammar || !scan->is_plain_text;
    } else if (scan->json.depth == 1 && scan->member == TOOLS) {
        ub_prompt_other(&scan->prompt, scan->json.at - scan->member_begin);
    }
}

static void string_part(struct ub_scan *scan)
{
    if (is_prompt(scan)) {
        ub_prompt_text(&scan->prompt, scan->json.text);
        if (scan->message_key == ROLE) {
            gather(&scan->value, scan->json.text);
        }
    } else if (scan->json.depth == 1 || scan->at_type) {
        gather(&scan->value, scan->json.text);
    }
}

static void take(struct ub_scan *scan, enum ub_json_found found)
{
    switch (found) {
    case UB_JSON_KEY_PART:
        key_part(scan);
        break;
    case UB_JSON_KEY:
        key_part(scan);
        key_over(scan);
        break;
    case UB_JSON_STRING_PART:
        string_part(scan);
        break;
    case UB_JSON_STRING:
        string_part(scan);
        value_seen(scan, found, scan->json.depth);
        string_over(scan);
        break;
    case UB_JSON_NUMBER:
        value_seen(scan, found, scan->json.depth);
        if (scan->member == PROMPT) {
            ub_prompt_token(&scan->prompt, scan->json.text);
        } else {
            ub_scan_number_over(scan);
        }
        break;
    case UB_JSON_TRUE:
    case UB_JSON_FALSE:
    case UB_JSON_NULL:
        value_seen(scan, found, scan->json.depth);
        break;
    case UB_JSON_OBJECT:
    case UB_JSON_ARRAY:
        container_begins(scan, found);
        break;
    case UB_JSON_OBJECT_END:
    case UB_JSON_ARRAY_END:
        container_over(scan);
        break;
    case UB_JSON_BAD:
        fail(scan, "invalid JSON at byte %llu: %s", (unsigned long long)scan->json.at,
             scan->json.bad);
        break;
    case UB_JSON_MORE:
        break;
    }
}

bool ub_scan_feed(struct ub_scan *scan, struct ub_slice chunk)
{
    while (!scan->failed) {
        enum ub_json_found found = ub_json_next(&scan->json, &chunk);
        if (found == UB_JSON_MORE) {
            return true;
        }
        take(scan, found);
    }
    return false;
}

bool ub_scan_finish(struct ub_scan *scan)
{
    if (!scan->failed && !ub_json_finish(&scan->json)) {
        take(scan, UB_JSON_BAD);
    }
    if (scan->failed) {
        return false;
    }
    struct ub_scan_fields *fields = &scan->fields;
    const struct ub_prompt *prompt = &scan->prompt;
    fields->prompt_bytes = prompt->bytes;
    fields->prompt_tokens = ub_prompt_tokens(prompt);
    fields->prefix_count = prompt->mark_count;
    memcpy(fields->prefix, prompt->mark, sizeof fields->prefix);
    memcpy(fields->prefix_tokens, prompt->mark_tokens, sizeof fields->prefix_tokens);
    return true;
}
