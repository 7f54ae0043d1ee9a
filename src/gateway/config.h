/* config.h - the configuration as the gateway uses it: checked, complete, immutable, counted.
 *
 * Everything a ub_config points to lives and dies with it. Secrets are in it: never print one.
 */
#ifndef UB_GATEWAY_CONFIG_H
#define UB_GATEWAY_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/time.h"
#include "http/dialect.h"
#include "policy/routes.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_MODEL_NAME_MAX 256 /* bytes of a public name; longer ones are nobody's */

struct ub_address { /* host:port as given; host without brackets */
    const char *host;
    uint16_t port;
};

struct ub_name_pair {
    const char *public_name;
    const char *upstream_name;
};

struct ub_upstream_config {
    const char *name;
    const char *url; /* as given, for people; without user info */
    bool tls;
    const char *host; /* without brackets */
    uint16_t port;
    const char *path; /* prefix of every request, no slash at the end: "" or "/v1" */
    enum ub_dialect dialect;
    const char *key; /* secret; NULL = none. Sent as "Authorization: Bearer ..." */
    const char *ca;  /* extra CA file; NULL = the system's */
    bool tls_verify;
    uint32_t concurrency; /* 0 = not known */
    bool load;            /* its page of metrics is read */
    const char *zone;
    double price_input, price_cached, price_output; /* per million tokens; < 0 = not known */
    uint32_t name_count;
    const struct ub_name_pair *names;
    uint64_t id; /* ub_upstream_spec.key */
};

struct ub_model_config {
    const char *name;
    const char *affinity_cookie; /* NULL = not used */
    const char *affinity_header;
    bool resume;         /* broken streams go on at another upstream */
    const char *message; /* of the step of its ladder that is one; NULL = none */
    /* the rest is in routes */
};

struct ub_tenant_config {
    const char *name;
    uint32_t key_count;
    const uint8_t (*keys)[32]; /* SHA-256 of each key */
    enum ub_traffic class;
    uint32_t model_count;
    const char *const *models; /* patterns: a name, or one with "*" at its end */
};

/* Limits that several gateways share. */
struct ub_share_config {
    const char *redis; /* URL, secret; NULL = this gateway is alone */
    const char *ca;    /* NULL = the system's */
    const char *prefix;
    const char *node;
    uint32_t nodes; /* at least so many there are */
};

struct ub_config {
    const char *file; /* where it came from, for people */
    uint32_t listen_count;
    const struct ub_address *listen;
    bool has_admin;
    struct ub_address admin;
    const char *tls_cert, *tls_key, *tls_client_ca; /* NULL = plain HTTP */
    bool tls_allow_12;
    uint32_t threads; /* 0 = one per core */
    bool open;        /* without tenants on other addresses than loopback: said explicitly */
    bool half_close;
    uint64_t memory; /* budget for bodies */
    uint64_t body_max;
    uint64_t resume_buffer; /* of one answer */
    uint32_t requests_max;  /* in the house at the same time */
    ub_ns head_time_ns, body_time_ns, write_time_ns, idle_time_ns, connect_time_ns;
    ub_ns drain_time_ns;
    const char *access_log;    /* NULL = off, "-" = stdout, else a file */
    const char *flight_record; /* NULL = off */
    struct ub_share_config share;
    uint32_t upstream_count;
    const struct ub_upstream_config *upstreams; /* same order as routes.upstreams */
    uint32_t model_count;
    const struct ub_model_config *models; /* same order as routes.models */
    uint32_t tenant_count;
    const struct ub_tenant_config *tenants; /* same order as routes.tenants */
    struct ub_routes routes;                /* for the brain */
};

/* Reads FILE. NULL when it has problems: `problems` then holds one line for each, "FILE:LINE:COL:
 * words\n".
 * `${NAME}` is taken from the environment. */
struct ub_config *ub_config_load(const char *file, struct ub_buf *problems);

/* The same from memory; `file` is only for messages. */
struct ub_config *ub_config_parse(const char *file, struct ub_slice text, struct ub_buf *problems);

/* From the environment alone (DEEPSEEK_API_KEY, or OPENAI_API_KEY with OPENAI_BASE_URL). NULL
 * without words in `problems`: none of these variables is set. */
struct ub_config *ub_config_from_environment(struct ub_buf *problems);

/* Index of the model that serves this public name, or -1. A model named "*" serves every name that
 * has no model of its own. */
int ub_config_model(const struct ub_config *config, struct ub_slice name);

/* What to call that model when asking `upstream` for it; `asked` is the public name that the client
 * used, which is what a "*" passes on where the upstream has no name of its own for it. The bytes
 * belong to the configuration or to `asked`. */
struct ub_slice ub_config_upstream_model(const struct ub_config *config, uint32_t upstream,
                                         uint32_t model, struct ub_slice asked);

/* A copy that the caller changes before anybody else sees it, as a drill does. It holds `from` and
 * shares its texts; what it is to point to instead goes into `*arena`, which is its own. Models keep
 * their number and names. NULL without memory. */
struct ub_config *ub_config_derive(struct ub_config *from, struct ub_arena **arena);

/* Counted; thread-safe. */
struct ub_config *ub_config_hold(struct ub_config *config);
void ub_config_release(struct ub_config *config);

#endif
