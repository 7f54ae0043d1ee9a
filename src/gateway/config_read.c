#include "gateway/config_read.h"

#include "base/nearest.h"
#include "gateway/config_scalar.h"
#include <assert.h>
#include <string.h>

struct reader {
    struct ub_arena *arena;
    struct ub_conf_problems *problems;
};

static void read_map(struct reader *r, const struct ub_conf_section *section,
                     const struct ub_node *node, struct ub_place at, void *target);

static const char *kind_words(enum ub_node_kind kind)
{
    return kind == UB_NODE_SCALAR ? "one value" : kind == UB_NODE_LIST ? "a list" : "a mapping";
}

static bool expect(struct reader *r, const struct ub_conf_field *field, const struct ub_node *node,
                   struct ub_place at, enum ub_node_kind kind)
{
    if (node->kind == kind) {
        return true;
    }
    ub_conf_problem(r->problems, at, "'%s' must be %s, not %s", field->key, kind_words(kind),
                    kind_words(node->kind));
    return false;
}

/* An empty value, or what YAML calls null. Quoted, these are texts. */
static bool is_null(const struct ub_node *node)
{
    return node->kind == UB_NODE_SCALAR && node->plain &&
           (node->text.len == 0 || ub_slice_is(node->text, "~") || ub_slice_is(node->text, "null"));
}

static bool read_text(struct reader *r, const struct ub_conf_field *field,
                      const struct ub_node *node, struct ub_place at, struct ub_conf_text *out)
{
    struct ub_slice text;
    if (!expect(r, field, node, at, UB_NODE_SCALAR)) {
        return false;
    }
    if (is_null(node)) {
        ub_conf_problem(r->problems, at, "'%s' has no value", field->key);
        return false;
    }
    if (!ub_conf_expand(node->text, at, r->arena, r->problems, &text)) {
        return false;
    }
    const char *wrong = ub_conf_text_wrong(field->kind, text);
    if (wrong != NULL) {
        ub_conf_problem(r->problems, at, "'%s' %s", field->key, wrong);
        return false;
    }
    *out = (struct ub_conf_text){text.ptr, node->text.ptr, at};
    return true;
}

static void read_value(struct reader *r, const struct ub_conf_field *field,
                       const struct ub_node *node, struct ub_place at, void *target)
{
    struct ub_slice text;
    if (!expect(r, field, node, at, UB_NODE_SCALAR)) {
        return;
    }
    if (is_null(node)) {
        ub_conf_problem(r->problems, at, "'%s' has no value", field->key);
        return;
    }
    if (!ub_conf_expand(node->text, at, r->arena, r->problems, &text)) {
        return;
    }
    struct ub_buf words = {.max = 256};
    if (!ub_conf_value_read(field, text, target, &words)) {
        size_t shown = node->text.len < 40 ? node->text.len : 40;
        if (field->kind == UB_KIND_SHA256) { /* somebody may have put the key itself here */
            ub_conf_problem(r->problems, at, "'%s' must be %.*s", field->key,
                            UB_SLICE_ARG(ub_buf_slice(&words)));
        } else {
            ub_conf_problem(r->problems, at, "'%s' must be %.*s, not '%.*s'", field->key,
                            UB_SLICE_ARG(ub_buf_slice(&words)), (int)shown, node->text.ptr);
        }
    }
    ub_buf_free(&words);
}

/* Room for the items of a list, when their number is right. */
static void *make_list(struct reader *r, const struct ub_conf_field *field,
                       const struct ub_node *node, struct ub_place at, size_t size)
{
    if (node->count < field->min || node->count > field->max) {
        ub_conf_problem(r->problems, at, "'%s' must have %.0f to %.0f items, not %u", field->key,
                        field->min, field->max, node->count);
        return NULL;
    }
    return ub_arena_array(r->arena, node->count, size);
}

/* Items that are wrong are left out, so that later checks see only good ones. */
static void read_texts(struct reader *r, const struct ub_conf_field *field,
                       const struct ub_node *node, struct ub_place at, struct ub_conf_texts *out)
{
    out->at = at;
    if (field->shape == UB_SHAPE_ONE_OR_LIST && node->kind == UB_NODE_SCALAR) {
        out->list = ub_arena_alloc(r->arena, sizeof *out->list);
        out->count = out->list != NULL && read_text(r, field, node, at, out->list) ? 1 : 0;
        return;
    }
    if (!expect(r, field, node, at, UB_NODE_LIST) ||
        (out->list = make_list(r, field, node, at, sizeof *out->list)) == NULL) {
        return;
    }
    for (const struct ub_item *item = node->first; item != NULL; item = item->next) {
        out->count += read_text(r, field, item->value, item->at, &out->list[out->count]) ? 1 : 0;
    }
}

