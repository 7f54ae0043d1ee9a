#include "tools/drill_live.h"

#include "base/ip.h"
#include "tools/drill_client.h"
#include <jansson.h>

#define CONTROL_NS (5 * UB_SECOND)

bool ub_drill_url(const char *url, struct ub_origin_options *out, struct ub_slice *base)
{
    if (strncmp(url, "http://", 7) != 0) {
        return false;
    }
    struct ub_slice authority = {url + 7, strcspn(url + 7, "/")};
    *base = ub_slice_of(authority.ptr + authority.len);
    while (base->len > 0 && base->ptr[base->len - 1] == '/') {
        base->len--;
    }
    struct ub_slice port;
    bool bracketed;
    *out = (struct ub_origin_options){.port = 80, .idle_max = 1, .idle_ns = UB_SECOND};
    return ub_host_split(authority, &out->host, &port, &bracketed) && out->host.len > 0 &&
           (port.len == 0 || (ub_port_parse(port, &out->port) && out->port > 0));
}

/* One of a mock's own pages. Closed by the caller, whether or not it is there. */
static bool ask_page(struct ub_loop *loop, const struct ub_origin_options *mock,
                     struct ub_slice target, struct ub_slice body, struct ub_drill_reply *reply)
{
    struct ub_origin *origin = ub_origin_new(loop, mock);
    *reply = (struct ub_drill_reply){.end = UB_ERR_NO_MEMORY};
    if (origin == NULL) {
        return false;
    }
    const struct ub_drill_question question = {
        .target = target, .body = body, .time_ns = CONTROL_NS};
    ub_drill_ask(loop, origin, &question, reply);
    ub_origin_free(origin);
    return reply->end == UB_ERR_OK && reply->answer.status == 200;
}

static bool set_one(const struct ub_origin_options *mock, struct ub_loop *loop, const char *rule)
{
    struct ub_buf body = {0};
    struct ub_drill_reply reply;
    ub_buf_add_text(&body, "{\"faults\":[");
    if (rule != NULL) {
        ub_buf_add_json(&body, ub_slice_of(rule));
    }
    ub_buf_add_text(&body, "]}");
    bool good =
        !body.failed && ask_page(loop, mock, UB_LIT("/mock/faults"), ub_buf_slice(&body), &reply);
    if (!body.failed) {
        ub_drill_answer_close(&reply.answer);
    }
    ub_buf_free(&body);
    return good;
}

bool ub_drill_live_set(const struct ub_drill_live *live, struct ub_loop *loop,
                       const struct ub_drill *drill, bool all)
{
    bool good = true;
    for (uint32_t i = 0; good && i < live->mocks; i++) {
        const char *rule = drill == NULL ? NULL : all || i == 0 ? drill->sick : drill->others;
        good = set_one(&live->mock[i], loop, rule);
    }
    return good;
}

static uint64_t number_in(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

bool ub_drill_live_count(const struct ub_drill_live *live, struct ub_loop *loop,
                         const struct ub_drill *drill, struct ub_drill_counts *counts)
{
    char slug[32] = "";
    size_t len = strcspn(drill->sick, ";");
    memcpy(slug, drill->sick, len < sizeof slug ? len : sizeof slug - 1);
    *counts = (struct ub_drill_counts){0};
    bool good = true;
    for (uint32_t i = 0; good && i < live->mocks; i++) {
        struct ub_drill_reply reply;
        good = ask_page(loop, &live->mock[i], UB_LIT("/mock/stats"), (struct ub_slice){NULL, 0},
                        &reply);
        struct ub_slice text = ub_buf_slice(&reply.answer.body);
        json_t *root = good ? json_loadb(text.ptr, text.len, 0, NULL) : NULL;
        counts->requests += number_in(root, "requests");
        counts->faults += number_in(json_object_get(root, "faults"), slug);
        json_decref(root);
        ub_drill_answer_close(&reply.answer);
    }
    return good;
}
