#include "gateway/config_tree.h"

#include <string.h>
#include <yaml.h>

struct anchor {
    const char *name;
    const struct ub_node *node;
};

/* A list or mapping that is not complete yet. */
struct open {
    struct ub_node *node;
    struct ub_item *last;
    struct ub_item *pending; /* map: its key is there, its value comes next */
    const char *anchor;
};

struct builder {
    yaml_parser_t *parser;
    struct ub_arena *arena;
    struct ub_conf_problems *problems;
    const struct ub_node *root;
    uint32_t nodes, depth, anchors;
    struct open open[UB_CONF_DEPTH_MAX];
    struct anchor anchor[UB_CONF_ANCHORS_MAX];
};

static struct ub_place place_of(yaml_mark_t mark)
{
    return (struct ub_place){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

/* libyaml gives only a byte offset for what is no text at all. */
static struct ub_place place_of_offset(struct ub_slice text, size_t offset)
{
    struct ub_place at = {1, 1};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            at = (struct ub_place){at.line + 1, 1};
        } else if (((unsigned char)text.ptr[i] & 0xc0) != 0x80) {
            at.column++;
        }
    }
    return at;
}

/* Does the line (from 0) hold a "${"? Inside { } and [ ] its braces are YAML's own. */
static bool has_variable(struct ub_slice text, size_t line)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    for (; line > 0 && at != NULL && at < end; line--) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL || at >= end) {
        return false;
    }
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    return memmem(at, (size_t)((stop != NULL ? stop : end) - at), "${", 2) != NULL;
}

static void syntax_problem(struct builder *b, struct ub_slice text)
{
    const yaml_parser_t *parser = b->parser;
    const char *words = parser->problem != NULL ? parser->problem : "cannot be read";
    if (parser->error == YAML_MEMORY_ERROR) {
        ub_conf_problem(b->problems, (struct ub_place){1, 1}, "out of memory");
    } else if (parser->error == YAML_READER_ERROR) {
        ub_conf_problem(b->problems, place_of_offset(text, parser->problem_offset),
                        "not UTF-8 text: %s", words);
    } else if (has_variable(text, parser->problem_mark.line)) {
        ub_conf_problem(b->problems, place_of(parser->problem_mark),
                        "not YAML: %s; inside { } and [ ] write \"${NAME}\" with quotes", words);
    } else if (parser->context != NULL && parser->context_mark.line < parser->problem_mark.line) {
        ub_conf_problem(b->problems, place_of(parser->problem_mark),
                        "not YAML: %s, %s that began in line %u", words, parser->context,
                        (unsigned)parser->context_mark.line + 1);
    } else {
        ub_conf_problem(b->problems, place_of(parser->problem_mark), "not YAML: %s", words);
    }
}

/* Keys are quoted in words only when they can hardly be a value that lost its place: with
 * "{key:sk-...}", YAML takes the whole of it for a key. */
static bool quotable(struct ub_slice key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.' || c == '/')) {
            return false;
        }
    }
    return key.len > 0 && key.len <= 64;
}

static void check_twice(struct builder *b, const struct ub_node *map, const struct ub_item *item)
{
    for (const struct ub_item *other = map->first; other != NULL; other = other->next) {
        if (ub_slice_eq(other->key, item->key)) {
            if (quotable(item->key)) {
                ub_conf_problem(b->problems, item->key_at, "'%.*s' is here twice, first in line %u",
                                UB_SLICE_ARG(item->key), other->key_at.line);
            } else {
                ub_conf_problem(b->problems, item->key_at,
                                "this key is here twice, first in line %u", other->key_at.line);
            }
            return;
        }
    }
}

/* Hangs a finished or just begun node, seen at `at`, where it belongs. */
static bool attach(struct builder *b, const struct ub_node *node, struct ub_place at)
{
    if (b->depth == 0) {
        b->root = node;
        return true;
    }
    struct open *open = &b->open[b->depth - 1];
    if (open->pending != NULL) {
        open->pending->value = node;
        open->pending->at = at;
        open->pending = NULL;
        return true;
    }
    struct ub_item *item = ub_arena_alloc(b->arena, sizeof *item);
    if (item == NULL) {
        return false;
    }
    if (open->node->count >= UB_CONF_ITEMS_MAX) {
        ub_conf_problem(b->problems, at, "more than %d items", UB_CONF_ITEMS_MAX);
        return false;
    }
    if (open->node->kind == UB_NODE_MAP) {
        if (node->kind != UB_NODE_SCALAR) {
            ub_conf_problem(b->problems, at, "a key must be one word, not a list or a mapping");
            return false;
        }
        *item = (struct ub_item){.key = node->text, .key_at = at};
        check_twice(b, open->node, item);
        open->pending = item;
    } else {
        *item = (struct ub_item){.at = at, .value = node};
    }
    *(open->last != NULL ? &open->last->next : &open->node->first) = item;
    open->last = item;
    open->node->count++;
    return true;
}