static void read_tiers(struct reader *r, const struct ub_conf_field *field,
                       const struct ub_node *node, struct ub_place at, struct ub_conf_tiers *out)
{
    struct ub_conf_field tier = *field;
    tier.min = 1;
    tier.max = UB_TIER_MAX;
    struct ub_conf_field tiers = *field;
    tiers.min = 1;
    if (!expect(r, field, node, at, UB_NODE_LIST) ||
        (out->list = make_list(r, &tiers, node, at, sizeof *out->list)) == NULL) {
        return;
    }
    for (const struct ub_item *item = node->first; item != NULL; item = item->next) {
        if (item->value->kind != UB_NODE_LIST) {
            ub_conf_problem(r->problems, item->at,
                            "a tier is a list of upstreams: 'tiers: [[a, b], [c]]'");
            continue;
        }
        struct ub_conf_texts *texts = &out->list[out->count];
        read_texts(r, &tier, item->value, item->at, texts);
        out->count += texts->count > 0 ? 1 : 0;
    }
}

static void read_pairs(struct reader *r, const struct ub_conf_field *field,
                       const struct ub_node *node, struct ub_place at, struct ub_conf_pairs *out)
{
    struct ub_conf_field pairs = *field;
    pairs.min = 1;
    if (node->kind == UB_NODE_SCALAR) {
        ub_conf_problem(r->problems, at, "'%s' must be a mapping or a list", field->key);
        return;
    }
    out->list = make_list(r, &pairs, node, at, sizeof *out->list);
    if (out->list == NULL) {
        return;
    }
    for (const struct ub_item *item = node->first; item != NULL; item = item->next) {
        struct ub_conf_pair *pair = &out->list[out->count];
        bool good;
        if (node->kind == UB_NODE_LIST) {
            good = read_text(r, field, item->value, item->at, &pair->from);
            pair->to = pair->from;
        } else {
            const struct ub_node key = {.kind = UB_NODE_SCALAR, .text = item->key};
            good = read_text(r, field, &key, item->key_at, &pair->from);
            good = read_text(r, field, item->value, item->at, &pair->to) && good;
        }
        out->count += good ? 1 : 0;
    }
}

static const struct ub_conf_field *find_field(const struct ub_conf_section *section,
                                              struct ub_slice key)
{
    for (uint32_t i = 0; i < section->count; i++) {
        if (ub_slice_is(key, section->fields[i].key)) {
            return &section->fields[i];
        }
    }
    return NULL;
}

/* `key` for `{key: true}`. */
static void read_bare(struct reader *r, const struct ub_conf_section *section,
                      const struct ub_node *node, struct ub_place at, void *target)
{
    const struct ub_conf_field *field = find_field(section, node->text);
    if (field != NULL && field->kind == UB_KIND_BOOL) {
        *(bool *)(void *)((char *)target + field->offset) = true;
    } else if (is_null(node) || node->text.len > 24) {
        ub_conf_problem(r->problems, at, "%s has no such word", section->one);
    } else {
        ub_conf_problem(r->problems, at,
                        field != NULL ? "%s '%.*s' needs a value: '{%.*s: ...}'"
                                      : "%s has no word '%.*s'",
                        section->one, UB_SLICE_ARG(node->text), UB_SLICE_ARG(node->text));
    }
}

static void read_items(struct reader *r, const struct ub_conf_field *field,
                       const struct ub_node *node, struct ub_place at, struct ub_conf_items *out)
{
    const struct ub_conf_section *section = field->section;
    out->at = at;
    if (!expect(r, field, node, at, UB_NODE_LIST) ||
        (out->list = make_list(r, field, node, at, section->size)) == NULL) {
        return;
    }
    for (const struct ub_item *item = node->first; item != NULL; item = item->next) {
        char *target = (char *)out->list + section->size * out->count++;
        *(struct ub_place *)(void *)target = item->at;
        if (section->defaults != NULL) {
            section->defaults(target);
        }
        if (section->bare && item->value->kind == UB_NODE_SCALAR) {
            read_bare(r, section, item->value, item->at, target);
        } else {
            read_map(r, section, item->value, item->at, target);
        }
    }
}

/* Structs that begin with their place, as the items of lists do. */
static void read_short(struct reader *r, const struct ub_conf_field *field,
                       const struct ub_node *node, struct ub_place at, void *target)
{
    *(struct ub_place *)target = at;
    if (node->kind == UB_NODE_SCALAR) {
        struct ub_conf_field first = field->section->fields[0];
        first.key = field->key; /* what messages call it */
        read_value(r, &first, node, at, (char *)target + first.offset);
    } else {
        read_map(r, field->section, node, at, target);
    }
}

