/* What clients see of one or two upstreams, each of which plays a script. */
#include "gateway/stage.h"

#include "base/alloc.h"
#include "base/test.h"
#include <time.h>

#define CHAT  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define TALK  "{\"model\":\"m\",\"stream\":true,\"messages\":[]}"
#define USAGE "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"

#define HELLO "{\"choices\":[{\"message\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"}]}"
#define GOOD  "plain 200 " HELLO
#define EMPTY \
    "plain 200 {\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}"
#define BUSY    "plain 503 {\"error\":{\"message\":\"busy\"}}"
#define INVALID "plain 400 {\"error\":{\"message\":\"no such parameter\",\"code\":\"x\"}}"

#define ROLE    "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}"
#define HE      "{\"choices\":[{\"delta\":{\"content\":\"he\"}}]}"
#define LLO     "{\"choices\":[{\"delta\":{\"content\":\"llo\"}}]}"
#define STOP1   "{\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define MORE1   "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"more\"}}]}"
#define STOP    "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define COUNTED "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}"

#define BROKEN                                                                          \
    "{\"error\":{\"message\":\"the stream broke after tokens had been sent\",\"type\":" \
    "\"server_error\",\"param\":null,\"code\":\"stream_broken\"}}"

#define SAY(event) "data: " event "\n\n"
#define STREAM \
    "stream\nevent " ROLE "\nevent " HE "\nevent " LLO "\nevent " STOP "\nevent " COUNTED "\ndone"
#define WHOLE SAY(ROLE) SAY(HE) SAY(LLO) SAY(STOP) SAY("[DONE]")