static bool add_anchor(struct builder *b, const char *name, const struct ub_node *node)
{
    if (name == NULL) {
        return true;
    }
    if (b->anchors == UB_CONF_ANCHORS_MAX) {
        ub_conf_problem(b->problems, node->at, "more than %d anchors", UB_CONF_ANCHORS_MAX);
        return false;
    }
    b->anchor[b->anchors++] = (struct anchor){name, node};
    return true;
}

static struct ub_node *new_node(struct builder *b, const yaml_event_t *event,
                                enum ub_node_kind kind)
{
    struct ub_place at = place_of(event->start_mark);
    if (++b->nodes > UB_CONF_NODES_MAX) {
        ub_conf_problem(b->problems, at, "more than %d values in one file", UB_CONF_NODES_MAX);
        return NULL;
    }
    struct ub_node *node = ub_arena_alloc(b->arena, sizeof *node);
    if (node != NULL) {
        *node = (struct ub_node){.kind = kind, .at = at};
    }
    return node;
}

static bool check_tag(struct builder *b, const yaml_char_t *tag, struct ub_place at)
{
    if (tag == NULL || strncmp((const char *)tag, "tag:yaml.org,2002:", 18) == 0) {
        return true;
    }
    ub_conf_problem(b->problems, at, "tags have no meaning here");
    return false;
}

static const char *copy(struct builder *b, const yaml_char_t *text)
{
    return text != NULL ? ub_arena_text(b->arena, ub_slice_of((const char *)text)) : NULL;
}

static bool on_scalar(struct builder *b, const yaml_event_t *event)
{
    struct ub_node *node = new_node(b, event, UB_NODE_SCALAR);
    if (node == NULL || !check_tag(b, event->data.scalar.tag, node->at)) {
        return false;
    }
    struct ub_slice text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    node->text = (struct ub_slice){ub_arena_text(b->arena, text), text.len};
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return node->text.ptr != NULL && attach(b, node, node->at) &&
           add_anchor(b, copy(b, event->data.scalar.anchor), node);
}

static bool on_start(struct builder *b, const yaml_event_t *event, enum ub_node_kind kind,
                     const yaml_char_t *tag, const yaml_char_t *anchor)
{
    struct ub_node *node = new_node(b, event, kind);
    if (node == NULL || !check_tag(b, tag, node->at) || !attach(b, node, node->at)) {
        return false;
    }
    if (b->depth == UB_CONF_DEPTH_MAX) {
        ub_conf_problem(b->problems, node->at, "nested more than %d levels deep",
                        UB_CONF_DEPTH_MAX);
        return false;
    }
    b->open[b->depth++] = (struct open){.node = node, .anchor = copy(b, anchor)};
    return true;
}

/* Only a complete node can be referred to, so no node contains itself. */
static bool on_end(struct builder *b)
{
    struct open *open = &b->open[--b->depth];
    return add_anchor(b, open->anchor, open->node);
}

static bool on_alias(struct builder *b, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    struct ub_place at = place_of(event->start_mark);
    for (uint32_t i = b->anchors; i-- > 0;) { /* the latest of that name counts */
        if (strcmp(b->anchor[i].name, name) == 0) {
            return attach(b, b->anchor[i].node, at);
        }
    }
    ub_conf_problem(b->problems, at, "no complete anchor of this name stands before this alias");
    return false;
}

/* False: stop here; the problem has been said, except for a lack of memory. */
static bool on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->root != NULL) {
            ub_conf_problem(b->problems, place_of(event->start_mark),
                            "a second document begins here; a configuration is one");
            return false;
        }
        return true;
    case YAML_ALIAS_EVENT:
        return on_alias(b, event);
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(b, event, UB_NODE_LIST, event->data.sequence_start.tag,
                        event->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return on_start(b, event, UB_NODE_MAP, event->data.mapping_start.tag,
                        event->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_end(b);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return true;
}

static bool build(struct builder *b, struct ub_slice text)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(b->parser, &event)) {
            syntax_problem(b, text);
            return false;
        }
        bool end = event.type == YAML_STREAM_END_EVENT;
        uint32_t problems = b->problems->count;
        bool good = on_event(b, &event);
        if (!good && b->problems->count == problems) {
            ub_conf_problem(b->problems, place_of(event.start_mark), "out of memory");
        }
        yaml_event_delete(&event);
        if (!good || end) {
            return good;
        }
    }
}

const struct ub_node *ub_conf_tree(struct ub_slice text, struct ub_arena *arena,
                                   struct ub_conf_problems *problems)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        ub_conf_problem(problems, (struct ub_place){1, 1}, "out of memory");
        return NULL;
    }
    if (ub_slice_starts(text, UB_LIT("\xef\xbb\xbf"))) {
        text = (struct ub_slice){text.ptr + 3, text.len - 3}; /* a byte order mark */
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    /* libyaml asserts that there is a pointer, also to nothing. */
    const char *bytes = text.ptr != NULL ? text.ptr : "";
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, text.len);
    struct builder builder = {.parser = &parser, .arena = arena, .problems = problems};
    bool good = build(&builder, text);
    yaml_parser_delete(&parser);
    return good ? builder.root : NULL;
}