static void read_field(struct reader *r, const struct ub_conf_field *field,
                       const struct ub_item *item, void *struct_target)
{
    const struct ub_node *node = item->value;
    void *target = (char *)struct_target + field->offset;
    switch (field->shape) {
    case UB_SHAPE_ONE:
        if (field->kind >= UB_KIND_NAME) {
            read_text(r, field, node, item->at, target);
        } else {
            read_value(r, field, node, item->at, target);
        }
        break;
    case UB_SHAPE_LIST:
        if (field->section != NULL) {
            read_items(r, field, node, item->at, target);
            break;
        }
        read_texts(r, field, node, item->at, target);
        break;
    case UB_SHAPE_ONE_OR_LIST:
        read_texts(r, field, node, item->at, target);
        break;
    case UB_SHAPE_PAIRS:
        read_pairs(r, field, node, item->at, target);
        break;
    case UB_SHAPE_TIERS:
        read_tiers(r, field, node, item->at, target);
        break;
    case UB_SHAPE_SECTION:
        read_map(r, field->section, node, item->at, struct_target);
        break;
    case UB_SHAPE_SHORT:
        read_short(r, field, node, item->at, target);
        break;
    case UB_SHAPE_LATER:
        ub_conf_problem(r->problems, item->key_at, "'%s' is not in this version yet", field->key);
        break;
    }
}

static void unknown_key(struct reader *r, const struct ub_conf_section *section,
                        const struct ub_item *item)
{
    struct ub_nearest nearest = {.text = item->key};
    for (uint32_t i = 0; i < section->count; i++) {
        if (section->fields[i].shape != UB_SHAPE_LATER) {
            ub_nearest_offer(&nearest, section->fields[i].key);
        }
    }
    const char *colon = memchr(item->key.ptr, ':', item->key.len);
    if (colon != NULL) { /* the rest may be a secret: it is not quoted */
        ub_conf_problem(r->problems, item->key_at,
                        "unknown key; a space belongs behind the colon, as in '%.*s: ...'",
                        (int)(colon - item->key.ptr < 32 ? colon - item->key.ptr : 32),
                        item->key.ptr);
    } else if (nearest.word != NULL) {
        ub_conf_problem(r->problems, item->key_at, "unknown key '%.*s', did you mean '%s'?",
                        UB_SLICE_ARG(item->key), nearest.word);
    } else if (item->key.len <= 24) { /* longer ones may be a secret that lost its place */
        ub_conf_problem(r->problems, item->key_at, "%s has no key '%.*s'", section->one,
                        UB_SLICE_ARG(item->key));
    } else {
        ub_conf_problem(r->problems, item->key_at, "%s has no such key", section->one);
    }
}

static void read_map(struct reader *r, const struct ub_conf_section *section,
                     const struct ub_node *node, struct ub_place at, void *target)
{
    assert(section->count <= 64);
    uint64_t seen = 0;
    uint32_t problems = r->problems->count;
    if (node->kind != UB_NODE_MAP) {
        ub_conf_problem(r->problems, at, "%s is a mapping 'key: value', not %s", section->one,
                        is_null(node) ? "empty" : kind_words(node->kind));
        return;
    }
    if (section->at != 0) {
        *(struct ub_place *)(void *)((char *)target + section->at) = at;
    }
    for (const struct ub_item *item = node->first; item != NULL; item = item->next) {
        const struct ub_conf_field *field = find_field(section, item->key);
        if (field == NULL) {
            unknown_key(r, section, item);
            continue;
        }
        uint64_t bit = (uint64_t)1 << (field - section->fields);
        if ((seen & bit) == 0) { /* what stands twice is a problem already; the first one counts */
            read_field(r, field, item, target);
        }
        seen |= bit;
    }
    for (uint32_t i = 0; i < section->count; i++) {
        if (section->fields[i].required && (seen >> i & 1) == 0) {
            ub_conf_problem(r->problems, at, "%s needs '%s'", section->one, section->fields[i].key);
        }
    }
    if (section->check != NULL && r->problems->count == problems) {
        const char *words = section->check(target);
        if (words != NULL) {
            ub_conf_problem(r->problems, at, "%s", words);
        }
    }
}

void ub_conf_read(const struct ub_node *node, struct ub_conf_root *root, struct ub_arena *arena,
                  struct ub_conf_problems *problems)
{
    struct reader reader = {arena, problems};
    read_map(&reader, &ub_conf_root_section, node, node->at, root);
}
