/* Responses. A first byte 'h' says that the request was HEAD. */
#include "http1_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool head_request = size > 0 && data[0] == 'h';
    struct ub_slice input = {(const char *)data + head_request, size - head_request};
    ub_fuzz_http1_splits(UB_HTTP1_RESPONSES, input, head_request);
    ub_fuzz_http1_messages(UB_HTTP1_RESPONSES, input, head_request);
    return 0;
}
