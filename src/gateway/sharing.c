#include "gateway/sharing.h"

#include "base/alloc.h"
#include "base/embed.h"
#include "base/log.h"
#include "base/process.h"
#include "base/random.h"
#include "gateway/gateway.h"
#include "gateway/setup.h"
#include "policy/share.h"
#include "store/lease.h"

#include <stdio.h>
#include <sys/random.h>

#define TIMEOUT_NS (300 * UB_MS) /* of a command: an answer must come while a lease still holds */
#define COMMANDS   8192          /* one for each upstream, twice as many as there can be */
#define NAME_SIZE  320

/* One limit. Those of upstreams that are not shared any more go with the next look. */
struct portion {
    struct portion *next;
    struct ub_sharing *sharing;
    uint64_t id; /* ub_upstream_spec.key, ub_tenant_spec.key */
    bool tenant; /* one part of all its limits; else of an upstream's concurrency */
    struct ub_share share;
    struct ub_share_need need; /* of a tenant */
    struct ub_lease lease;
    uint16_t slot;
    uint32_t told; /* the part that the brain goes by */
    ub_ns asked_at;
    bool known; /* the brain was told, at this slot */
    bool seen;
};

struct ub_sharing {
    struct ub_gateway *gateway;
    struct ub_config *config; /* held; what it was made from */
    struct ub_trust *trust;   /* held; NULL: no TLS */
    struct ub_loop *loop;
    struct ub_redis *redis;
    struct portion *portions; /* in the order of the configuration, mostly */
    struct portion *cursor;   /* where the next one probably is */
    struct ub_timer round;
    struct ub_random random;
    char node[NAME_SIZE];
    bool alone, was_leased;
    uint32_t nodes;
    ub_ns began;
    enum ub_redis_error said; /* in the log, about leases... */
    const char *said_words;   /* ...and about the connection; static text */
    pthread_mutex_t lock;     /* of `facts` */
    struct ub_sharing_facts facts;
    pthread_t thread;
    bool started;
};

/* ---- one limit ---- */

static void tell_brain(struct portion *portion, ub_ns now)
{
    uint32_t part = ub_share_part(&portion->share, now);
    if (portion->known && part == portion->told) {
        return;
    }
    portion->told = part;
    portion->known = true;
    struct ub_event event = {.type = portion->tenant ? UB_EV_TENANT_PART : UB_EV_PART};
    if (portion->tenant) {
        event.tenant_part.tenant = portion->slot;
        event.tenant_part.part = part;
    } else {
        event.part.upstream = portion->slot;
        event.part.concurrency = part;
    }
    ub_keeper_step(portion->sharing->gateway->keeper, UB_OUTSIDE, &event, NULL);
}

static void on_granted(struct ub_lease *lease, enum ub_redis_error error,
                       const struct ub_lease_grant *grant, const char *words)
{
    struct portion *portion = lease->user;
    enum ub_redis_error before = portion->sharing->said;
    portion->sharing->said = error;
    if (error != UB_REDIS_OK && error != before) {
        UB_LOG(WARN, "no lease from Redis error=%s words=\"%s\"", ub_redis_error_label(error),
               words);
    }
    if (error != UB_REDIS_OK) {
        return;
    }
    ub_share_granted(&portion->share, grant->part, grant->others, grant->nodes, portion->asked_at);
    portion->sharing->nodes = grant->nodes;
    tell_brain(portion, ub_clock_now());
}

/* What is wanted and used of it. False: the brain does not know it. */
static bool look_up(struct portion *portion, uint32_t *wanted, uint32_t *used)
{
    struct ub_keeper *keeper = portion->sharing->gateway->keeper;
    struct ub_upstream_facts upstream;
    struct ub_tenant_facts tenant;
    if (!portion->tenant) {
        bool found = ub_keeper_upstream(keeper, portion->id, &upstream);
        *wanted = upstream.wanted;
        *used = upstream.inflight;
        return found;
    }
    if (!ub_keeper_tenant(keeper, portion->slot, &tenant)) {
        return false;
    }
    const struct ub_share_use use = {&tenant.quota, tenant.concurrency,  tenant.requests,
                                     tenant.asked,  tenant.asked_tokens, portion->share.nodes};
    *wanted = ub_share_needs(&portion->need, &use, ub_clock_now());
    uint64_t inside = (uint64_t)tenant.requests * UB_PART_WHOLE;
    *used = tenant.concurrency == 0 ? 0 : (uint32_t)(inside / tenant.concurrency);
    return true;
}

static void ask(struct portion *portion)
{
    struct ub_sharing *sharing = portion->sharing;
    uint32_t wanted, used;
    if (ub_lease_is_asked(&portion->lease) ||
        ub_redis_counts(sharing->redis).state != UB_REDIS_READY ||
        !look_up(portion, &wanted, &used)) {
        return;
    }
    char key[NAME_SIZE];
    int len = snprintf(key, sizeof key, "%s:{share}:%s:%016llx", sharing->config->share.prefix,
                       portion->tenant ? "tenant" : "upstream", (unsigned long long)portion->id);
    struct ub_lease_terms terms = {
        .key = {key, (size_t)len},
        .node = ub_slice_of(sharing->node),
        .limit = portion->share.limit,
        .wanted = ub_share_want(&portion->share, wanted),
        .used = used,
        .have = portion->told,
    };
    portion->asked_at = ub_clock_now();
    portion->lease = (struct ub_lease){.done = on_granted, .user = portion};
    ub_lease_ask(&portion->lease, sharing->redis, &terms);
}

