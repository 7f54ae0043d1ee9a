/* Requests: heads, bodies of both framings, pipelines. */
#include "http1_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ub_slice input = {(const char *)data, size};
    ub_fuzz_http1_splits(UB_HTTP1_REQUESTS, input, false);
    ub_fuzz_http1_messages(UB_HTTP1_REQUESTS, input, false);
    return 0;
}
