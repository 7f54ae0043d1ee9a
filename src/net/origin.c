#include "net/client.h"

#include "base/alloc.h"
#include "base/ip.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* ---- the pool ---- */

static void leave_pool(struct ub_connection *connection)
{
    connection->prev->next = connection->next;
    connection->next->prev = connection->prev;
    connection->prev = connection->next = NULL;
    connection->origin->idle_count--;
    ub_deadline_disarm(&connection->idle_due);
}

struct ub_connection *ub_pool_take(struct ub_origin *origin)
{
    struct ub_connection *newest = origin->idle.next;
    if (newest == &origin->idle) {
        return NULL;
    }
    leave_pool(newest);
    return newest;
}

void ub_pool_give(struct ub_connection *connection)
{
    struct ub_origin *origin = connection->origin;
    if (origin->idle_max == 0) {
        ub_connection_close(connection);
        return;
    }
    if (origin->idle_count >= origin->idle_max) {
        struct ub_connection *oldest = origin->idle.prev;
        leave_pool(oldest);
        ub_connection_close(oldest);
    }
    connection->prev = &origin->idle;
    connection->next = origin->idle.next;
    connection->next->prev = connection;
    origin->idle.next = connection;
    origin->idle_count++;
    ub_deadline_arm(origin->idle_class, &connection->idle_due, ub_loop_now(origin->loop));
    ub_stream_resume(&connection->stream); /* anything it says now means its end */
}

/* ---- origins ---- */

static bool is_v6_literal(struct ub_slice host)
{
    return memchr(host.ptr, ':', host.len) != NULL;
}

static char *make_authority(struct ub_slice host, uint16_t port, bool with_port)
{
    struct ub_buf out = {0};
    bool v6 = is_v6_literal(host);
    ub_buf_add(&out, "[", v6);
    ub_buf_add_slice(&out, host);
    ub_buf_add(&out, "]", v6);
    if (with_port) {
        ub_buf_printf(&out, ":%u", port);
    }
    ub_buf_add(&out, "", 1);
    if (out.failed) {
        ub_buf_free(&out);
    }
    return out.ptr;
}

/* RFC 4648, section 4; for user:password of a proxy. */
static void add_base64(struct ub_buf *out, struct ub_slice in)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < in.len; i += 3) {
        size_t left = in.len - i;
        uint32_t bits = (uint32_t)(unsigned char)in.ptr[i] << 16;
        bits |= left > 1 ? (uint32_t)(unsigned char)in.ptr[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)(unsigned char)in.ptr[i + 2] : 0;
        char four[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63],
                        left > 1 ? alphabet[bits >> 6 & 63] : '=',
                        left > 2 ? alphabet[bits & 63] : '='};
        ub_buf_add(out, four, 4);
    }
}

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* RFC 3986, section 2.1: what has a meaning in a URL ("@", ":") stands in a password as %40, %3A. */
static void add_decoded(struct ub_buf *out, struct ub_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int high = c == '%' && i + 2 < text.len ? hex_of(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_of(text.ptr[i + 2]) : -1;
        if (low >= 0) {
            c = (char)(high << 4 | low);
            i += 2;
        }
        ub_buf_add(out, &c, 1);
    }
}

static bool take_credentials(struct ub_origin *origin, struct ub_slice user_info)
{
    struct ub_buf plain = {0}, out = {0};
    add_decoded(&plain, user_info);
    ub_buf_add_text(&out, "Basic ");
    add_base64(&out, ub_buf_slice(&plain));
    ub_buf_add(&out, "", 1);
    origin->proxy_credentials = out.ptr;
    bool ok = !out.failed && !plain.failed;
    ub_buf_wipe(&plain);
    return ok;
}

/* "http://[user:password@]host[:port][/]"; false: not that, or no memory. */
static bool take_proxy(struct ub_origin *origin, struct ub_slice url)
{
    if (ub_slice_starts(url, UB_LIT("http://"))) {
        url = (struct ub_slice){url.ptr + 7, url.len - 7};
    }
    if (url.len > 0 && url.ptr[url.len - 1] == '/') {
        url.len--;
    }
    const char *at = memrchr(url.ptr, '@', url.len);
    if (at != NULL) {
        struct ub_slice user_info = {url.ptr, (size_t)(at - url.ptr)};
        if (!take_credentials(origin, user_info)) {
            return false;
        }
        url = (struct ub_slice){at + 1, url.len - user_info.len - 1};
    }
    struct ub_slice host, port;
    bool bracketed;
    origin->proxy_port = 80;
    if (!ub_host_split(url, &host, &port, &bracketed) ||
        (port.len > 0 && !ub_port_parse(port, &origin->proxy_port)) || origin->proxy_port == 0) {
        return false;
    }
    origin->proxy_host = host.len == 0 ? NULL : ub_strndup(host.ptr, host.len);
    return origin->proxy_host != NULL;
}

struct ub_origin *ub_origin_new(struct ub_loop *loop, const struct ub_origin_options *options)
{
    assert(options->tls == (options->tls_client != NULL));
    struct ub_origin *origin = ub_calloc(1, sizeof *origin);
    if (origin == NULL) {
        return NULL;
    }
    origin->loop = loop;
    origin->tls = options->tls;
    origin->tls_client = options->tls_client;
    origin->port = options->port;
    origin->idle_max = options->idle_max;
    origin->idle.prev = origin->idle.next = &origin->idle;
    origin->host = ub_strndup(options->host.ptr, options->host.len);
    bool default_port = options->port == (options->tls ? 443 : 80);
    origin->authority = make_authority(options->host, options->port, !default_port);
    origin->idle_class = ub_deadline_class_hold(&loop->timers, options->idle_ns);
    if (origin->host == NULL || origin->authority == NULL || origin->idle_class == NULL ||
        (options->proxy.len > 0 && !take_proxy(origin, options->proxy))) {
        ub_origin_free(origin);
        return NULL;
    }
    return origin;
}

void ub_origin_free(struct ub_origin *origin)
{
    while (origin->dials != NULL) {
        ub_dial_cancel(origin->dials);
    }
    struct ub_connection *connection;
    while ((connection = ub_pool_take(origin)) != NULL) {
        ub_connection_close(connection);
    }
    while (origin->spare != NULL) {
        struct ub_sending *spare = origin->spare;
        origin->spare = spare->next;
        ub_buf_free(&spare->head);
        ub_free(spare);
    }
    ub_tls_session_forget(&origin->session);
    ub_deadline_class_release(origin->idle_class);
    ub_free(origin->host);
    ub_free(origin->authority);
    ub_free(origin->proxy_host);
    if (origin->proxy_credentials != NULL) {
        explicit_bzero(origin->proxy_credentials, strlen(origin->proxy_credentials));
    }
    ub_free(origin->proxy_credentials);
    ub_free(origin);
}

bool ub_origin_probe(struct ub_origin *origin, ub_ns limit_ns,
                     void (*done)(void *user, enum ub_error error), void *user)
{
    return ub_dial_start(origin, NULL, limit_ns, done, user);
}
