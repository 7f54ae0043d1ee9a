/* http1_common.h - properties that hold for HTTP/1.1 messages in both directions. */
#ifndef UB_TESTS_FUZZ_HTTP1_COMMON_H
#define UB_TESTS_FUZZ_HTTP1_COMMON_H

#include "fuzz.h"
#include "http/http1.h"

/* Whole, byte by byte and in random pieces: the same trace. */
void ub_fuzz_http1_splits(enum ub_http1_side side, struct ub_slice input, bool head_request);

/* Walks through the messages and checks each one that is accepted: by a naive second look at its
 * bytes, by counting its body, and by writing it again and reading that. */
void ub_fuzz_http1_messages(enum ub_http1_side side, struct ub_slice input, bool head_request);

#endif
