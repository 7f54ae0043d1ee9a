/* dial.c - a connection to an upstream: names, happy eyeballs (RFC 8305), proxy, TLS.
 *
 * Addresses are tried in turns of family, IPv6 first, a new one each 250 ms or as soon as one
 * fails; the first that connects is chosen and the others are closed. IPv4 addresses that come
 * before the IPv6 ones wait 50 ms for them. The time limit covers everything up to TLS.
 */
#include "net/client.h"

#include "base/alloc.h"
#include "base/embed.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define STAGGER_NS  (250 * UB_MS) /* RFC 8305, section 5: Connection Attempt Delay */
#define WAIT_V6_NS  (50 * UB_MS)  /* section 3: Resolution Delay */
#define TRIES_MAX   UB_DIAL_ADDRESSES_MAX
#define V6          0
#define V4          1
#define FAMILY_NAME 2 /* number of families */

struct ub_dial {
    struct ub_origin *origin;
    struct ub_dial *prev, *next; /* origin->dials */
    struct ub_call *call;        /* or NULL and */
    void (*done)(void *user, enum ub_error error);
    void *user;
    struct ub_timer limit;
    struct ub_timer stagger;
    struct ub_task verdict;
    struct ub_resolving resolving;
    struct ub_address_ip address[FAMILY_NAME][UB_RESOLVE_MAX];
    int count[FAMILY_NAME], tried[FAMILY_NAME];
    bool known[FAMILY_NAME]; /* the resolver has spoken */
    int turn;                /* family to try next */
    struct ub_connection *tries[TRIES_MAX];
    int try_count;
    struct ub_connection *chosen;
    enum ub_error error; /* of the tries so far */
    const char *words;
};

static struct ub_dial *of_task(struct ub_task *task)
{
    return UB_OWNER(task, struct ub_dial, verdict);
}

/* ---- the end ---- */

static void forget_tries(struct ub_dial *dial)
{
    for (int i = 0; i < dial->try_count; i++) {
        if (dial->tries[i] != dial->chosen) {
            ub_connection_close(dial->tries[i]);
        }
    }
    dial->try_count = 0;
}

/* Everything but the chosen connection ends here. */
static void free_dial(struct ub_dial *dial)
{
    forget_tries(dial);
    ub_resolve_cancel(&dial->resolving);
    ub_timer_stop(dial->origin->loop, &dial->limit);
    ub_timer_stop(dial->origin->loop, &dial->stagger);
    ub_task_drop(&dial->verdict);
    if (dial->prev != NULL) {
        dial->prev->next = dial->next;
    } else {
        dial->origin->dials = dial->next;
    }
    if (dial->next != NULL) {
        dial->next->prev = dial->prev;
    }
    if (dial->call != NULL) {
        dial->call->dial = NULL;
    }
    ub_free(dial);
}

void ub_dial_cancel(struct ub_dial *dial)
{
    if (dial->chosen != NULL) {
        ub_connection_close(dial->chosen);
    }
    free_dial(dial);
}

static void give_up(struct ub_dial *dial, enum ub_error error, const char *words)
{
    struct ub_call *call = dial->call;
    void (*done)(void *user, enum ub_error error) = dial->done;
    void *user = dial->user;
    ub_dial_cancel(dial);
    if (call != NULL) {
        ub_call_failed(call, error, words);
    } else {
        done(user, error);
    }
}

static void run_verdict(struct ub_task *task)
{
    struct ub_dial *dial = of_task(task);
    give_up(dial, dial->error, dial->words);
}

static void on_limit(struct ub_timer *timer)
{
    give_up(timer->user, UB_ERR_CONNECT_FAILED, "no connection in the time allowed");
}

/* Connected, tunnelled, encrypted: hand it over. */
static void hand_over(struct ub_dial *dial)
{
    struct ub_connection *connection = dial->chosen;
    struct ub_call *call = dial->call;
    void (*done)(void *user, enum ub_error error) = dial->done;
    void *user = dial->user;
    connection->dial = NULL;
    free_dial(dial);
    if (call != NULL) {
        ub_call_connected(call, connection);
    } else {
        ub_pool_give(connection);
        done(user, UB_ERR_OK);
    }
}

/* ---- tries ---- */

