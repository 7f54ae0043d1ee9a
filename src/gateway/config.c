#include "gateway/config.h"

#include "gateway/config_build.h"
#include "gateway/config_files.h"
#include "gateway/config_read.h"
#include "gateway/config_tree.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_MAX ((size_t)128 << 20) /* what aliases can blow a file up to */

/* A model's place in the lists, sorted by id. */
struct model_index {
    uint64_t id;
    uint32_t index;
};

/* The ub_config that everybody sees is the first member; all of it lies in `arena`. */
struct whole {
    struct ub_config config;
    struct ub_arena arena;
    atomic_uint holders;
    int any_model; /* the model "*", or -1 */
    const struct model_index *index;
    struct ub_config *from; /* held: a derived one shares its texts; NULL: it stands alone */
};

static int by_id(const void *a, const void *b)
{
    const struct model_index *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void index_models(struct whole *whole)
{
    const struct ub_routes *routes = &whole->config.routes;
    whole->any_model = -1;
    struct model_index *index = ub_arena_array(&whole->arena, routes->model_count, sizeof *index);
    for (uint32_t i = 0; index != NULL && i < routes->model_count; i++) {
        index[i] = (struct model_index){routes->models[i].key, i};
        if (strcmp(whole->config.models[i].name, "*") == 0) {
            whole->any_model = (int)i;
        }
    }
    if (index != NULL) {
        qsort(index, routes->model_count, sizeof *index, by_id);
    }
    whole->index = index;
}

static struct whole *whole_new(const char *file)
{
    struct ub_arena arena = {0};
    struct whole *whole = ub_arena_alloc(&arena, sizeof *whole);
    const char *name = ub_arena_text(&arena, ub_slice_of(file));
    if (whole == NULL || name == NULL) {
        ub_arena_free(&arena, false);
        return NULL;
    }
    whole->config.file = name;
    whole->arena = arena;
    atomic_init(&whole->holders, 1);
    return whole;
}

static void whole_free(struct whole *whole)
{
    struct ub_arena arena = whole->arena; /* `whole` itself lies in there */
    ub_config_release(whole->from);
    ub_arena_free(&arena, true);
}

/* Fills `whole` in; everything that is only needed on the way goes into the problems' arena. */
static void read_into(struct whole *whole, struct ub_slice text, struct ub_conf_problems *problems)
{
    struct ub_place top = {1, 1};
    if (text.len > UB_CONF_FILE_MAX) {
        ub_conf_problem(problems, top, "larger than 4 MiB");
        return;
    }
    struct ub_conf_root *root = ub_arena_alloc(problems->arena, sizeof *root);
    const struct ub_node *node = ub_conf_tree(text, problems->arena, problems);
    if (node == NULL || root == NULL) {
        if (problems->count == 0) {
            ub_conf_problem(problems, top, root == NULL ? "out of memory" : "nothing is in it");
        }
        return;
    }
    ub_conf_defaults(root);
    ub_conf_read(node, root, problems->arena, problems);
    const char *file = whole->config.file;
    whole->config = root->out;
    whole->config.file = file;
    struct ub_conf_builder builder = {
        .root = root, .config = &whole->config, .arena = &whole->arena, .problems = problems};
    ub_conf_build(&builder);
    if (problems->count == 0) {
        index_models(whole);
    }
    if (whole->arena.failed || problems->arena->failed) {
        ub_conf_problem(problems, top, "out of memory");
    }
}

static struct ub_config *finish(struct whole *whole, struct ub_conf_problems *problems,
                                const char *file, struct ub_buf *out)
{
    bool good = problems->count == 0 && whole != NULL;
    if (whole == NULL) {
        ub_conf_problem(problems, (struct ub_place){1, 1}, "out of memory");
    }
    ub_conf_problems_print(problems, file, out);
    if (!good && whole != NULL) {
        whole_free(whole);
        whole = NULL;
    }
    return good ? &whole->config : NULL;
}

struct ub_config *ub_config_parse(const char *file, struct ub_slice text, struct ub_buf *problems)
{
    struct ub_arena scratch = {.max = SCRATCH_MAX};
    struct ub_conf_problems found = {.arena = &scratch};
    struct whole *whole = whole_new(file);
    if (whole != NULL) {
        read_into(whole, text, &found);
    }
    struct ub_config *config = finish(whole, &found, file, problems);
    ub_arena_free(&scratch, true);
    return config;
}

struct ub_config *ub_config_load(const char *file, struct ub_buf *problems)
{
    struct ub_arena scratch = {.max = SCRATCH_MAX};
    struct ub_conf_problems found = {.arena = &scratch};
    struct ub_buf text = {.max = UB_CONF_FILE_MAX};
    struct ub_config *config = NULL;
    const struct ub_conf_path path = {file, "it", {1, 1}};
    if (ub_conf_file_read(&found, &path, &text)) {
        config = ub_config_parse(file, ub_buf_slice(&text), problems);
    } else {
        ub_conf_problems_print(&found, file, problems);
    }
    if (text.ptr != NULL) {
        explicit_bzero(text.ptr, text.len);
    }
    ub_buf_free(&text);
    ub_arena_free(&scratch, true);
    return config;
}

struct ub_config *ub_config_derive(struct ub_config *from, struct ub_arena **arena)
{
    const struct whole *before = (const struct whole *)from;
    struct whole *whole = whole_new(from->file);
    if (whole == NULL) {
        return NULL;
    }
    const char *file = whole->config.file;
    whole->config = *from;
    whole->config.file = file;
    whole->any_model = before->any_model;
    whole->index = before->index;
    whole->from = ub_config_hold(from);
    *arena = &whole->arena;
    return &whole->config;
}

struct ub_config *ub_config_hold(struct ub_config *config)
{
    struct whole *whole = (struct whole *)config;
    unsigned before = atomic_fetch_add_explicit(&whole->holders, 1, memory_order_relaxed);
    assert(before > 0);
    return config;
}

void ub_config_release(struct ub_config *config)
{
    if (config == NULL) {
        return;
    }
    struct whole *whole = (struct whole *)config;
    unsigned before = atomic_fetch_sub_explicit(&whole->holders, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        whole_free(whole);
    }
}

int ub_config_model(const struct ub_config *config, struct ub_slice name)
{
    const struct whole *whole = (const struct whole *)config;
    char text[UB_MODEL_NAME_MAX + 1];
    if (name.len == 0 || name.len > UB_MODEL_NAME_MAX) {
        return -1;
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    struct model_index key = {.id = ub_conf_id(text, NULL)};
    const struct model_index *found =
        bsearch(&key, whole->index, config->model_count, sizeof key, by_id);
    if (found != NULL && ub_slice_is(name, config->models[found->index].name)) {
        return (int)found->index;
    }
    return whole->any_model;
}

struct ub_slice ub_config_upstream_model(const struct ub_config *config, uint32_t upstream,
                                         uint32_t model, struct ub_slice asked)
{
    assert(upstream < config->upstream_count && model < config->model_count);
    const struct ub_upstream_config *to = &config->upstreams[upstream];
    for (uint32_t i = 0; i < to->name_count; i++) {
        if (ub_slice_is(asked, to->names[i].public_name) &&
            strcmp(to->names[i].upstream_name, "*") != 0) {
            return ub_slice_of(to->names[i].upstream_name);
        }
    }
    return asked;
}
