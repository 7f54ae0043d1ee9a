/* Partial answers: who goes on from them, and how they have to be asked. */
#include "tools/mock_visit.h"

#include "base/test.h"

#define CHAT "/v1/chat/completions"

/* Each dialect has its own words for "go on from here", and others do not have them. */
static const struct {
    const char *name;
    enum ub_mock_dialect dialect;
    const char *target;
    const char *fault;
    const char *mark;   /* in the last message */
    const char *flags;  /* beside the messages */
    const char *refuse; /* words of a refusal */
    bool goes_on;       /* from where the partial answer ends... */
    bool begins;        /* ...or from the top */
} rows[] = {
    {"DeepSeek goes on from a prefix", UB_MOCK_DEEPSEEK, "/beta/chat/completions", NULL,
     ",\"prefix\":true", "", NULL, true, false},
    {"but not without /beta", UB_MOCK_DEEPSEEK, CHAT, NULL, ",\"prefix\":true", "", "/beta", false,
     false},
    {"and knows no flags", UB_MOCK_DEEPSEEK, "/beta/chat/completions", NULL, "",
     ",\"continue_final_message\":true", NULL, false, false},
    {"vLLM goes on with two flags", UB_MOCK_VLLM, CHAT, NULL, "",
     ",\"continue_final_message\":true,\"add_generation_prompt\":false", NULL, true, false},
    {"but not with one", UB_MOCK_VLLM, CHAT, NULL, "", ",\"continue_final_message\":true",
     "Cannot set both", false, false},
    {"nor with none", UB_MOCK_VLLM, CHAT, NULL, ",\"prefix\":true", "", NULL, false, false},
    {"SGLang goes on with one flag", UB_MOCK_SGLANG, CHAT, NULL, "",
     ",\"continue_final_message\":true", NULL, true, false},
    {"llama-server always goes on", UB_MOCK_LLAMA, CHAT, NULL, "", "", NULL, true, false},
    {"OpenAI never does", UB_MOCK_OPENAI, CHAT, NULL, ",\"prefix\":true",
     ",\"continue_final_message\":true,\"add_generation_prompt\":false", NULL, false, false},
    {"no-prefill", UB_MOCK_LLAMA, CHAT, "no-prefill", "", "", "prefill", false, false},
    {"restart begins again from the top", UB_MOCK_LLAMA, CHAT, "restart", "", "", NULL, false,
     true},
    {"diverge does so, too, for a while", UB_MOCK_LLAMA, CHAT, "diverge", "", "", NULL, false,
     true},
};

static void check(size_t i)
{
    static const char question[] = "{\"role\":\"user\",\"content\":\"tell me\"}";
    char body[1024], whole[1024] = "", text[1024] = "";
    struct ub_mock_options options = ub_mock_defaults();
    const char *words;
    options.host = UB_LIT("127.0.0.1");
    options.port = 0;
    options.threads = 1;
    options.speed = 1000;
    options.dialect = rows[i].dialect;
    mock = ub_mock_start(&options, &words);
    snprintf(
        body, sizeof body,
        "{\"model\":\"m\",\"max_tokens\":8,\"thinking\":{\"type\":\"disabled\"},\"messages\":[%s]}",
        question);
    bool open;
    const char *answer = hear(ask("POST", CHAT, NULL, body), 5000, &open);
    content_of(answer, whole, sizeof whole);
    int cut = (int)strlen(whole) / 2;
    snprintf(
        body, sizeof body,
        "{\"model\":\"m\",\"max_tokens\":4,\"thinking\":{\"type\":\"disabled\"},\"messages\":[%s,"
        "{\"role\":\"assistant\",\"content\":\"%.*s\"%s}]%s}",
        question, cut, whole, rows[i].mark, rows[i].flags);
    answer = hear(ask("POST", rows[i].target, rows[i].fault, body), 5000, &open);
    content_of(answer, text, sizeof text);
    size_t len = strlen(text);
    if (rows[i].refuse != NULL) {
        UB_CHECK(strstr(answer, "HTTP/1.1 400") != NULL && strstr(answer, rows[i].refuse) != NULL,
                 "%s", rows[i].name);
    } else {
        bool rest = strncmp(whole + cut, text, strnlen(whole + cut, len)) == 0;
        UB_CHECK(len > 0 && rest == rows[i].goes_on &&
                     (strncmp(whole, text, len) == 0) == rows[i].begins,
                 "%s: '%s' of '%s'", rows[i].name, text, whole);
    }
    ub_mock_stop(mock);
}

int main(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        check(i);
    }
    return ub_test_done();
}
