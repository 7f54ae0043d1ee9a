#include "base/stock.h"

#include "base/alloc.h"
#include <assert.h>

static uint32_t kept_max(void)
{
#ifdef __SANITIZE_ADDRESS__
    return 0;
#else
    return UB_STOCK_MAX;
#endif
}

void *ub_stock_take(struct ub_stock *stock, size_t size)
{
    if (stock == NULL) {
        return ub_malloc(size);
    }
    assert(stock->size == 0 || stock->size == size);
    stock->size = size;
    return stock->count > 0 ? stock->blocks[--stock->count] : ub_malloc(size);
}

void ub_stock_give(struct ub_stock *stock, void *block)
{
    if (block != NULL && stock != NULL && stock->count < kept_max()) {
        stock->blocks[stock->count++] = block;
    } else {
        ub_free(block);
    }
}

void ub_stock_empty(struct ub_stock *stock)
{
    while (stock->count > 0) {
        ub_free(stock->blocks[--stock->count]);
    }
}
