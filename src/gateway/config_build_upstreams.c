#include "base/ip.h"
#include "gateway/config_address.h"
#include "gateway/config_build.h"
#include "gateway/config_files.h"
#include "gateway/config_scalar.h"
#include <string.h>

bool ub_conf_serves(const struct ub_conf_upstream *upstream, const char *model)
{
    const struct ub_conf_pairs *models = &upstream->models;
    for (uint32_t i = 0; i < models->count; i++) {
        const char *from = models->list[i].from.text;
        if (strcmp(from, model) == 0 || strcmp(from, "*") == 0) {
            return true;
        }
    }
    return models->list == NULL;
}

static const char *build_key(struct ub_conf_builder *b, const struct ub_conf_upstream *from)
{
    if (from->key_file.text == NULL) {
        return ub_conf_keep(b, &from->key);
    }
    const char *path = ub_conf_keep_path(b, &from->key_file);
    struct ub_buf text = {.max = UB_CONF_KEY_FILE_MAX};
    const char *key = NULL;
    /* Its path is not quoted: somebody may have put the key itself there. */
    const struct ub_conf_path shown = {path, "the key file", from->key_file.at};
    if (path != NULL && ub_conf_file_read(b->problems, &shown, &text)) {
        struct ub_slice trimmed = ub_slice_trim(ub_buf_slice(&text));
        while (trimmed.len > 0 && strchr("\r\n \t", trimmed.ptr[trimmed.len - 1]) != NULL) {
            trimmed.len--;
        }
        const char *wrong = ub_conf_text_wrong(UB_KIND_SECRET, trimmed);
        if (wrong != NULL) {
            ub_conf_problem(b->problems, from->key_file.at, "the key in this file %s", wrong);
        } else {
            key = ub_arena_text(b->arena, trimmed);
        }
    }
    if (text.ptr != NULL) {
        explicit_bzero(text.ptr, text.len);
    }
    ub_buf_free(&text);
    return key;
}

static void build_names(struct ub_conf_builder *b, const struct ub_conf_pairs *from,
                        struct ub_upstream_config *out)
{
    struct ub_name_pair *names = ub_arena_array(b->arena, from->count, sizeof *names);
    if (names == NULL) {
        return;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        const struct ub_conf_pair *pair = &from->list[i];
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(names[j].public_name, pair->from.text) == 0) {
                ub_conf_problem(b->problems, pair->from.at, "'%s' is in 'models' twice",
                                pair->from.shown);
                break;
            }
        }
        if (strcmp(pair->from.text, "*") == 0 && strcmp(pair->to.text, "*") != 0) {
            ub_conf_problem(b->problems, pair->to.at,
                            "\"*\" passes on the name that the client asked for: its value must be "
                            "\"*\", too");
        }
        names[i] = (struct ub_name_pair){ub_conf_keep(b, &pair->from), ub_conf_keep(b, &pair->to)};
        if (names[i].public_name == NULL || names[i].upstream_name == NULL) {
            return;
        }
    }
    out->names = names;
    out->name_count = from->count;
}

/* A request to ourselves would come back as a request to ourselves. */
static bool is_ourselves(const struct ub_config *config, const struct ub_upstream_config *upstream)
{
    const struct ub_address to = {
        strcmp(upstream->host, "localhost") == 0 ? "127.0.0.1" : upstream->host, upstream->port};
    for (uint32_t i = 0; i < config->listen_count; i++) {
        const struct ub_address *listen = &config->listen[i];
        bool everywhere = strcmp(listen->host, "0.0.0.0") == 0 || strcmp(listen->host, "::") == 0;
        if (listen->port == to.port && (strcmp(listen->host, to.host) == 0 ||
                                        (everywhere && ub_ip_is_loopback(ub_slice_of(to.host))))) {
            return true;
        }
    }
    return false;
}

static uint32_t concurrency_of(const struct ub_conf_upstream *from)
{
    bool known = from->concurrency != UB_CONF_LEARNED && from->concurrency != UB_CONF_UNLIMITED;
    return known ? from->concurrency : 0;
}

static void build_upstream(struct ub_conf_builder *b, const struct ub_conf_upstream *from,
                           struct ub_upstream_config *out)
{
    out->name = ub_conf_keep(b, &from->name);
    const char *wrong = ub_conf_url_parse(ub_slice_of(from->url.text), b->arena, out);
    if (wrong != NULL) {
        ub_conf_problem(b->problems, from->url.at, "'url' %s", wrong);
        return;
    }
    if (is_ourselves(b->config, out)) {
        ub_conf_problem(b->problems, from->url.at,
                        "'url' is this gateway's own address ('listen'): requests would go round "
                        "in circles");
    }
    out->dialect = (enum ub_dialect)from->dialect;
    out->key = build_key(b, from);
    out->ca = ub_conf_keep_path(b, &from->ca);
    if (out->ca != NULL && out->tls) {
        const struct ub_conf_path ca = ub_conf_path(&from->ca, out->ca);
        ub_conf_check_ca(b->problems, &ca);
    } else if (out->ca != NULL) {
        ub_conf_problem(b->problems, from->ca.at, "'ca' has no meaning with a plain http URL");
    }
    out->tls_verify = from->verify;
    out->concurrency = concurrency_of(from);
    out->load = from->load == UB_CONF_LOAD_METRICS && ub_dialect_is_engine(out->dialect);
    out->zone = ub_conf_keep(b, &from->zone);
    out->price_input = from->price_input;
    out->price_cached = from->price_cached;
    out->price_output = from->price_output;
    build_names(b, &from->models, out);
    if (out->name != NULL) {
        out->id = ub_conf_id(out->name, out->url);
    }
}

void ub_conf_build_upstreams(struct ub_conf_builder *b)
{
    const struct ub_conf_items *items = &b->root->upstreams;
    const struct ub_conf_upstream *from = items->list;
    struct ub_upstream_config *list = ub_arena_array(b->arena, items->count, sizeof *list);
    struct ub_upstream_spec *specs = ub_arena_array(b->arena, items->count, sizeof *specs);
    if (list == NULL || specs == NULL) {
        return;
    }
    for (uint32_t i = 0; i < items->count; i++) {
        if (from[i].name.text == NULL || from[i].url.text == NULL) {
            continue; /* already said */
        }
        for (uint32_t j = 0; j < i; j++) {
            if (from[j].name.text != NULL && strcmp(from[j].name.text, from[i].name.text) == 0) {
                ub_conf_problem(b->problems, from[i].name.at,
                                "the name '%s' is taken by the upstream in line %u",
                                from[i].name.shown, from[j].name.at.line);
                break;
            }
        }
        build_upstream(b, &from[i], &list[i]);
        specs[i] = (struct ub_upstream_spec){
            .key = list[i].id,
            .concurrency = list[i].concurrency,
            .learns = from[i].concurrency == UB_CONF_LEARNED,
            .shared = b->config->share.redis != NULL,
        };
    }
    b->config->upstreams = list;
    b->config->upstream_count = items->count;
    b->config->routes.upstreams = specs;
    b->config->routes.upstream_count = items->count;
}