static const struct {
    const char *name;
    const char *a; /* scripts */
    const char *b; /* NULL: there is only a */
    const char *ask;
    int status;
    const char *body;     /* all of it */
    const char *attempts; /* as in x-unbusy-attempts; NULL: not there */
} rows[] = {
    {"a plain answer", GOOD, NULL, CHAT, 200, HELLO, "1"},
    {"a stream, without the usage that nobody asked for", STREAM, NULL, TALK, 200, WHOLE, "1"},
    {"a stream with its usage for who asked", STREAM, NULL, USAGE, 200,
     SAY(ROLE) SAY(HE) SAY(LLO) SAY(STOP) SAY(COUNTED) SAY("[DONE]"), "1"},

    {"busy: the next one answers", BUSY, GOOD, CHAT, 200, HELLO, "2"},
    {"429", "plain 429 {\"error\":{\"message\":\"slow down\"}}", GOOD, CHAT, 200, HELLO, "2"},
    {"529", "plain 529 {}", GOOD, CHAT, 200, HELLO, "2"},
    {"402, an empty account", "plain 402 {\"error\":{\"message\":\"Insufficient Balance\"}}", GOOD,
     CHAT, 200, HELLO, "2"},
    {"500 with a page", "plain 500 <html>", GOOD, CHAT, 200, HELLO, "2"},
    {"a connection that is cut before the head", "cut", GOOD, CHAT, 200, HELLO, "2"},
    {"a reset", "reset", GOOD, CHAT, 200, HELLO, "2"},
    {"an answer that is not HTTP", "bytes nonsense\\r\\n\\r\\n\ncut", GOOD, CHAT, 200, HELLO, "2"},
    {"an answer that is cut",
     "bytes HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\n{\"choices\":\ncut", GOOD, CHAT,
     200, HELLO, "2"},
    {"an answer that is not JSON", "plain 200 {\"choices\":", GOOD, CHAT, 200, HELLO, "2"},
    {"busy inside a 200", "plain 200 {\"error\":{\"message\":\"server overloaded\"}}", GOOD, CHAT,
     200, HELLO, "2"},
    {"an empty answer", EMPTY, GOOD, CHAT, 200, HELLO, "2"},

    {"a client's fault is passed on and not tried again", INVALID, GOOD, CHAT, 400,
     "{\"error\":{\"message\":\"no such parameter\",\"code\":\"x\"}}", "1"},
    {"an empty body that refuses becomes an error object", "plain 400 ", NULL, CHAT, 400,
     "{\"error\":{\"message\":\"the upstream refused the request as invalid\",\"type\":\"invalid_"
     "request_error\",\"param\":null,\"code\":\"bad_request\"}}",
     "1"},

    {"a stream that is no boolean is refused, whoever would take it", STREAM, NULL,
     "{\"model\":\"m\",\"stream\":\"true\",\"messages\":[]}", 400,
     "{\"error\":{\"message\":\"Invalid type for 'stream': expected a boolean, but got a string "
     "instead.\",\"type\":\"invalid_request_error\",\"param\":\"stream\",\"code\":\"invalid_type\"}"
     "}",
     NULL},
    {"so are stream options that are no object", STREAM, NULL,
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":5,\"messages\":[]}", 400,
     "{\"error\":{\"message\":\"Invalid type for 'stream_options': expected an object, but got a "
     "number "
     "instead.\",\"type\":\"invalid_request_error\",\"param\":\"stream_options\",\"code\":"
     "\"invalid_type\"}}",
     NULL},

    {"a stream that is busy", BUSY, STREAM, TALK, 200, WHOLE, "2"},
    {"a stream that breaks before its first payload",
     "stream\nevent " ROLE "\nraw : keep-alive\\n\\n\ncut", STREAM, TALK, 200, WHOLE, "2"},
    {"a stream that ends before its first payload", "stream\nevent " ROLE "\nend", STREAM, TALK,
     200, WHOLE, "2"},
    {"a stream that says an error first",
     "stream\nevent {\"error\":{\"message\":\"overloaded\",\"type\":\"overloaded_error\"}}\nend",
     STREAM, TALK, 200, WHOLE, "2"},
    {"a stream without resources",
     "stream\nevent " ROLE "\nevent "
     "{\"choices\":[{\"delta\":{},\"finish_reason\":\"insufficient_system_resource\"}]}\ndone",
     STREAM, TALK, 200, WHOLE, "2"},
    {"an empty stream", "stream\nevent " ROLE "\nevent " STOP "\ndone", STREAM, TALK, 200, WHOLE,
     "2"},
    {"a plain answer where a stream was asked for", GOOD, STREAM, TALK, 200, WHOLE, "2"},

    {"only [DONE] is missing: the answer is whole for who has it",
     "stream\nevent " HE "\nevent " STOP "\nend", NULL, TALK, 200, SAY(HE) SAY(STOP) SAY("[DONE]"),
     "1"},
    {"also when the connection is cut", "stream\nevent " HE "\nevent " STOP "\nwait 50\ncut", NULL,
     TALK, 200, SAY(HE) SAY(STOP) SAY("[DONE]"), "1"},
    {"and when nothing but comments comes",
     "stream\nevent " HE "\nevent " STOP "\nraw : keep-alive\\n\\n\nhang", NULL, TALK, 200,
     SAY(HE) SAY(STOP) SAY("[DONE]"), "1"},
    {"half of two choices is no whole answer", "stream\nevent " HE "\nevent " STOP "\nend", NULL,
     "{\"model\":\"m\",\"stream\":true,\"n\":2,\"messages\":[]}", 200,
     SAY(HE) SAY(STOP) SAY(BROKEN), "1"},

    {"nor is one that ends twice", "stream\nevent " HE "\nevent " STOP "\nevent " STOP "\nend",
     NULL, "{\"model\":\"m\",\"stream\":true,\"n\":2,\"messages\":[]}", 200,
     SAY(HE) SAY(STOP) SAY(STOP) SAY(BROKEN), "1"},
    {"two of two are, in any order", "stream\nevent " HE "\nevent " STOP1 "\nevent " STOP "\nend",
     NULL, "{\"model\":\"m\",\"stream\":true,\"n\":2,\"messages\":[]}", 200,
     SAY(HE) SAY(STOP1) SAY(STOP) SAY("[DONE]"), "1"},
    {"who talks behind the end has not ended",
     "stream\nevent " HE "\nevent " STOP "\nevent " LLO "\nend", NULL, TALK, 200,
     SAY(HE) SAY(STOP) SAY(LLO) SAY(BROKEN), "1"},
    {"nor who does so a while later",
     "stream\nevent " HE "\nevent " STOP "\nwait 50\nevent " LLO "\nwait 50\ncut", NULL, TALK, 200,
     SAY(HE) SAY(STOP) SAY(LLO) SAY(BROKEN), "1"},
    {"words of a choice that nobody asked for count, too",
     "stream\nevent " HE "\nevent " STOP "\nwait 900\nevent " MORE1 "\nwait 900\nevent " MORE1
     "\nwait 900\nevent " MORE1 "\nevent " STOP1 "\ndone",
     NULL, TALK, 200, SAY(HE) SAY(STOP) SAY(MORE1) SAY(MORE1) SAY(MORE1) SAY(STOP1) SAY("[DONE]"),
     "1"},
    {"only silence is the end of the last one",
     "stream\nevent " HE "\nevent " STOP "\nwait 900\nevent " LLO "\nevent " STOP
     "\nwait 1500\nevent " LLO "\nevent " STOP "\nhang",
     NULL, TALK, 200, SAY(HE) SAY(STOP) SAY(LLO) SAY(STOP) SAY(LLO) SAY(STOP) SAY("[DONE]"), "1"},

    {"comments are not for clients",
     "stream\nraw : queued\\n\\n\nevent " HE "\nraw : more\\n\nevent " STOP "\ndone", NULL, TALK,
     200, SAY(HE) SAY(STOP) SAY("[DONE]"), "1"},
    {"id lines never pass", "stream\nraw id: 7\\ndata: " HE "\\n\\n\nevent " STOP "\ndone", NULL,
     TALK, 200, SAY(HE) SAY(STOP) SAY("[DONE]"), "1"},
    {"event lines do", "stream\nraw event: x\\ndata: " HE "\\n\\n\nevent " STOP "\ndone", NULL,
     TALK, 200, "event: x\n" SAY(HE) SAY(STOP) SAY("[DONE]"), "1"},
    {"an event in two reads",
     "stream\nraw data: {\"choices\":[{\"delta\":{\"con\nwait 30\nraw "
     "tent\":\"he\"}}]}\\n\\n\nevent " STOP "\ndone",
     NULL, TALK, 200, SAY(HE) SAY(STOP) SAY("[DONE]"), "1"},
    {"CRLF stays CRLF", "stream\nraw data: " HE "\\r\\n\\r\\n\nevent " STOP "\ndone", NULL, TALK,
     200, "data: " HE "\r\n\r\n" SAY(STOP) SAY("[DONE]"), "1"},
    {"usage that is null was our wish, not the client's",
     "stream\nevent {\"choices\":[{\"delta\":{\"content\":\"he\"}}],\"usage\":null}\nevent " STOP
     "\nevent " COUNTED "\ndone",
     NULL, TALK, 200, SAY(HE) SAY(STOP) SAY("[DONE]"), "1"},
    {"usage beside the last choice is cut out",
     "stream\nevent " HE "\nevent "
     "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{"
     "\"prompt_tokens\":3}}\ndone",
     NULL, TALK, 200, SAY(HE) SAY(STOP) SAY("[DONE]"), "1"},
};

