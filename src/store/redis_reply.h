/* redis_reply.h - bytes from Redis to replies, by the reader of hiredis with objects of our own: in
 * our memory, and bounded. Private to store/redis. */
#ifndef UB_STORE_REDIS_REPLY_H
#define UB_STORE_REDIS_REPLY_H

#include "store/redis.h"

struct ub_redis_reader;

/* One reply may take `reply_max` bytes. NULL without memory. */
struct ub_redis_reader *ub_redis_reader_new(size_t reply_max);
void ub_redis_reader_free(struct ub_redis_reader *reader); /* NULL is fine */

/* False without memory: the reader cannot be used any more. */
bool ub_redis_reader_feed(struct ub_redis_reader *reader, struct ub_slice bytes);

/* OK with the next reply (the caller frees it), or with NULL: more bytes are needed. Else NONSENSE,
 * TOO_LARGE or NO_MEMORY, and the reader cannot be used any more. */
enum ub_redis_error ub_redis_reader_next(struct ub_redis_reader *reader,
                                         struct ub_redis_reply **out);
void ub_redis_reply_free(struct ub_redis_reply *reply); /* NULL is fine */

/* Which error a FAULT is: by its first word. */
enum ub_redis_error ub_redis_fault_kind(struct ub_slice text);

/* The bytes of a command. NULL without memory; give them back with ub_redis_command_free. */
char *ub_redis_command(const struct ub_slice *arguments, uint32_t count, size_t *len);
void ub_redis_command_free(char *command);

#endif
