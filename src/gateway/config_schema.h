/* config_schema.h - what may stand in a configuration: one table, from which come reading,
 * checking, "did you mean", and docs/CONFIG.md.
 *
 * A row says where in a struct the value goes; the defaults are what that struct holds before
 * reading, so they exist once. The structs below are the configuration as written, with places;
 * config_build.c turns them into a ub_config and checks what needs more than one value.
 */
#ifndef UB_GATEWAY_CONFIG_SCHEMA_H
#define UB_GATEWAY_CONFIG_SCHEMA_H

#include "gateway/config.h"
#include "gateway/config_problems.h"
#include <stddef.h>

/* --- values as written --- */

struct ub_conf_text {
    const char *text;  /* `${NAME}` filled in; NULL = not given */
    const char *shown; /* as it stands in the file, for messages */
    struct ub_place at;
};

struct ub_conf_texts {
    uint32_t count;
    struct ub_conf_text *list;
    struct ub_place at;
};

struct ub_conf_pairs { /* public name: name sent upstream */
    uint32_t count;
    struct ub_conf_pair {
        struct ub_conf_text from, to;
    } * list;
};

struct ub_conf_tiers {
    uint32_t count;
    struct ub_conf_texts *list;
};

struct ub_conf_items { /* structs that begin with their ub_place */
    uint32_t count;
    void *list;
    struct ub_place at;
};

struct ub_conf_key {
    struct ub_place at;
    uint8_t sha256[32];
};

struct ub_conf_rate { /* amount 0: not given */
    struct ub_place at;
    struct ub_rate rate; /* without its burst */
    uint64_t whole;      /* what one unit of time allows, rounded up */
    uint32_t burst;      /* 0 = not given */
};

struct ub_conf_share {
    struct ub_place at;
    struct ub_conf_text model;
    struct ub_conf_rate requests, tokens;
};

/* What the n-th word stands for where a number may be written as well. */
#define UB_CONF_COUNT_WORD(n) (UINT32_MAX - (n))

/* `concurrency`, when it is no number */
#define UB_CONF_LEARNED   UB_CONF_COUNT_WORD(0)
#define UB_CONF_UNLIMITED UB_CONF_COUNT_WORD(1)

enum { UB_CONF_LOAD_METRICS, UB_CONF_LOAD_OFF }; /* `load` */

struct ub_conf_step { /* one of these */
    struct ub_place at;
    bool stale;
    struct ub_conf_text model, message;
    uint32_t max_tokens;
};

struct ub_conf_upstream {
    struct ub_place at;
    struct ub_conf_text name, url, key, key_file, ca, zone;
    struct ub_conf_pairs models;
    uint32_t dialect, concurrency, load;
    bool verify;
    double price_input, price_cached, price_output;
};

struct ub_conf_model {
    struct ub_place at;
    struct ub_conf_text name, affinity_cookie, affinity_header;
    bool affinity_client, affinity_prefix, resume;
    struct ub_conf_rate requests, tokens;
    struct ub_conf_tiers tiers;
    struct ub_conf_items degrade;  /* of ub_conf_step */
    struct ub_model_policy policy; /* without its affinity bits and slot_wait_ns */
};

struct ub_conf_tenant {
    struct ub_place at;
    struct ub_conf_text name;
    struct ub_conf_items keys; /* of ub_conf_key */
    uint32_t class, concurrency;
    struct ub_conf_texts models;
    struct ub_conf_rate requests, tokens;
    struct ub_conf_items limits; /* of ub_conf_share */
};

enum { UB_CONF_TLS_13, UB_CONF_TLS_12 };

struct ub_conf_root {
    struct ub_config out; /* what needs no more work goes right in here */
    struct ub_conf_texts listen;
    struct ub_conf_text admin, access_log, flight_record;
    struct ub_conf_text tls_cert, tls_key, tls_client_ca;
    struct ub_conf_text share_redis, share_ca, share_prefix, share_node;
    struct ub_place tls_at, share_at;
    uint32_t share_nodes;
    uint32_t tls_min_version;
    uint32_t queue_size;
    uint64_t queue_bytes;
    ub_ns queue_wait_ns;
    struct ub_conf_items upstreams, models, tenants;
};

/* --- the table --- */

enum ub_conf_shape {
    UB_SHAPE_ONE,         /* one value of the kind */
    UB_SHAPE_LIST,        /* texts, or (with a section) structs */
    UB_SHAPE_ONE_OR_LIST, /* texts */
    UB_SHAPE_PAIRS,       /* a mapping of texts, or a list of those that map to themselves */
    UB_SHAPE_TIERS,       /* a list of lists of texts */
    UB_SHAPE_SECTION,     /* a mapping with keys of its own, in the same struct */
    UB_SHAPE_SHORT, /* the same in a struct of its own, or one value: the first of these keys */
    UB_SHAPE_LATER, /* a key that this version does not have yet */
};

enum ub_conf_kind {
    UB_KIND_BOOL,     /* bool */
    UB_KIND_COUNT,    /* uint32_t; with `words`: or one of them, as UB_CONF_COUNT_WORD */
    UB_KIND_REAL,     /* double */
    UB_KIND_DURATION, /* ub_ns */
    UB_KIND_SIZE,     /* uint64_t */
    UB_KIND_WORD,     /* uint32_t: index of one of the words */
    UB_KIND_RATE,     /* struct ub_conf_rate: all but its burst and place */
    UB_KIND_SHA256,   /* uint8_t[32], hexadecimal */
    /* texts: struct ub_conf_text */
    UB_KIND_NAME,   /* of upstreams, tenants, zones: it stands in heads, labels and logs */
    UB_KIND_MODEL,  /* may be put between quotes in JSON as it is */
    UB_KIND_FIELD,  /* name of a header field or a cookie: an RFC 9110 token */
    UB_KIND_SECRET, /* visible ASCII; never quoted */
    UB_KIND_URL,
    UB_KIND_ADDRESS,
    UB_KIND_FILE,
    UB_KIND_TEXT, /* one line for people */
};

struct ub_conf_section;

struct ub_conf_field {
    const char *key;
    enum ub_conf_shape shape;
    enum ub_conf_kind kind;
    size_t offset;
    bool required;
    double min, max;   /* of numbers, durations, sizes; of lists: how many */
    const char *words; /* WORD: the words in order of their numbers, separated by spaces */
    const struct ub_conf_section *section;
    const char *fallback; /* the default in words, where the value alone does not tell */
    const char *about;    /* one line for docs/CONFIG.md; LATER: none */
};

struct ub_conf_section {
    const char *name;  /* "upstreams[]", for the documentation */
    const char *one;   /* "an upstream", for messages */
    const char *about; /* opens its chapter */
    size_t size;       /* of the struct of one item */
    const struct ub_conf_field *fields;
    uint32_t count;
    void (*defaults)(void *target);           /* LIST items: fills in a zeroed one */
    const char *(*check)(const void *target); /* SECTION, LIST items: words when values clash */
    bool bare;                                /* LIST items: `key` alone is `{key: true}` */
    size_t at; /* SECTION: offset of a ub_place for where it is, 0 = not kept */
};

extern const struct ub_conf_section ub_conf_root_section;
extern const struct ub_conf_section ub_conf_upstream_section; /* config_schema_routes.c */
extern const struct ub_conf_section ub_conf_model_section;
extern const struct ub_conf_section ub_conf_rate_section; /* config_schema_limits.c */
extern const struct ub_conf_section ub_conf_share_section;

/* The root with every default in it. */
void ub_conf_defaults(struct ub_conf_root *root);

#endif