static void note_failure(struct ub_dial *dial, enum ub_error error, const char *words)
{
    /* A refusal is the surest word: somebody is there, but nobody listens. */
    if (dial->error != UB_ERR_CONNECT_REFUSED) {
        dial->error = error;
        dial->words = words;
    }
}

/* The family to take the next address of, or -1. */
static int next_family(const struct ub_dial *dial)
{
    for (int i = 0; i < FAMILY_NAME; i++) {
        int family = (dial->turn + i) % FAMILY_NAME;
        if (dial->tried[family] < dial->count[family]) {
            return family;
        }
    }
    return -1;
}

/* 0, or -errno. */
static int start_try(struct ub_dial *dial, const struct ub_address_ip *address)
{
    struct ub_connection *connection = ub_connection_new(dial->origin, dial);
    if (connection == NULL) {
        return -ENOMEM;
    }
    int rc =
        ub_stream_connect(&connection->stream, dial->origin->loop, &ub_connection_handler, address);
    if (rc != 0) {
        ub_free(connection);
        return rc;
    }
    connection->stream.read_max = UB_ANSWER_READ_MAX;
    dial->origin->loop->counts.dialled++;
    dial->origin->loop->counts.upstreams++;
    dial->tries[dial->try_count++] = connection;
    return 0;
}

/* Starts the next try; when there is none left and none is running, that is the verdict. */
static void try_next(struct ub_dial *dial)
{
    struct ub_loop *loop = dial->origin->loop;
    int family;
    while (dial->chosen == NULL && (family = next_family(dial)) >= 0) {
        const struct ub_address_ip *address = &dial->address[family][dial->tried[family]++];
        dial->turn = 1 - family;
        int rc = start_try(dial, address);
        if (rc == 0) {
            ub_timer_start(loop, &dial->stagger, ub_ns_after(ub_loop_now(loop), STAGGER_NS));
            return;
        }
        note_failure(dial, rc == -ENOMEM ? UB_ERR_NO_MEMORY : UB_ERR_CONNECT_FAILED, strerror(-rc));
    }
    if (dial->try_count == 0 && dial->known[V6] && dial->known[V4]) {
        ub_loop_post(loop, &dial->verdict);
    }
}

static void on_stagger(struct ub_timer *timer)
{
    try_next(timer->user);
}

static void on_found(struct ub_resolving *resolving, int family,
                     const struct ub_address_ip *addresses, int count, const char *words)
{
    struct ub_dial *dial = UB_OWNER(resolving, struct ub_dial, resolving);
    struct ub_loop *loop = dial->origin->loop;
    int f = family == AF_INET6 ? V6 : V4;
    dial->known[f] = true;
    for (int i = 0; i < count; i++) {
        dial->address[f][dial->count[f]++] = addresses[i];
    }
    if (count == 0 && dial->error == UB_ERR_OK) {
        note_failure(dial, UB_ERR_CONNECT_FAILED, words);
    }
    if (dial->try_count > 0 || dial->chosen != NULL) {
        return; /* the stagger timer goes on with these */
    }
    if (f == V4 && !dial->known[V6]) {
        ub_timer_start(loop, &dial->stagger, ub_ns_after(ub_loop_now(loop), WAIT_V6_NS));
    } else {
        try_next(dial);
    }
}

/* ---- after the connection ---- */

/* The way to the origin itself is open. */
static void way_open(struct ub_dial *dial)
{
    struct ub_origin *origin = dial->origin;
    if (!origin->tls) {
        hand_over(dial);
        return;
    }
    struct ub_tls *tls = ub_tls_connect(origin->tls_client, origin->host, &origin->session);
    if (tls == NULL) {
        give_up(dial, UB_ERR_NO_MEMORY, "no memory");
    } else if (!ub_stream_start_tls(&dial->chosen->stream, tls)) {
        give_up(dial, UB_ERR_TLS_FAILED, "no handshake");
    }
}

