#include "tools/mock_ask.h"

#include "base/alloc.h"
#include "base/random.h"
#include "tools/mock_talk.h"
#include <jansson.h>

#define INPUTS_MAX 2048 /* OpenAI's own bound for embeddings */

static struct ub_slice text_of(const json_t *value)
{
    return (struct ub_slice){json_string_value(value), json_string_length(value)};
}

/* All text of a content: a string, or an array of parts with `text` in them. Anything else (images,
 * token numbers) counts by its JSON form. */
static void add_content(struct ub_buf *out, const json_t *content)
{
    if (json_is_string(content)) {
        ub_buf_add_slice(out, text_of(content));
        return;
    }
    size_t i;
    json_t *part;
    json_array_foreach(content, i, part)
    {
        json_t *text = json_object_get(part, "text");
        if (json_is_string(part) || json_is_string(text)) {
            ub_buf_add_slice(out, text_of(json_is_string(part) ? part : text));
        } else if (json_is_integer(part)) {
            ub_buf_printf(out, "%04lld", (long long)json_integer_value(part) % 10000);
        }
    }
}

static uint64_t hash_of(struct ub_slice text)
{
    uint64_t hash = ub_mix64(text.len + 1);
    for (size_t i = 0; i < text.len; i += 8) {
        uint64_t word = 0;
        memcpy(&word, text.ptr + i, text.len - i < 8 ? text.len - i : 8);
        hash = ub_mix64(hash ^ word);
    }
    return hash;
}

static void hash_prompt(struct ub_ask *ask, struct ub_slice text)
{
    ask->prompt_tokens = ub_talk_tokens(text);
    ask->prompt_hash = hash_of(text);
    uint64_t chain = 0;
    for (size_t at = 0; at + UB_ASK_BLOCK <= text.len && ask->blocks < UB_ASK_BLOCKS;
         at += UB_ASK_BLOCK) {
        chain = ub_mix64(chain ^ hash_of((struct ub_slice){text.ptr + at, UB_ASK_BLOCK}));
        ask->block[ask->blocks++] = chain;
    }
}

static void find_call(struct ub_ask *ask, struct ub_slice text)
{
    const char *at = memmem(text.ptr, text.len, "call:", 5);
    if (at == NULL) {
        return;
    }
    size_t len = 0;
    at += 5;
    while (len < sizeof ask->call - 1 && at + len < text.ptr + text.len &&
           strspn(at + len, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") >
               0) {
        len++;
    }
    memcpy(ask->call, at, len);
    ask->call[len] = '\0';
}

static bool is_role(const json_t *message, const char *role)
{
    const char *is = json_string_value(json_object_get(message, "role"));
    return is != NULL && strcmp(is, role) == 0;
}

/* Is the last message a partial answer? False: that is refused. */
static bool find_begun(struct ub_ask *ask, const json_t *root, const json_t *last,
                       enum ub_ask_begun begun, struct ub_buf *words)
{
    bool prefix = json_is_true(json_object_get(last, "prefix"));
    bool flag = json_is_true(json_object_get(root, "continue_final_message"));
    bool wanted = begun == UB_BEGUN_ALWAYS;
    if (begun == UB_BEGUN_BY_PREFIX || begun == UB_BEGUN_ELSEWHERE) {
        wanted = prefix;
    } else if (begun == UB_BEGUN_BY_FLAG || begun == UB_BEGUN_BY_FLAGS) {
        wanted = flag;
    }
    if (wanted && begun == UB_BEGUN_ELSEWHERE) {
        ub_buf_add_text(words, "messages: prefix is there under /beta only");
        return false;
    }
    if (wanted && begun == UB_BEGUN_BY_FLAGS &&
        !json_is_false(json_object_get(root, "add_generation_prompt"))) {
        ub_buf_add_text(words, "Cannot set both `continue_final_message` and "
                               "`add_generation_prompt` to True.");
        return false;
    }
    ask->has_begun = wanted && is_role(last, "assistant");
    return true;
}

static bool read_messages(struct ub_ask *ask, const json_t *root, enum ub_ask_begun begun,
                          struct ub_buf *prompt, struct ub_buf *words)
{
    const json_t *messages = json_object_get(root, "messages");
    size_t count = json_array_size(messages);
    if (count == 0) {
        ub_buf_add_text(words, "messages: a list with at least one message is needed");
        return false;
    }
    const json_t *last = json_array_get(messages, count - 1);
    if (!find_begun(ask, root, last, begun, words)) {
        return false;
    }
    for (size_t i = 0; i < count - ask->has_begun; i++) {
        const json_t *message = json_array_get(messages, i);
        const json_t *role = json_object_get(message, "role");
        if (!json_is_string(role)) {
            ub_buf_printf(words, "messages[%zu]: a role is needed", i);
            return false;
        }
        ub_buf_add_slice(prompt, text_of(role));
        size_t before = prompt->len;
        add_content(prompt, json_object_get(message, "content"));
        if (i + 1 == count && is_role(message, "user") && !prompt->failed) {
            find_call(ask, (struct ub_slice){prompt->ptr + before, prompt->len - before});
        }
    }
    if (ask->has_begun) {
        add_content(&ask->begun, json_object_get(last, "content"));
    }
    return true;
}

/* One input after the other: a string or a list of token numbers each. */
static bool read_inputs(struct ub_ask *ask, const json_t *root, struct ub_buf *prompt,
                        struct ub_buf *words)
{
    const json_t *input = json_object_get(root, "input");
    bool many = json_is_array(input) && json_array_size(input) > 0 &&
                !json_is_integer(json_array_get(input, 0));
    size_t count = many ? json_array_size(input) : 1;
    if ((!json_is_string(input) && json_array_size(input) == 0) || count > INPUTS_MAX) {
        ub_buf_printf(words, "input: a string, or a list of 1 to %d", INPUTS_MAX);
        return false;
    }
    ask->input_hash = ub_calloc(count, sizeof *ask->input_hash);
    if (ask->input_hash == NULL) {
        return false;
    }
    ask->inputs = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        size_t before = prompt->len;
        add_content(prompt, many ? json_array_get(input, i) : input);
        if (!prompt->failed) {
            ask->input_hash[i] =
                hash_of((struct ub_slice){prompt->ptr + before, prompt->len - before});
        }
    }
    return true;
}

