#include "base/stock.h"

#include "base/alloc.h"
#include "base/test.h"

int main(void)
{
    static struct ub_stock stock;
    void *blocks[UB_STOCK_MAX + 10];
    for (size_t i = 0; i < UB_COUNT(blocks); i++) {
        blocks[i] = ub_stock_take(&stock, 4000);
    }
    for (size_t i = 0; i < UB_COUNT(blocks); i++) {
        ub_stock_give(&stock, blocks[i]);
    }
    uint32_t kept = stock.count;
#ifdef __SANITIZE_ADDRESS__
    const uint32_t want = 0;
#else
    const uint32_t want = UB_STOCK_MAX;
#endif
    UB_CHECK(kept == want, "as much is kept as agreed: %u of %zu", kept, UB_COUNT(blocks));
    ub_alloc_fail_nth(1);
    void *block = ub_stock_take(&stock, 4000);
    UB_CHECK((block != NULL) == (kept > 0), "what is kept needs no memory");
    ub_alloc_fail_nth(0);
    ub_stock_give(&stock, block);
    UB_CHECK(stock.count == kept, "and comes back");
    ub_stock_give(&stock, NULL);
    ub_stock_empty(&stock);
    UB_CHECK(stock.count == 0, "all of it can be given back");
    ub_alloc_fail_nth(1);
    UB_CHECK(ub_stock_take(&stock, 4000) == NULL, "an empty stock asks for memory");
    ub_alloc_fail_nth(0);
    return ub_test_done();
}
