/* The writers of http1.h. */
#include "http/http1.h"

#include "http/octet.h"

#include <assert.h>

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {529, "Site is overloaded"},
};

const char *ub_http1_reason(int status)
{
    for (size_t i = 0; i < UB_COUNT(reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "";
}

static bool is_all(struct ub_slice s, int classes)
{
    return ub_octet_run(s, classes) == s.len;
}

void ub_http1_write_request(struct ub_buf *out, struct ub_slice method, struct ub_slice target)
{
    assert(method.len > 0 && is_all(method, UB_OCTET_TOKEN));
    assert(target.len > 0 && is_all(target, UB_OCTET_TARGET));
    ub_buf_add_slice(out, method);
    ub_buf_add(out, " ", 1);
    ub_buf_add_slice(out, target);
    ub_buf_add_text(out, " HTTP/1.1\r\n");
}

void ub_http1_write_status(struct ub_buf *out, int status)
{
    assert(status >= 100 && status <= 599);
    char line[] = "HTTP/1.1 000 ";
    line[9] = (char)('0' + status / 100);
    line[10] = (char)('0' + status / 10 % 10);
    line[11] = (char)('0' + status % 10);
    ub_buf_add(out, line, sizeof line - 1);
    ub_buf_add_text(out, ub_http1_reason(status));
    ub_buf_add(out, "\r\n", 2);
}

void ub_http1_write_field(struct ub_buf *out, struct ub_slice name, struct ub_slice value)
{
    assert(name.len > 0 && is_all(name, UB_OCTET_TOKEN));
    assert(ub_octet_text_run(value) == value.len);
    size_t len = name.len + 2 + value.len + 2;
    char *at = ub_buf_reserve(out, len); /* once: a head has many fields */
    if (at == NULL) {
        return;
    }
    memcpy(at, name.ptr, name.len);
    memcpy(at + name.len, ": ", 2);
    if (value.len > 0) {
        memcpy(at + name.len + 2, value.ptr, value.len);
    }
    memcpy(at + len - 2, "\r\n", 2);
    out->len += len;
}

void ub_http1_write_end(struct ub_buf *out)
{
    ub_buf_add(out, "\r\n", 2);
}

size_t ub_http1_chunk_head(char *out, size_t data_len)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 1;
    while (len < 2 * sizeof data_len && data_len >> (4 * len) != 0) {
        len++;
    }
    for (size_t i = len; i > 0; i--) {
        out[i - 1] = digits[data_len & 15];
        data_len >>= 4;
    }
    memcpy(out + len, "\r\n", 2);
    return len + 2;
}
