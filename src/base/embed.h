/* embed.h - from a member back to the struct that it is embedded in. */
#ifndef UB_BASE_EMBED_H
#define UB_BASE_EMBED_H

#include <stddef.h>

/* The `type` whose `member` `pointer` points to. The detour over void says to compilers what they
 * cannot know: that the result is aligned, because the whole struct is. */
#define UB_OWNER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