static void ask_proxy(struct ub_dial *dial)
{
    struct ub_origin *origin = dial->origin;
    struct ub_buf out = {0}, target = {0};
    bool v6 = strchr(origin->host, ':') != NULL;
    ub_buf_printf(&target, v6 ? "[%s]:%u" : "%s:%u", origin->host, origin->port);
    ub_http1_write_request(&out, UB_LIT("CONNECT"), ub_buf_slice(&target));
    ub_http1_write_field(&out, UB_LIT("Host"), ub_buf_slice(&target));
    if (origin->proxy_credentials != NULL) {
        ub_http1_write_field(&out, UB_LIT("Proxy-Authorization"),
                             ub_slice_of(origin->proxy_credentials));
    }
    ub_http1_write_end(&out);
    struct ub_slice part = ub_buf_slice(&out);
    bool whole = !out.failed && !target.failed &&
                 ub_stream_write(&dial->chosen->stream, &part, 1) == (ssize_t)part.len;
    ub_buf_free(&out);
    ub_buf_free(&target);
    dial->chosen->parser.head_request = true; /* a 2xx to CONNECT has no body (RFC 9110, 9.3.6) */
    if (!whole) {
        note_failure(dial, UB_ERR_CONNECT_FAILED, "the proxy did not take our request");
        ub_loop_post(origin->loop, &dial->verdict);
    }
}

void ub_dial_input(struct ub_connection *connection, struct ub_slice bytes)
{
    struct ub_dial *dial = connection->dial;
    enum ub_http1_found found = ub_http1_next(&connection->parser, &bytes);
    if (found == UB_HTTP1_MORE) {
        return;
    }
    int status = found == UB_HTTP1_HEAD ? connection->parser.head->status : 0;
    bool open = status / 100 == 2 && ub_http1_next(&connection->parser, &bytes) == UB_HTTP1_END &&
                bytes.len == 0;
    if (!open) {
        give_up(dial, UB_ERR_CONNECT_FAILED,
                status == 407 ? "the proxy wants other credentials" : "the proxy refused");
        return;
    }
    ub_http1_forget_head(&connection->parser);
    way_open(dial);
}

static void remove_try(struct ub_dial *dial, struct ub_connection *connection)
{
    for (int i = 0; i < dial->try_count; i++) {
        if (dial->tries[i] == connection) {
            dial->tries[i] = dial->tries[--dial->try_count];
            return;
        }
    }
}

void ub_dial_opened(struct ub_connection *connection)
{
    struct ub_dial *dial = connection->dial;
    if (dial->chosen != NULL) { /* the same one again: TLS is up */
        hand_over(dial);
        return;
    }
    struct ub_loop *loop = dial->origin->loop;
    dial->chosen = connection;
    forget_tries(dial);
    ub_resolve_cancel(&dial->resolving);
    ub_timer_stop(loop, &dial->stagger);
    if (dial->origin->tls && dial->origin->proxy_host != NULL) {
        ask_proxy(dial);
    } else {
        way_open(dial);
    }
}

void ub_dial_broken(struct ub_connection *connection, enum ub_error error, const char *words)
{
    struct ub_dial *dial = connection->dial;
    if (dial->chosen == connection) {
        give_up(dial, error == UB_ERR_RESET ? UB_ERR_CONNECT_FAILED : error, words);
        return;
    }
    remove_try(dial, connection);
    ub_connection_close(connection);
    note_failure(dial, error, words);
    try_next(dial);
}

/* ---- the start ---- */

bool ub_dial_start(struct ub_origin *origin, struct ub_call *call, ub_ns limit_ns,
                   void (*done)(void *user, enum ub_error error), void *user)
{
    struct ub_dial *dial = ub_calloc(1, sizeof *dial);
    if (dial == NULL) {
        return false;
    }
    dial->origin = origin;
    dial->call = call;
    dial->done = done;
    dial->user = user;
    dial->words = "no address";
    dial->verdict.run = run_verdict;
    dial->limit = (struct ub_timer){.fire = on_limit, .user = dial};
    dial->stagger = (struct ub_timer){.fire = on_stagger, .user = dial};
    bool by_proxy = origin->proxy_host != NULL;
    dial->resolving.found = on_found;
    dial->resolving.port = by_proxy ? origin->proxy_port : origin->port;
    if (!ub_resolve(origin->loop, &dial->resolving,
                    ub_slice_of(by_proxy ? origin->proxy_host : origin->host))) {
        ub_free(dial);
        return false;
    }
    ub_timer_start(origin->loop, &dial->limit, ub_ns_after(ub_clock_now(), limit_ns));
    dial->next = origin->dials;
    if (dial->next != NULL) {
        dial->next->prev = dial;
    }
    origin->dials = dial;
    if (call != NULL) {
        call->dial = dial;
    }
    return true;
}
