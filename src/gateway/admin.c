#include "gateway/admin.h"

#include "base/ip.h"
#include "gateway/auth.h"
#include "gateway/refusal.h"
#include "gateway/scrape.h"

static void answer(struct ub_exchange *exchange, int status, struct ub_slice type,
                   struct ub_slice body)
{
    struct ub_http_field fields[] = {{UB_LIT("Content-Type"), type},
                                     {UB_LIT("Cache-Control"), UB_LIT("no-store")}};
    ub_exchange_respond(exchange, status, fields, UB_COUNT(fields), (int64_t)body.len);
    ub_exchange_send(exchange, &body, 1);
    ub_exchange_end(exchange);
}

static void answer_text(struct ub_exchange *exchange, int status, const char *text)
{
    answer(exchange, status, UB_LIT("text/plain; charset=utf-8"), ub_slice_of(text));
}

static void refuse(struct ub_exchange *exchange, int status, const char *code, const char *words)
{
    struct ub_buf body = {0};
    ub_refusal_write(
        &(struct ub_refusal){.status = status, .code = code, .message = ub_slice_of(words)}, &body);
    answer(exchange, status, UB_LIT("application/json"),
           body.failed ? ub_refusal_spare() : ub_buf_slice(&body));
    ub_buf_free(&body);
}

static void health(struct ub_admin *admin, struct ub_exchange *exchange)
{
    answer_text(exchange, 200, "ok\n");
}

static void readiness(struct ub_admin *admin, struct ub_exchange *exchange)
{
    const char *words = ub_gateway_unready(admin->gateway);
    struct ub_buf body = {0};
    ub_buf_printf(&body, "%s\n", words == NULL ? "ready" : words);
    answer(exchange, words == NULL ? 200 : 503, UB_LIT("text/plain; charset=utf-8"),
           ub_buf_slice(&body));
    ub_buf_free(&body);
}

static void metrics(struct ub_admin *admin, struct ub_exchange *exchange)
{
    struct ub_buf body = {0};
    ub_scrape(admin, &body);
    if (body.failed) {
        refuse(exchange, 503, "no_memory", "the gateway is out of memory");
    } else {
        answer(exchange, 200, UB_LIT(UB_METRICS_CONTENT_TYPE), ub_buf_slice(&body));
    }
    ub_buf_free(&body);
}

bool ub_admin_reload(struct ub_admin *admin, struct ub_buf *words)
{
    admin->last_reload_ok = admin->reload(admin->user, words);
    admin->reloads += admin->last_reload_ok;
    return admin->last_reload_ok;
}

static void reload(struct ub_admin *admin, struct ub_exchange *exchange)
{
    struct ub_buf words = {0};
    if (ub_admin_reload(admin, &words)) {
        answer(exchange, 200, UB_LIT("application/json"), UB_LIT("{\"reloaded\":true}\n"));
    } else {
        ub_buf_add(&words, "", 1);
        refuse(exchange, 400, "bad_configuration", words.failed ? "out of memory" : words.ptr);
    }
    ub_buf_free(&words);
}

/* Pages that change something, or tell more than figures, are for this machine only, and there not for
 * any web page that its browser shows. */
static bool may_see(const struct ub_exchange *exchange, const struct ub_http_head *head,
                    bool local_only)
{
    return !local_only || (ub_ip_is_loopback(exchange->peer) && !ub_auth_is_foreign_page(head));
}

static bool is_method(struct ub_slice method, const char *want)
{
    return ub_slice_is(method, want) ||
           (ub_slice_is(method, "HEAD") && strcmp(want, "GET") == 0); /* net leaves the body out */
}

static const struct {
    const char *path;
    const char *method;
    bool local_only;
    void (*page)(struct ub_admin *admin, struct ub_exchange *exchange);
} pages[] = {
    {"/healthz", "GET", false, health},
    {"/readyz", "GET", false, readiness},
    {"/metrics", "GET", false, metrics},
    {"/admin/reload", "POST", true, reload},
};

static struct ub_slice without_query(struct ub_slice target)
{
    const char *query = memchr(target.ptr, '?', target.len);
    return query == NULL ? target : (struct ub_slice){target.ptr, (size_t)(query - target.ptr)};
}

static void on_head(struct ub_exchange *exchange, const struct ub_http_head *head)
{
    for (size_t i = 0; i < UB_COUNT(pages); i++) {
        if (ub_slice_is(without_query(head->target), pages[i].path)) {
            if (!may_see(exchange, head, pages[i].local_only)) {
                refuse(exchange, 403, "local_only", "only for clients on the same machine");
            } else if (is_method(head->method, pages[i].method)) {
                pages[i].page(exchange->listener_user, exchange);
            } else {
                refuse(exchange, 405, "method_not_allowed", "this page has no such method");
            }
            return;
        }
    }
    refuse(exchange, 404, "unknown_url", "there is no such page here");
}

static void on_body(struct ub_exchange *exchange, struct ub_slice chunk)
{
}

static void on_nothing(struct ub_exchange *exchange)
{
}

static void on_gone(struct ub_exchange *exchange, enum ub_gone why)
{
}

const struct ub_exchange_handler ub_admin_handler = {on_head, on_body, on_nothing, on_nothing,
                                                     on_gone};