/* A tenant that waits for its first lease would be turned away: it begins with a fair part. */
static struct portion *new_portion(struct ub_sharing *sharing, bool tenant, uint64_t id,
                                   uint32_t limit, ub_ns now)
{
    struct portion *portion = ub_calloc(1, sizeof *portion);
    if (portion == NULL) {
        return NULL; /* the next look tries again; until then an upstream has no slots */
    }
    portion->sharing = sharing;
    portion->tenant = tenant;
    portion->id = id;
    struct portion **end = &sharing->portions;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = portion;
    ub_share_begin(&portion->share, limit, sharing->config->share.nodes,
                   tenant ? now - UB_SHARE_LEASE_NS : now);
    return portion;
}

static struct portion *find(struct portion *from, bool tenant, uint64_t id)
{
    while (from != NULL && (from->id != id || from->tenant != tenant)) {
        from = from->next;
    }
    return from;
}

static void serve_portion(struct ub_sharing *sharing, bool tenant, uint64_t id, uint32_t limit,
                          uint16_t slot)
{
    ub_ns now = ub_clock_now();
    struct portion *portion = find(sharing->cursor, tenant, id);
    portion = portion != NULL ? portion : find(sharing->portions, tenant, id);
    if (portion == NULL && (portion = new_portion(sharing, tenant, id, limit, now)) == NULL) {
        return;
    }
    sharing->cursor = portion->next;
    portion->share.limit = limit;
    portion->seen = true;
    portion->known = portion->known && portion->slot == slot;
    portion->slot = slot;
    tell_brain(portion, now);
    ask(portion);
}

static void drop_unseen(struct ub_sharing *sharing)
{
    for (struct portion **link = &sharing->portions; *link != NULL;) {
        struct portion *portion = *link;
        if (portion->seen) {
            portion->seen = false;
            link = &portion->next;
            continue;
        }
        *link = portion->next;
        ub_lease_cancel(&portion->lease);
        ub_free(portion);
    }
}

/* ---- all of them ---- */

static void say_state(struct ub_sharing *sharing, ub_ns now)
{
    bool alone = false;
    for (struct portion *p = sharing->portions; p != NULL; p = p->next) {
        alone = alone || !ub_share_is_leased(&p->share, now);
    }
    alone =
        alone && now >= ub_ns_after(sharing->began, UB_SHARE_LEASE_NS); /* nobody was asked yet */
    bool began = !sharing->was_leased;
    if (alone && (!sharing->alone || began) && sharing->portions != NULL) {
        UB_LOG(WARN, "shared limits: Redis gives no leases, going on with a fair part gateways=%u",
               sharing->nodes);
    } else if (!alone && (sharing->alone || began) && sharing->nodes > 0) {
        UB_LOG(INFO, "shared limits: leased from Redis gateways=%u", sharing->nodes);
    }
    sharing->was_leased = sharing->was_leased || alone || sharing->nodes > 0;
    sharing->alone = alone;
    pthread_mutex_lock(&sharing->lock);
    sharing->facts = (struct ub_sharing_facts){
        .redis = ub_redis_counts(sharing->redis), .nodes = sharing->nodes, .alone = alone};
    pthread_mutex_unlock(&sharing->lock);
}

static bool is_limited(const struct ub_tenant_spec *spec)
{
    return spec->concurrency > 0 || spec->quota.requests.amount > 0 ||
           spec->quota.tokens.amount > 0;
}

static void look(struct ub_sharing *sharing)
{
    struct ub_setup *setup = ub_gateway_setup(sharing->gateway);
    const struct ub_routes *routes = &setup->config->routes;
    sharing->cursor = sharing->portions;
    for (uint32_t i = 0; i < routes->upstream_count; i++) {
        const struct ub_upstream_spec *spec = &routes->upstreams[i];
        if (spec->shared && spec->concurrency > 0) {
            serve_portion(sharing, false, spec->key, spec->concurrency, setup->upstream_slots[i]);
        }
    }
    for (uint32_t i = 0; i < routes->tenant_count; i++) {
        const struct ub_tenant_spec *spec = &routes->tenants[i];
        if (spec->shared && is_limited(spec)) {
            serve_portion(sharing, true, spec->key, UB_PART_WHOLE, setup->tenant_slots[i]);
        }
    }
    ub_setup_release(setup);
    drop_unseen(sharing);
    say_state(sharing, ub_clock_now());
}

static void on_round(struct ub_timer *timer)
{
    struct ub_sharing *sharing = timer->user;
    look(sharing);
    ub_ns pause_ns =
        (ub_ns)((double)UB_SHARE_ASK_NS * (0.9 + 0.2 * ub_random_unit(&sharing->random)));
    ub_timer_start(sharing->loop, timer, ub_ns_after(ub_clock_now(), pause_ns));
}

