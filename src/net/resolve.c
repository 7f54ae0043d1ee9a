#include "net/resolve.h"

#include "base/alloc.h"
#include "base/embed.h"

#include <ares.h>
#include <stddef.h>
#include <string.h>

#define V6    0
#define V4    1
#define NAMES 256 /* kept at most */

#define TTL_MIN_NS  UB_SECOND
#define TTL_MAX_NS  (5 * UB_MINUTE)
#define STALE_NS    UB_HOUR /* beyond its TTL, while DNS fails */
#define NEGATIVE_NS UB_SECOND

#define QUERY_TIMEOUT_MS 2000
#define QUERY_TRIES      3

/* What we know of one name in one family. */
struct known {
    struct ub_address_ip address[UB_RESOLVE_MAX];
    int count;
    ub_ns fresh_until, usable_until;
    const char *words; /* why count is 0 */
    bool asking;
    bool arrived; /* to be told to those who wait */
};

struct ub_name {
    struct ub_resolver *resolver;
    struct ub_name *prev, *next; /* resolver->names, the last used first */
    struct ub_resolving *waiting;
    struct known known[2];
    struct ub_task tell;
    char host[];
};

struct ares_socket {
    uv_poll_t poll;
    struct ub_resolver *resolver;
    struct ares_socket *next;
    ares_socket_t fd;
};

struct ub_resolver {
    struct ub_loop *loop;
    ares_channel channel;
    struct ares_socket *sockets;
    struct ub_timer timer;
    int count;
    bool ending;
    struct ub_name names; /* sentinel; last, because names end in an open array */
};

/* The argument of one question. */
struct question {
    struct ub_name *name;
    int family;
};

/* ---- telling ---- */

static void leave(struct ub_resolving *resolving)
{
    if (resolving->name == NULL) {
        return;
    }
    if (resolving->prev != NULL) {
        resolving->prev->next = resolving->next;
    } else {
        resolving->name->waiting = resolving->next;
    }
    if (resolving->next != NULL) {
        resolving->next->prev = resolving->prev;
    }
    resolving->name = NULL;
    resolving->prev = resolving->next = NULL;
}

static void tell_one(struct ub_resolving *resolving, int f, const struct known *known)
{
    struct ub_address_ip copy[UB_RESOLVE_MAX];
    for (int i = 0; i < known->count; i++) {
        copy[i] = known->address[i];
        if (f == V6) {
            copy[i].v6.sin6_port = htons(resolving->port);
        } else {
            copy[i].v4.sin_port = htons(resolving->port);
        }
    }
    resolving->waits[f] = false;
    if (!resolving->waits[1 - f]) {
        leave(resolving);
    }
    resolving->found(resolving, f == V6 ? AF_INET6 : AF_INET, copy, known->count, known->words);
}

static void run_tell(struct ub_task *task)
{
    struct ub_name *name = UB_OWNER(task, struct ub_name, tell);
    for (int f = V6; f <= V4; f++) {
        struct known *known = &name->known[f];
        while (known->arrived) {
            struct ub_resolving *waiting = name->waiting;
            while (waiting != NULL && !waiting->waits[f]) {
                waiting = waiting->next;
            }
            if (waiting == NULL) {
                known->arrived = false;
            } else {
                tell_one(waiting, f, known);
            }
        }
    }
}

static void arrive(struct ub_name *name, int f)
{
    name->known[f].arrived = true;
    ub_loop_post(name->resolver->loop, &name->tell);
}

/* ---- asking ---- */

static void take_addresses(struct known *known, int f, const struct ares_addrinfo *info, ub_ns now)
{
    ub_ns ttl_ns = TTL_MAX_NS;
    known->count = 0;
    for (const struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next) {
        bool fits = node->ai_family == (f == V6 ? AF_INET6 : AF_INET) &&
                    node->ai_addrlen <= sizeof known->address[0].v6;
        if (fits && known->count < UB_RESOLVE_MAX) {
            struct ub_address_ip *address = &known->address[known->count++];
            memcpy(&address->any, node->ai_addr, node->ai_addrlen);
            address->len = node->ai_addrlen;
            ttl_ns = ub_ns_min(ttl_ns, (ub_ns)node->ai_ttl * UB_SECOND);
        }
    }
    known->fresh_until = now + ub_ns_max(ttl_ns, TTL_MIN_NS);
    known->usable_until = known->fresh_until + STALE_NS;
    known->words = "no address of this family";
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct question *question = arg;
    struct ub_name *name = question->name;
    struct known *known = &name->known[question->family];
    (void)timeouts;
    known->asking = false;
    if (!name->resolver->ending) {
        ub_ns now = ub_loop_now(name->resolver->loop);
        bool denied = status == ARES_ENOTFOUND || status == ARES_ENODATA;
        if (status == ARES_SUCCESS) {
            take_addresses(known, question->family, info, now);
        } else if (denied || now >= known->usable_until) {
            known->count = 0;
            known->words = ares_strerror(status);
            known->fresh_until = denied ? now + NEGATIVE_NS : 0;
        } else {
            known->fresh_until = now + TTL_MIN_NS; /* what was known has to do */
        }
        arrive(name, question->family);
    }
    if (info != NULL) {
        ares_freeaddrinfo(info);
    }
    ub_free(question);
}