/* A whole number from `low` to 2^31, or `*out` as it is when the key is not there. */
static bool read_count(const json_t *root, const char *key, uint32_t low, uint32_t *out,
                       struct ub_buf *words)
{
    const json_t *value = json_object_get(root, key);
    if (value == NULL || json_is_null(value)) {
        return true;
    }
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < (json_int_t)low || number > INT32_MAX) {
        ub_buf_printf(words, "%s: a whole number from %u on is needed", key, low);
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

static bool read_settings(struct ub_ask *ask, const json_t *root, struct ub_buf *words)
{
    const json_t *model = json_object_get(root, "model");
    if (!json_is_string(model) || json_string_length(model) >= sizeof ask->model) {
        ub_buf_add_text(words, "model: a name is needed");
        return false;
    }
    memcpy(ask->model, json_string_value(model), json_string_length(model) + 1);
    ask->stream = json_is_true(json_object_get(root, "stream"));
    ask->include_usage =
        json_is_true(json_object_get(json_object_get(root, "stream_options"), "include_usage"));
    const json_t *temperature = json_object_get(root, "temperature");
    ask->has_temperature = json_is_number(temperature);
    ask->temperature = json_number_value(temperature);
    ask->has_seed = json_is_integer(json_object_get(root, "seed"));
    ask->ignore_eos = json_is_true(json_object_get(root, "ignore_eos"));
    ask->has_tools = json_array_size(json_object_get(root, "tools")) > 0;
    const char *thinking =
        json_string_value(json_object_get(json_object_get(root, "thinking"), "type"));
    ask->thinking_off = thinking != NULL && strcmp(thinking, "disabled") == 0;
    const char *encoding = json_string_value(json_object_get(root, "encoding_format"));
    ask->base64 = encoding != NULL && strcmp(encoding, "base64") == 0;
    ask->n = 1;
    ask->dimensions = 64;
    return read_count(root, "max_tokens", 1, &ask->max_tokens, words) &&
           read_count(root, "max_completion_tokens", 1, &ask->max_tokens, words) &&
           read_count(root, "min_tokens", 0, &ask->min_tokens, words) &&
           read_count(root, "n", 1, &ask->n, words) &&
           read_count(root, "dimensions", 1, &ask->dimensions, words);
}

static bool read_tree(struct ub_ask *ask, enum ub_mock_endpoint endpoint, const json_t *root,
                      enum ub_ask_begun begun, struct ub_buf *words)
{
    if (!read_settings(ask, root, words)) {
        return false;
    }
    if (ask->n > 16 || ask->dimensions > 4096) {
        ub_buf_add_text(words, "n goes to 16, dimensions to 4096");
        return false;
    }
    struct ub_buf prompt = {0};
    bool ok = true;
    switch (endpoint) {
    case UB_MOCK_CHAT:
        ok = read_messages(ask, root, begun, &prompt, words);
        break;
    case UB_MOCK_COMPLETIONS:
        ok = json_object_get(root, "prompt") != NULL;
        if (!ok) {
            ub_buf_add_text(words, "prompt: a text is needed");
        }
        add_content(&prompt, json_object_get(root, "prompt"));
        break;
    case UB_MOCK_EMBEDDINGS:
        ok = read_inputs(ask, root, &prompt, words);
        break;
    }
    if (ok && !prompt.failed) {
        hash_prompt(ask, ub_buf_slice(&prompt));
    }
    ok = ok && !prompt.failed && !ask->begun.failed;
    ub_buf_free(&prompt);
    return ok;
}

bool ub_ask_read(struct ub_ask *ask, enum ub_mock_endpoint endpoint, struct ub_slice body,
                 enum ub_ask_begun begun, struct ub_buf *words)
{
    *ask = (struct ub_ask){.n = 1};
    json_error_t error;
    json_t *root = json_loadb(body.ptr == NULL ? "" : body.ptr, body.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (root == NULL) {
        ub_buf_printf(words, "invalid JSON at byte %d: %s", error.position, error.text);
        return false;
    }
    bool ok = json_is_object(root);
    if (ok) {
        ok = read_tree(ask, endpoint, root, begun, words);
    } else {
        ub_buf_add_text(words, "the body must be a JSON object");
    }
    json_decref(root);
    if (!ok && words->len == 0) {
        ub_buf_add_text(words, "out of memory");
    }
    return ok;
}

void ub_ask_close(struct ub_ask *ask)
{
    ub_buf_free(&ask->begun);
    ub_free(ask->input_hash);
    ask->input_hash = NULL;
}
