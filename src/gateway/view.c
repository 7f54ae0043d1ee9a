#include "gateway/view.h"

#include "base/alloc.h"
#include "gateway/proxy.h"

#define IDLE_MAX 256              /* kept-alive connections for each upstream and worker */
#define IDLE_NS  (50 * UB_SECOND) /* below the 60 s after which many servers close */

struct ub_pool {
    uint32_t holders;
    struct ub_origin *origin;
    struct ub_trust *trust; /* held; NULL: plain HTTP */
};

static void pool_release(struct ub_pool *pool)
{
    if (pool != NULL && --pool->holders == 0) {
        ub_origin_free(pool->origin);
        ub_trust_release(pool->trust);
        ub_free(pool);
    }
}

static struct ub_pool *pool_new(struct ub_loop *loop, const struct ub_site *site)
{
    struct ub_pool *pool = ub_malloc(sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    struct ub_slice host = ub_slice_of(site->config->host);
    bool tls = site->trust != NULL;
    *pool = (struct ub_pool){.holders = 1, .trust = tls ? ub_trust_hold(site->trust) : NULL};
    pool->origin = ub_origin_new(loop, &(struct ub_origin_options){
                                           .tls = tls,
                                           .host = host,
                                           .port = site->config->port,
                                           .tls_client = tls ? site->trust->client : NULL,
                                           .proxy = tls ? ub_proxy_for(host) : UB_LIT(""),
                                           .idle_max = IDLE_MAX,
                                           .idle_ns = IDLE_NS,
                                       });
    if (pool->origin == NULL) {
        ub_trust_release(pool->trust);
        ub_free(pool);
        return NULL;
    }
    return pool;
}

static bool same_address(const struct ub_site *a, const struct ub_site *b)
{
    return a->trust == b->trust && a->config->port == b->config->port &&
           strcmp(a->config->host, b->config->host) == 0;
}

/* The old view's pool for this site, or NULL. The place in the file has usually stayed too. */
static struct ub_pool *find_pool(const struct ub_view *view, const struct ub_site *site,
                                 uint32_t index)
{
    uint32_t count = view == NULL ? 0 : view->setup->config->upstream_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (index + i) % count;
        if (same_address(&view->setup->sites[at], site)) {
            return view->pools[at];
        }
    }
    return NULL;
}

struct ub_view *ub_view_new(struct ub_loop *loop, struct ub_setup *setup,
                            const struct ub_view *before)
{
    uint32_t count = setup->config->upstream_count;
    struct ub_view *view = ub_calloc(1, sizeof *view);
    if (view == NULL) {
        return NULL;
    }
    view->holders = 1;
    view->setup = ub_setup_hold(setup);
    view->pools = ub_calloc(count, sizeof(struct ub_pool *));
    for (uint32_t i = 0; i < count && view->pools != NULL; i++) {
        struct ub_pool *pool = find_pool(before, &setup->sites[i], i);
        if (pool != NULL) {
            pool->holders++;
        } else {
            pool = pool_new(loop, &setup->sites[i]);
        }
        if (pool == NULL) {
            ub_view_release(view);
            return NULL;
        }
        view->pools[i] = pool;
    }
    if (view->pools == NULL) {
        ub_view_release(view);
        return NULL;
    }
    return view;
}

struct ub_view *ub_view_hold(struct ub_view *view)
{
    view->holders++;
    return view;
}

void ub_view_release(struct ub_view *view)
{
    if (view == NULL || --view->holders > 0) {
        return;
    }
    for (uint32_t i = 0; i < view->setup->config->upstream_count && view->pools != NULL; i++) {
        pool_release(view->pools[i]);
    }
    ub_free(view->pools);
    ub_setup_release(view->setup);
    ub_free(view);
}

struct ub_origin *ub_view_origin(const struct ub_view *view, const struct ub_site *site)
{
    return view->pools[site - view->setup->sites]->origin;
}
