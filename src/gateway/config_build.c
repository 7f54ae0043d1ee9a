#include "gateway/config_build.h"

#include "base/ip.h"
#include "gateway/config_address.h"
#include "gateway/config_files.h"
#include "store/redis_url.h"

#include <string.h>
#include <xxhash.h>

uint64_t ub_conf_id(const char *name, const char *url)
{
    uint64_t id = XXH3_64bits(name, strlen(name));
    if (url != NULL) {
        id = XXH3_64bits_withSeed(url, strlen(url), id);
    }
    return id != 0 ? id : 1;
}

const char *ub_conf_keep(struct ub_conf_builder *b, const struct ub_conf_text *text)
{
    return text->text != NULL ? ub_arena_text(b->arena, ub_slice_of(text->text)) : NULL;
}

const char *ub_conf_keep_path(struct ub_conf_builder *b, const struct ub_conf_text *text)
{
    const char *slash = strrchr(b->config->file, '/');
    if (text->text == NULL || text->text[0] == '/' || slash == NULL) {
        return ub_conf_keep(b, text);
    }
    size_t folder = (size_t)(slash + 1 - b->config->file), length = strlen(text->text);
    char *path = ub_arena_alloc(b->arena, folder + length + 1);
    if (path != NULL) {
        memcpy(path, b->config->file, folder);
        memcpy(path + folder, text->text, length);
    }
    return path;
}

struct ub_conf_path ub_conf_path(const struct ub_conf_text *text, const char *path)
{
    bool as_written = strcmp(text->text, text->shown) == 0;
    return (struct ub_conf_path){path, as_written ? path : text->shown, text->at};
}

static bool same_address(const struct ub_address *a, const struct ub_address *b)
{
    return a->port != 0 && a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool build_address(struct ub_conf_builder *b, const struct ub_conf_text *text,
                          const char *key, struct ub_address *out)
{
    const char *wrong = ub_conf_address_parse(ub_slice_of(text->text), b->arena, out);
    if (wrong != NULL) {
        ub_conf_problem(b->problems, text->at, "'%s' %s", key, wrong);
    }
    return wrong == NULL;
}

/* Without tenants the gateway is open to whoever reaches it, so that must be said. */
static void check_open(struct ub_conf_builder *b, const struct ub_address *address,
                       struct ub_place at)
{
    if (b->root->tenants.count == 0 && !b->config->open &&
        !ub_ip_is_loopback(ub_slice_of(address->host))) {
        ub_conf_problem(b->problems, at,
                        "without 'tenants' everybody who reaches this address could use the keys "
                        "of the upstreams; if that is meant, say 'open: true'");
    }
}

static void build_listen(struct ub_conf_builder *b)
{
    static const struct ub_conf_text fallback = {.text = "127.0.0.1:8080", .at = {1, 1}};
    const struct ub_conf_texts *texts = &b->root->listen;
    bool given = texts->list != NULL;
    uint32_t count = given ? texts->count : 1;
    struct ub_address *list = ub_arena_array(b->arena, count, sizeof *list);
    if (list == NULL) {
        return;
    }
    b->config->listen = list;
    for (uint32_t i = 0; i < count; i++) {
        const struct ub_conf_text *text = given ? &texts->list[i] : &fallback;
        struct ub_address *address = &list[b->config->listen_count];
        if (!build_address(b, text, "listen", address)) {
            continue;
        }
        for (uint32_t j = 0; j < b->config->listen_count; j++) {
            if (same_address(&list[j], address)) {
                ub_conf_problem(b->problems, text->at, "this address is in 'listen' twice");
            }
        }
        b->config->listen_count++;
        check_open(b, address, text->at);
    }
}

static void build_admin(struct ub_conf_builder *b)
{
    const struct ub_conf_text *text = &b->root->admin;
    if (text->text == NULL || !build_address(b, text, "admin", &b->config->admin)) {
        return;
    }
    b->config->has_admin = true;
    for (uint32_t i = 0; i < b->config->listen_count; i++) {
        if (same_address(&b->config->listen[i], &b->config->admin)) {
            ub_conf_problem(b->problems, text->at, "'admin' needs an address of its own");
        }
    }
}

static void build_tls(struct ub_conf_builder *b)
{
    const struct ub_conf_root *root = b->root;
    struct ub_config *config = b->config;
    config->tls_cert = ub_conf_keep_path(b, &root->tls_cert);
    config->tls_key = ub_conf_keep_path(b, &root->tls_key);
    config->tls_client_ca = ub_conf_keep_path(b, &root->tls_client_ca);
    config->tls_allow_12 = root->tls_min_version == UB_CONF_TLS_12;
    if (config->tls_cert != NULL && config->tls_key != NULL) {
        const struct ub_conf_path cert = ub_conf_path(&root->tls_cert, config->tls_cert);
        const struct ub_conf_path key = ub_conf_path(&root->tls_key, config->tls_key);
        ub_conf_check_pair(b->problems, &cert, &key);
    }
    if (config->tls_client_ca != NULL) {
        const struct ub_conf_path ca = ub_conf_path(&root->tls_client_ca, config->tls_client_ca);
        ub_conf_check_ca(b->problems, &ca);
    }
}

static void build_share(struct ub_conf_builder *b)
{
    const struct ub_conf_root *root = b->root;
    struct ub_share_config *share = &b->config->share;
    struct ub_redis_url url;
    share->redis = ub_conf_keep(b, &root->share_redis);
    if (share->redis == NULL) {
        return;
    }
    const char *wrong = ub_redis_url_parse(ub_slice_of(share->redis), &url);
    if (wrong != NULL) {
        ub_conf_problem(b->problems, root->share_redis.at, "'redis': %s", wrong);
    }
    share->ca = ub_conf_keep_path(b, &root->share_ca);
    if (share->ca != NULL && wrong == NULL && !url.tls) {
        ub_conf_problem(b->problems, root->share_ca.at, "'ca' has no meaning without rediss://");
    } else if (share->ca != NULL) {
        const struct ub_conf_path ca = ub_conf_path(&root->share_ca, share->ca);
        ub_conf_check_ca(b->problems, &ca);
    }
    bool named = root->share_prefix.text != NULL;
    share->prefix = named ? ub_conf_keep(b, &root->share_prefix) : "unbusy";
    named = root->share_node.text != NULL;
    share->node = named ? ub_conf_keep(b, &root->share_node) : "gateway";
    share->nodes = root->share_nodes;
    explicit_bzero(&url, sizeof url);
}

/* "-" is stdout, for the access log. */
static const char *keep_output(struct ub_conf_builder *b, const struct ub_conf_text *text)
{
    bool standard = text->text != NULL && strcmp(text->text, "-") == 0;
    return standard ? ub_conf_keep(b, text) : ub_conf_keep_path(b, text);
}

void ub_conf_build(struct ub_conf_builder *b)
{
    build_listen(b);
    build_admin(b);
    build_tls(b);
    b->config->access_log = keep_output(b, &b->root->access_log);
    b->config->flight_record = ub_conf_keep_path(b, &b->root->flight_record);
    build_share(b);
    ub_conf_build_upstreams(b);
    ub_conf_build_models(b);
    ub_conf_build_tenants(b);
    ub_conf_build_limits(b);
    b->config->routes.queue_size = b->root->queue_size;
    b->config->routes.queue_bytes = b->root->queue_bytes;
}
