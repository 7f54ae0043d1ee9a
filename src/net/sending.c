/* sending.c - a request on its way out: what is sent, and how much of it is. */
#include "net/client.h"

#include "base/alloc.h"
#include "base/digits.h"

#include <assert.h>
#include <string.h>

#define SPARE_MAX      16   /* kept for the next call... */
#define SPARE_HEAD_MAX 4096 /* ...with heads of at most so many bytes */
#define HEAD_GUESS     512

struct ub_sending *ub_sending_take(struct ub_origin *origin)
{
    struct ub_sending *sending = origin->spare;
    if (sending == NULL) {
        return ub_calloc(1, sizeof *sending);
    }
    origin->spare = sending->next;
    origin->spare_count--;
    struct ub_buf head = sending->head;
    ub_buf_clear(&head);
    *sending = (struct ub_sending){.head = head};
    return sending;
}

void ub_sending_give(struct ub_origin *origin, struct ub_sending *sending)
{
    if (sending == NULL) {
        return;
    }
    if (origin->spare_count >= SPARE_MAX || sending->head.cap > SPARE_HEAD_MAX) {
        ub_buf_wipe(&sending->head);
        ub_free(sending);
        return;
    }
    if (sending->head.len > 0) {
        explicit_bzero(sending->head.ptr, sending->head.len); /* the upstream's key is in it */
    }
    sending->next = origin->spare;
    origin->spare = sending;
    origin->spare_count++;
}

static bool wants_length(struct ub_slice method)
{
    return ub_slice_is(method, "POST") || ub_slice_is(method, "PUT") ||
           ub_slice_is(method, "PATCH");
}

static void write_target(struct ub_buf *out, const struct ub_origin *origin,
                         const struct ub_call_request *request)
{
    if (origin->proxy_host == NULL || origin->tls) {
        ub_http1_write_request(out, request->method, request->target);
        return;
    }
    struct ub_buf absolute = {0}; /* a proxy wants to know the host (RFC 9112, 3.2.2) */
    ub_buf_printf(&absolute, "http://%s%.*s", origin->authority, UB_SLICE_ARG(request->target));
    out->failed = out->failed || absolute.failed;
    ub_http1_write_request(out, request->method, ub_buf_slice(&absolute));
    ub_buf_free(&absolute);
    if (origin->proxy_credentials != NULL) {
        ub_http1_write_field(out, UB_LIT("Proxy-Authorization"),
                             ub_slice_of(origin->proxy_credentials));
    }
}

bool ub_sending_write(struct ub_sending *sending, const struct ub_origin *origin,
                      const struct ub_call_request *request)
{
    assert(request->body_count <= UB_CALL_BODY_MAX);
    struct ub_buf *head = &sending->head;
    size_t length = 0;
    for (uint32_t i = 0; i < request->body_count; i++) {
        length += request->body[i].len;
        if (request->body[i].len > 0) {
            sending->part[1 + sending->part_count++] = request->body[i];
        }
    }
    ub_buf_reserve(head, HEAD_GUESS + request->lines.len); /* growing leaves copies of the key */
    write_target(head, origin, request);
    ub_http1_write_field(head, UB_LIT("Host"), ub_slice_of(origin->authority));
    ub_buf_add_slice(head, request->lines);
    for (uint32_t i = 0; i < request->field_count; i++) {
        ub_http1_write_field(head, request->fields[i].name, request->fields[i].value);
    }
    if (length > 0 || wants_length(request->method)) {
        char room[UB_DIGITS_MAX];
        ub_http1_write_field(head, UB_LIT("Content-Length"), ub_digits(length, room));
    }
    ub_http1_write_end(head);
    sending->part[0] = ub_buf_slice(head);
    sending->part_count++;
    sending->connect_by_ns = request->connect_by_ns;
    sending->head_request = ub_slice_is(request->method, "HEAD");
    return !head->failed;
}

bool ub_sending_is_done(const struct ub_sending *sending)
{
    return sending == NULL || sending->part_now == sending->part_count;
}

void ub_sending_took(struct ub_sending *sending, size_t len)
{
    while (!ub_sending_is_done(sending)) {
        size_t of_part = sending->part[sending->part_now].len - sending->part_sent;
        if (len < of_part) {
            sending->part_sent += len;
            break;
        }
        len -= of_part;
        sending->part_now++;
        sending->part_sent = 0;
    }
}
