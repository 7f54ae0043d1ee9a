#include "gateway/doors.h"

#include "base/alloc.h"
#include "base/log.h"
#include "gateway/request.h"

#define HEAD_MAX   ((size_t)32 * 1024)
#define TARGET_MAX ((size_t)4 * 1024)

struct ub_door {
    struct ub_door *next;
    struct ub_worker *worker;
    struct ub_listener *listener;
    struct ub_setup *setup; /* held: its certificate is in use here */
    char *host;             /* as configured: its identity, with the port */
    uint16_t port;
    uint16_t bound; /* the real port when 0 was asked for */
    bool draining;
};

static struct ub_listener_options options_of(const struct ub_worker *worker,
                                             const struct ub_address *address)
{
    const struct ub_config *config = worker->view->setup->config;
    return (struct ub_listener_options){
        .host = ub_slice_of(address->host),
        .port = address->port,
        .exclusive = worker->number == 0,
        .half_close = config->half_close,
        .handler = &ub_request_handler,
        .user = (void *)worker,
        .tls = worker->view->setup->tls,
        .limits = {.head_max = HEAD_MAX, .target_max = TARGET_MAX, .body_max = config->body_max},
        .head_ns = config->head_time_ns,
        .body_ns = config->body_time_ns,
        .write_ns = config->write_time_ns,
        .idle_ns = config->idle_time_ns,
    };
}

static void door_free(struct ub_door *door)
{
    ub_setup_release(door->setup);
    ub_free(door->host);
    ub_free(door);
}

static struct ub_door *door_open(struct ub_worker *worker, const struct ub_address *address,
                                 uint16_t port, const char **words)
{
    *words = "out of memory";
    struct ub_door *door = ub_calloc(1, sizeof *door);
    if (door == NULL) {
        return NULL;
    }
    door->worker = worker;
    door->setup = ub_setup_hold(worker->view->setup);
    door->port = address->port;
    door->host = ub_strndup(address->host, strlen(address->host));
    struct ub_listener_options options = options_of(worker, address);
    options.port = port;
    door->listener = door->host == NULL ? NULL : ub_listener_open(worker->loop, &options, words);
    if (door->listener == NULL) {
        door_free(door);
        return NULL;
    }
    door->bound = ub_listener_port(door->listener);
    return door;
}

bool ub_doors_open(struct ub_worker *worker, const struct ub_address **address, const char **words)
{
    const struct ub_config *config = worker->view->setup->config;
    struct ub_door **end = &worker->doors;
    for (uint32_t i = 0; i < config->listen_count; i++) {
        *address = &config->listen[i];
        /* A free port is chosen once, by the first worker. */
        uint16_t port = (*address)->port;
        if (port == 0 && worker->number > 0) {
            port = ub_doors_port(&worker->gateway->workers[0], i);
        }
        struct ub_door *door = door_open(worker, *address, port, words);
        if (door == NULL) {
            return false;
        }
        *end = door;
        end = &door->next;
    }
    return true;
}

static void drained(void *user)
{
    struct ub_door *door = user;
    struct ub_worker *worker = door->worker;
    for (struct ub_door **at = &worker->doors; *at != NULL; at = &(*at)->next) {
        if (*at == door) {
            *at = door->next;
            break;
        }
    }
    ub_listener_free(door->listener);
    door_free(door);
    ub_worker_end_when_idle(worker);
}

static void door_drain(struct ub_door *door)
{
    if (!door->draining) {
        door->draining = true;
        ub_listener_drain(door->listener, drained, door);
    }
}

static struct ub_door *find(struct ub_worker *worker, const struct ub_address *address)
{
    for (struct ub_door *door = worker->doors; door != NULL; door = door->next) {
        if (!door->draining && door->port == address->port &&
            strcmp(door->host, address->host) == 0) {
            return door;
        }
    }
    return NULL;
}

static bool is_wanted(const struct ub_config *config, const struct ub_door *door)
{
    for (uint32_t i = 0; i < config->listen_count; i++) {
        if (config->listen[i].port == door->port &&
            strcmp(config->listen[i].host, door->host) == 0) {
            return true;
        }
    }
    return false;
}

void ub_doors_update(struct ub_worker *worker)
{
    const struct ub_config *config = worker->view->setup->config;
    if (worker->doors == NULL || worker->drain_begun) {
        return; /* not open yet, or on the way out */
    }
    for (uint32_t i = 0; i < config->listen_count; i++) {
        const struct ub_address *address = &config->listen[i];
        struct ub_door *door = find(worker, address);
        const char *words = "out of memory";
        if (door != NULL) {
            struct ub_listener_options options = options_of(worker, address);
            if (ub_listener_update(door->listener, &options)) {
                ub_setup_release(door->setup);
                door->setup = ub_setup_hold(worker->view->setup);
                continue;
            }
        } else if ((door = door_open(worker, address, address->port, &words)) != NULL) {
            door->next = worker->doors;
            worker->doors = door;
            continue;
        }
        UB_LOG(ERROR, "cannot listen address=%s port=%u reason=\"%s\"", address->host,
               address->port, words);
    }
    for (struct ub_door *door = worker->doors; door != NULL; door = door->next) {
        if (!is_wanted(config, door)) {
            door_drain(door);
        }
    }
}

void ub_doors_drain(struct ub_worker *worker)
{
    for (struct ub_door *door = worker->doors; door != NULL; door = door->next) {
        door_drain(door);
    }
}

void ub_doors_close(struct ub_worker *worker)
{
    while (worker->doors != NULL) {
        struct ub_door *door = worker->doors;
        worker->doors = door->next;
        ub_listener_free(door->listener);
        door_free(door);
    }
}

uint16_t ub_doors_port(const struct ub_worker *worker, uint32_t n)
{
    const struct ub_door *door = worker->doors;
    while (door != NULL && n > 0) {
        door = door->next;
        n--;
    }
    return door == NULL ? 0 : door->bound;
}