static const char *field(const struct ub_guest *guest, const char *name, char *out, size_t size)
{
    const char *at = guest->head == NULL ? NULL : strcasestr(guest->head, name);
    out[0] = '\0';
    if (at != NULL) {
        at += strlen(name);
        snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
    }
    return out;
}

static void what_clients_see(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        const char *const a[] = {rows[i].a, NULL};
        const char *const b[] = {rows[i].b, NULL};
        char text[64];
        struct ub_stage stage = {0};
        ub_stage_actor(&stage, a);
        if (rows[i].b != NULL) {
            ub_stage_actor(&stage, b);
        }
        ub_stage_open(&stage, "");
        struct ub_guest guest = ub_guest_ask(stage.port, "/v1/chat/completions", "", rows[i].ask);
        UB_CHECK(guest.status == rows[i].status && guest.whole, "%s: status %d", rows[i].name,
                 guest.status);
        UB_CHECK_TEXT(guest.body.ptr, rows[i].body, "%s", rows[i].name);
        UB_CHECK_TEXT(field(&guest, "x-unbusy-attempts: ", text, sizeof text),
                      rows[i].attempts == NULL ? "" : rows[i].attempts, "%s: attempts",
                      rows[i].name);
        ub_guest_free(&guest);
        ub_stage_close(&stage);
    }
}

int main(void)
{
    what_clients_see();
    return ub_test_done();
}
