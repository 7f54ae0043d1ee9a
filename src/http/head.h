/* head.h - the head of an HTTP message: start line and fields, whatever version carried it.
 *
 * All slices point into memory of whoever hands the head out, and are valid as long as that says.
 */
#ifndef UB_HTTP_HEAD_H
#define UB_HTTP_HEAD_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_HTTP_FIELDS_MAX 100

struct ub_http_field {
    struct ub_slice name;  /* case as sent; compare with ub_slice_eq_nocase */
    struct ub_slice value; /* without white space at both ends */
};

struct ub_http_head {
    struct ub_slice method; /* requests */
    struct ub_slice target; /* requests: origin-form or "*", already checked */
    int status;             /* responses */
    int minor;              /* HTTP/1.minor */
    bool keep_alive;        /* the connection may be used again after this message */
    bool chunked;
    bool has_body;    /* a body follows (for a response: by its own framing or until close) */
    bool until_close; /* response body that ends with the connection */
    bool expect_continue;
    int64_t content_length; /* -1: not given */
    uint32_t field_count;   /* <= UB_HTTP_FIELDS_MAX */
    const struct ub_http_field *field;
};

/* The first field of this name (ASCII case ignored), or NULL. */
const struct ub_http_field *ub_http_find(const struct ub_http_head *head, const char *name);

/* Its value, or an empty slice. */
struct ub_slice ub_http_value(const struct ub_http_head *head, const char *name);

#endif
