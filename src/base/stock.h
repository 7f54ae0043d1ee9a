/* stock.h - blocks of one size that come and go with every request: some that were given back are
 * kept for the next who asks. malloc does so by itself, but only up to 1 KiB; for more it looks
 * through its bins, which costs more than all else that is done with the block.
 *
 * {0} is an empty stock. For one thread. Under the address sanitizer nothing is kept, so that a
 * block that is used too long is still noticed.
 */
#ifndef UB_BASE_STOCK_H
#define UB_BASE_STOCK_H

#include <stddef.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* as gcc says it */
#endif
#endif

#define UB_STOCK_MAX 64 /* blocks kept */

struct ub_stock {
    size_t size;
    uint32_t count;
    void *blocks[UB_STOCK_MAX];
};

/* A block with anything in it; NULL without memory. `size`: the same for all of a stock. Without a
 * stock (NULL) both just use ub_malloc and ub_free. */
void *ub_stock_take(struct ub_stock *stock, size_t size);
void ub_stock_give(struct ub_stock *stock, void *block); /* NULL is fine */
void ub_stock_empty(struct ub_stock *stock);             /* gives back what is kept */

#endif