static void set_timer(struct ub_resolver *resolver)
{
    struct timeval left;
    if (ares_timeout(resolver->channel, NULL, &left) == NULL) {
        ub_timer_stop(resolver->loop, &resolver->timer);
        return;
    }
    ub_ns left_ns = (ub_ns)left.tv_sec * UB_SECOND + (ub_ns)left.tv_usec * UB_US;
    ub_timer_start(resolver->loop, &resolver->timer, ub_loop_now(resolver->loop) + left_ns + UB_MS);
}

static void on_timer(struct ub_timer *timer)
{
    struct ub_resolver *resolver = timer->user;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(resolver);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct ares_socket *socket = poll->data;
    struct ub_resolver *resolver = socket->resolver;
    bool readable = status < 0 || (events & UV_READABLE) != 0;
    bool writable = status < 0 || (events & UV_WRITABLE) != 0;
    ares_process_fd(resolver->channel, readable ? socket->fd : ARES_SOCKET_BAD,
                    writable ? socket->fd : ARES_SOCKET_BAD);
    set_timer(resolver);
}

static void on_socket_closed(uv_handle_t *handle)
{
    ub_free(handle->data);
}

/* c-ares says which of its sockets it wants to be told about. Without memory we do not watch, and
 * the question ends by its time limit. */
static void on_socket_state(void *user, ares_socket_t fd, int readable, int writable)
{
    struct ub_resolver *resolver = user;
    struct ares_socket **link = &resolver->sockets;
    while (*link != NULL && (*link)->fd != fd) {
        link = &(*link)->next;
    }
    struct ares_socket *socket = *link;
    if (!readable && !writable) {
        if (socket != NULL) {
            *link = socket->next;
            uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
        }
        return;
    }
    if (socket == NULL) {
        socket = ub_calloc(1, sizeof *socket);
        if (socket == NULL || uv_poll_init(&resolver->loop->uv, &socket->poll, fd) != 0) {
            ub_free(socket);
            return;
        }
        socket->poll.data = socket;
        socket->resolver = resolver;
        socket->fd = fd;
        socket->next = resolver->sockets;
        resolver->sockets = socket;
    }
    uv_poll_start(&socket->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                  on_socket);
}

static void ask(struct ub_name *name, int f)
{
    struct question *question = ub_calloc(1, sizeof *question);
    if (question == NULL) {
        name->known[f].words = "no memory";
        arrive(name, f);
        return;
    }
    *question = (struct question){name, f};
    name->known[f].asking = true;
    struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT,
                                        .ai_family = f == V6 ? AF_INET6 : AF_INET,
                                        .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(name->resolver->channel, name->host, NULL, &hints, on_answer, question);
    set_timer(name->resolver);
}

/* ---- names ---- */