/* Each try tells; what has been said is not said again. */
static void on_redis(void *user, bool ready, const char *words)
{
    struct ub_sharing *sharing = user;
    if (ready) {
        UB_LOG(INFO, "connected to Redis");
    } else if (sharing->said_words == NULL || strcmp(words, sharing->said_words) != 0) {
        UB_LOG(WARN, "no connection to Redis words=\"%s\"", words);
    }
    sharing->said_words = ready ? NULL : words;
}

static void *run(void *user)
{
    struct ub_sharing *sharing = user;
    ub_loop_run(sharing->loop);
    return NULL;
}

/* ---- the whole ---- */

static void name_node(struct ub_sharing *sharing)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) {
        seed = (uint64_t)ub_clock_wall();
    }
    sharing->random.state = seed;
    /* Two gateways must never have one name, whatever the configuration calls them. */
    snprintf(sharing->node, sizeof sharing->node, "%s/%016llx", sharing->config->share.node,
             (unsigned long long)ub_random_u64(&sharing->random));
}

static bool open_redis(struct ub_sharing *sharing, struct ub_buf *words)
{
    const struct ub_share_config *config = &sharing->config->share;
    struct ub_redis_options options = {.timeout_ns = TIMEOUT_NS,
                                       .pause_max_ns = 500 * UB_MS,
                                       .commands_max = COMMANDS,
                                       .output_max = 16 << 20,
                                       .reply_max = 64 << 10,
                                       .seed = ub_random_u64(&sharing->random)};
    const char *wrong = ub_redis_url_parse(ub_slice_of(config->redis), &options.url);
    if (wrong != NULL) {
        ub_buf_printf(words, "share: redis: %s", wrong);
        return false;
    }
    if (options.url.tls) {
        sharing->trust = ub_trust_new(config->ca, true, words);
        if (sharing->trust == NULL) {
            return false;
        }
        options.tls_client = sharing->trust->client;
    }
    sharing->redis = ub_redis_new(sharing->loop, &options);
    if (sharing->redis == NULL) {
        ub_buf_add_text(words, "out of memory");
        return false;
    }
    ub_redis_on_state(sharing->redis, on_redis, sharing);
    return true;
}

struct ub_sharing *ub_sharing_new(struct ub_gateway *gateway, const struct ub_config *config,
                                  struct ub_buf *words)
{
    struct ub_sharing *sharing = ub_calloc(1, sizeof *sharing);
    if (sharing == NULL) {
        ub_buf_add_text(words, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&sharing->lock, NULL);
    sharing->gateway = gateway;
    sharing->config = ub_config_hold((struct ub_config *)(uintptr_t)config);
    sharing->round = (struct ub_timer){.fire = on_round, .user = sharing};
    sharing->began = ub_clock_now();
    name_node(sharing);
    sharing->loop = ub_loop_new();
    if (sharing->loop == NULL) {
        ub_buf_add_text(words, "out of memory or file descriptors");
    }
    if (sharing->loop == NULL || !open_redis(sharing, words)) {
        ub_sharing_free(sharing);
        return NULL;
    }
    ub_timer_start(sharing->loop, &sharing->round, ub_loop_now(sharing->loop));
    return sharing;
}

bool ub_sharing_start(struct ub_sharing *sharing)
{
    sharing->started = ub_process_start_thread(&sharing->thread, "share", run, sharing);
    return sharing->started;
}

void ub_sharing_free(struct ub_sharing *sharing)
{
    if (sharing == NULL) {
        return;
    }
    if (sharing->started) {
        ub_loop_stop(sharing->loop);
        pthread_join(sharing->thread, NULL);
    }
    drop_unseen(sharing);
    drop_unseen(sharing); /* now nothing is seen */
    ub_redis_free(sharing->redis);
    if (sharing->loop != NULL) {
        ub_timer_stop(sharing->loop, &sharing->round);
        ub_loop_free(sharing->loop);
    }
    ub_trust_release(sharing->trust);
    ub_config_release(sharing->config);
    pthread_mutex_destroy(&sharing->lock);
    ub_free(sharing);
}

bool ub_sharing_suits(const struct ub_sharing *sharing, const struct ub_config *config)
{
    if (sharing == NULL || config->share.redis == NULL) {
        return sharing == NULL && config->share.redis == NULL;
    }
    const struct ub_share_config *a = &sharing->config->share, *b = &config->share;
    return strcmp(a->redis, b->redis) == 0 && strcmp(a->prefix, b->prefix) == 0 &&
           strcmp(a->node, b->node) == 0 && a->nodes == b->nodes &&
           strcmp(a->ca == NULL ? "" : a->ca, b->ca == NULL ? "" : b->ca) == 0;
}

struct ub_sharing_facts ub_sharing_facts(struct ub_sharing *sharing)
{
    pthread_mutex_lock(&sharing->lock);
    struct ub_sharing_facts facts = sharing->facts;
    pthread_mutex_unlock(&sharing->lock);
    return facts;
}
