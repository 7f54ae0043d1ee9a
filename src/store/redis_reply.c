#include "store/redis_reply.h"

#include "base/alloc.h"

#include <hiredis/hiredis.h>
#include <limits.h>

#define ELEMENTS_MAX  65536 /* of one array */
#define ARGUMENTS_MAX 64

struct ub_redis_reader {
    redisReader *hiredis;
    size_t reply_max;
    size_t held; /* bytes fed since the last whole reply: what an unfinished one may take */
    bool too_large;
};

/* ---- objects ---- */

static struct ub_redis_reply *attach(const redisReadTask *task, struct ub_redis_reply *reply)
{
    if (reply != NULL && task->parent != NULL) {
        struct ub_redis_reply *parent = task->parent->obj;
        parent->element[task->idx] = reply;
    }
    return reply;
}

static void *create(const redisReadTask *task, enum ub_redis_type type, int64_t integer)
{
    struct ub_redis_reply *reply = ub_calloc(1, sizeof *reply);
    if (reply != NULL) {
        reply->type = type;
        reply->integer = integer;
    }
    return attach(task, reply);
}

/* The text stands behind its reply. */
static void *create_text(const redisReadTask *task, char *text, size_t len)
{
    struct ub_redis_reply *reply = ub_malloc(sizeof *reply + len + 1);
    if (reply == NULL) {
        return NULL;
    }
    char *copy = (char *)(reply + 1);
    memcpy(copy, text, len);
    copy[len] = '\0';
    *reply = (struct ub_redis_reply){.type = task->type == REDIS_REPLY_ERROR    ? UB_REDIS_FAULT
                                             : task->type == REDIS_REPLY_STATUS ? UB_REDIS_STATUS
                                                                                : UB_REDIS_TEXT,
                                     .text = {copy, len}};
    return attach(task, reply);
}

static void *create_array(const redisReadTask *task, int count)
{
    if (count > ELEMENTS_MAX) {
        struct ub_redis_reader *reader = task->privdata;
        reader->too_large = true;
        return NULL;
    }
    struct ub_redis_reply *reply = ub_calloc(1, sizeof *reply);
    if (reply == NULL) {
        return NULL;
    }
    reply->type = UB_REDIS_ARRAY;
    if (count > 0) {
        reply->element = ub_calloc((size_t)count, sizeof *reply->element);
        if (reply->element == NULL) {
            ub_free(reply);
            return NULL;
        }
        reply->count = (uint32_t)count;
    }
    return attach(task, reply);
}

static void *create_integer(const redisReadTask *task, long long value)
{
    return create(task, UB_REDIS_INTEGER, value);
}

static void *create_nil(const redisReadTask *task)
{
    return create(task, UB_REDIS_NIL, 0);
}

/* Nested at most as deep as the reader goes, seven levels. */
void ub_redis_reply_free(struct ub_redis_reply *reply)
{
    if (reply == NULL) {
        return;
    }
    for (uint32_t i = 0; i < reply->count; i++) {
        ub_redis_reply_free(reply->element[i]);
    }
    ub_free(reply->element);
    ub_free(reply);
}

static void free_object(void *reply)
{
    ub_redis_reply_free(reply);
}

static redisReplyObjectFunctions objects = {
    .createString = create_text,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
    .freeObject = free_object,
};

/* ---- reading ---- */

struct ub_redis_reader *ub_redis_reader_new(size_t reply_max)
{
    struct ub_redis_reader *reader = ub_calloc(1, sizeof *reader);
    if (reader == NULL) {
        return NULL;
    }
    reader->reply_max = reply_max;
    reader->hiredis = redisReaderCreateWithFunctions(&objects);
    if (reader->hiredis == NULL) {
        ub_free(reader);
        return NULL;
    }
    reader->hiredis->privdata = reader;
    return reader;
}

void ub_redis_reader_free(struct ub_redis_reader *reader)
{
    if (reader != NULL) {
        redisReaderFree(reader->hiredis);
        ub_free(reader);
    }
}

bool ub_redis_reader_feed(struct ub_redis_reader *reader, struct ub_slice bytes)
{
    reader->held += bytes.len;
    return redisReaderFeed(reader->hiredis, bytes.ptr, bytes.len) == REDIS_OK;
}

enum ub_redis_error ub_redis_reader_next(struct ub_redis_reader *reader,
                                         struct ub_redis_reply **out)
{
    redisReader *hiredis = reader->hiredis;
    void *reply = NULL;
    *out = NULL;
    if (redisReaderGetReply(hiredis, &reply) != REDIS_OK) {
        return reader->too_large               ? UB_REDIS_TOO_LARGE
               : hiredis->err == REDIS_ERR_OOM ? UB_REDIS_NO_MEMORY
                                               : UB_REDIS_NONSENSE;
    }
    *out = reply;
    if (reply != NULL) {
        reader->held = hiredis->len - hiredis->pos;
    }
    return reply == NULL && reader->held > reader->reply_max ? UB_REDIS_TOO_LARGE : UB_REDIS_OK;
}

enum ub_redis_error ub_redis_fault_kind(struct ub_slice text)
{
    static const struct {
        const char *word;
        enum ub_redis_error kind;
    } rows[] = {
        {"LOADING", UB_REDIS_LOADING},     {"READONLY", UB_REDIS_READONLY},
        {"MASTERDOWN", UB_REDIS_READONLY}, {"MOVED", UB_REDIS_MOVED},
        {"ASK", UB_REDIS_MOVED},           {"CLUSTERDOWN", UB_REDIS_MOVED},
        {"TRYAGAIN", UB_REDIS_MOVED},      {"NOSCRIPT", UB_REDIS_NOSCRIPT},
        {"WRONGTYPE", UB_REDIS_WRONGTYPE}, {"NOAUTH", UB_REDIS_DENIED},
        {"WRONGPASS", UB_REDIS_DENIED},    {"NOPERM", UB_REDIS_DENIED},
        {"BUSY", UB_REDIS_BUSY},           {"OOM", UB_REDIS_OOM},
    };
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_slice word = ub_slice_of(rows[i].word);
        if (ub_slice_starts(text, word) && (text.len == word.len || text.ptr[word.len] == ' ')) {
            return rows[i].kind;
        }
    }
    return UB_REDIS_REFUSED;
}

/* ---- writing ---- */

char *ub_redis_command(const struct ub_slice *arguments, uint32_t count, size_t *len)
{
    const char *texts[ARGUMENTS_MAX];
    size_t lens[ARGUMENTS_MAX];
    char *command = NULL;
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += arguments[i].len + 32;
    }
    if (count > ARGUMENTS_MAX || total > INT_MAX) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        texts[i] = arguments[i].ptr == NULL ? "" : arguments[i].ptr;
        lens[i] = arguments[i].len;
    }
    int rc = redisFormatCommandArgv(&command, (int)count, texts, lens);
    if (rc < 0) {
        return NULL;
    }
    *len = (size_t)rc;
    return command;
}

void ub_redis_command_free(char *command)
{
    redisFreeCommand(command);
}