static struct ub_resolver *get_resolver(struct ub_loop *loop)
{
    if (loop->resolver != NULL) {
        return loop->resolver;
    }
    struct ub_resolver *resolver = ub_calloc(1, sizeof *resolver);
    if (resolver == NULL) {
        return NULL;
    }
    resolver->loop = loop;
    resolver->names.prev = resolver->names.next = &resolver->names;
    resolver->timer = (struct ub_timer){.fire = on_timer, .user = resolver};
    static char lookups[] = "fb"; /* /etc/hosts first, then DNS */
    struct ares_options options = {.timeout = QUERY_TIMEOUT_MS,
                                   .tries = QUERY_TRIES,
                                   .lookups = lookups,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = resolver};
    if (ares_init_options(&resolver->channel, &options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                              ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
        ub_free(resolver);
        return NULL;
    }
    loop->resolver = resolver;
    return resolver;
}

static void link_first(struct ub_name *name)
{
    struct ub_name *list = &name->resolver->names;
    name->prev = list;
    name->next = list->next;
    name->next->prev = name;
    list->next = name;
}

static void unlink_name(struct ub_name *name)
{
    name->prev->next = name->next;
    name->next->prev = name->prev;
}

static void free_name(struct ub_name *name)
{
    unlink_name(name);
    ub_task_drop(&name->tell);
    name->resolver->count--;
    ub_free(name);
}

/* Makes room for one more: the one not used for the longest time that nobody waits for. */
static void evict(struct ub_resolver *resolver)
{
    struct ub_name *name = resolver->names.prev;
    while (resolver->count >= NAMES && name != &resolver->names) {
        struct ub_name *before = name->prev;
        if (name->waiting == NULL && !name->known[V6].asking && !name->known[V4].asking) {
            free_name(name);
        }
        name = before;
    }
}

static struct ub_name *get_name(struct ub_resolver *resolver, struct ub_slice host)
{
    struct ub_name *name = resolver->names.next;
    while (name != &resolver->names && !ub_slice_is(host, name->host)) {
        name = name->next;
    }
    if (name != &resolver->names) {
        unlink_name(name);
        link_first(name);
        return name;
    }
    evict(resolver);
    name = ub_calloc(1, sizeof *name + host.len + 1);
    if (name == NULL) {
        return NULL;
    }
    memcpy(name->host, host.ptr, host.len);
    name->resolver = resolver;
    name->tell.run = run_tell;
    resolver->count++;
    link_first(name);
    return name;
}

/* ---- verbs ---- */

/* Both families in turn, as far as it has not been cancelled in between. */
static void tell_both(struct ub_resolving *resolving, const struct ub_address_ip *v6,
                      const struct ub_address_ip *v4, const char *words)
{
    resolving->waits[V4] = true;
    resolving->found(resolving, AF_INET6, v6, v6 != NULL, words);
    if (resolving->waits[V4]) {
        resolving->waits[V4] = false;
        resolving->found(resolving, AF_INET, v4, v4 != NULL, words);
    }
}

static void tell_literal(struct ub_task *task)
{
    struct ub_resolving *resolving = UB_OWNER(task, struct ub_resolving, task);
    const struct ub_address_ip *literal = &resolving->literal;
    bool v6 = literal->any.sa_family == AF_INET6;
    tell_both(resolving, v6 ? literal : NULL, v6 ? NULL : literal, "a literal");
}

/* localhost is this host and needs no asking (RFC 6761, 6.3). It also keeps us from a leak in
 * c-ares 1.18, which loses the name's copy at each such question. */
static void tell_localhost(struct ub_task *task)
{
    struct ub_resolving *resolving = UB_OWNER(task, struct ub_resolving, task);
    struct ub_address_ip v6, v4;
    ub_address_parse(UB_LIT("::1"), resolving->port, &v6);
    ub_address_parse(UB_LIT("127.0.0.1"), resolving->port, &v4);
    tell_both(resolving, &v6, &v4, "localhost");
}

bool ub_resolve(struct ub_loop *loop, struct ub_resolving *resolving, struct ub_slice host)
{
    bool literal = ub_address_parse(host, resolving->port, &resolving->literal);
    if (literal || ub_slice_eq_nocase(host, UB_LIT("localhost"))) {
        resolving->task.run = literal ? tell_literal : tell_localhost;
        ub_loop_post(loop, &resolving->task);
        return true;
    }
    struct ub_resolver *resolver = get_resolver(loop);
    struct ub_name *name = resolver == NULL ? NULL : get_name(resolver, host);
    if (name == NULL) {
        return false;
    }
    resolving->name = name;
    resolving->waits[V6] = resolving->waits[V4] = true;
    resolving->next = name->waiting;
    if (resolving->next != NULL) {
        resolving->next->prev = resolving;
    }
    name->waiting = resolving;
    for (int f = V6; f <= V4; f++) {
        if (ub_loop_now(loop) < name->known[f].fresh_until) {
            arrive(name, f);
        } else if (!name->known[f].asking) {
            ask(name, f);
        }
    }
    return true;
}

void ub_resolve_cancel(struct ub_resolving *resolving)
{
    ub_task_drop(&resolving->task);
    resolving->waits[V6] = resolving->waits[V4] = false;
    leave(resolving);
}

void ub_resolver_free(struct ub_resolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    resolver->ending = true;
    ares_destroy(resolver->channel); /* closes its sockets by on_socket_state */
    ub_timer_stop(resolver->loop, &resolver->timer);
    while (resolver->names.next != &resolver->names) {
        free_name(resolver->names.next);
    }
    ub_free(resolver);
}

bool ub_resolver_use(struct ub_loop *loop, const char *server)
{
    struct ub_resolver *resolver = get_resolver(loop);
    return resolver != NULL &&
           ares_set_servers_ports_csv(resolver->channel, server) == ARES_SUCCESS;
}
