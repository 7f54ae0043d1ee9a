#include "http/rawhead.h"

#include "http/head.h"
#include "http/octet.h"

#include <assert.h>

void ub_rawhead_init(struct ub_rawhead *raw, enum ub_rawhead_kind kind, size_t head_max,
                     size_t target_max)
{
    assert(head_max > 0 && head_max <= UINT32_MAX && target_max <= UINT32_MAX);
    *raw = (struct ub_rawhead){.kind = (uint8_t)kind,
                               .head_max = (uint32_t)head_max,
                               .target_max = (uint32_t)target_max,
                               .has_start_line = kind == UB_RAWHEAD_TRAILER,
                               .content_length = -1};
}

static bool refuse(struct ub_rawhead *raw, int status, const char *words)
{
    raw->bad = (struct ub_http1_bad){status, words};
    return false;
}

static struct ub_slice after(struct ub_slice s, size_t len)
{
    return (struct ub_slice){s.ptr + len, s.len - len};
}

/* "HTTP/1.1" or "HTTP/1.0". */
static bool check_version(struct ub_rawhead *raw, struct ub_slice version)
{
    if (version.len != 8 || memcmp(version.ptr, "HTTP/", 5) != 0 ||
        !ub_octet_is(version.ptr[5], UB_OCTET_DIGIT) || version.ptr[6] != '.' ||
        !ub_octet_is(version.ptr[7], UB_OCTET_DIGIT)) {
        return refuse(raw, 400, "malformed start line");
    }
    if (version.ptr[5] != '1' || version.ptr[7] > '1') {
        return refuse(raw, 505, "HTTP version other than 1.1 and 1.0");
    }
    raw->minor = (uint8_t)(version.ptr[7] - '0');
    return true;
}

/* The methods that mean something here; what a path allows is decided further up. */
static bool is_known_method(struct ub_slice method)
{
    static const char *const known[] = {"GET",    "HEAD",    "POST",  "PUT",
                                        "DELETE", "OPTIONS", "PATCH", "TRACE"};
    for (size_t i = 0; i < UB_COUNT(known); i++) {
        if (ub_slice_is(method, known[i])) {
            return true;
        }
    }
    return false;
}

static bool check_target(struct ub_rawhead *raw, struct ub_slice method, struct ub_slice target)
{
    if (target.len > raw->target_max) {
        return refuse(raw, 414, "target too long");
    }
    if (ub_slice_is(target, "*")) {
        return ub_slice_is(method, "OPTIONS") ||
               refuse(raw, 400, "target \"*\" with a method other than OPTIONS");
    }
    if (target.len == 0 || target.ptr[0] != '/') {
        return refuse(raw, 400, "target is not a path");
    }
    for (size_t i = 0; i < target.len; i++) {
        if (!ub_octet_is(target.ptr[i], UB_OCTET_TARGET)) {
            return refuse(raw, 400, "character in the target that must be percent-encoded");
        }
        if (target.ptr[i] == '%' &&
            (target.len - i < 3 || !ub_octet_is(target.ptr[i + 1], UB_OCTET_HEX) ||
             !ub_octet_is(target.ptr[i + 2], UB_OCTET_HEX))) {
            return refuse(raw, 400, "broken percent-encoding in the target");
        }
    }
    return true;
}

/* method SP target SP version; single spaces (RFC 9112, 3). */
static bool check_request_line(struct ub_rawhead *raw, struct ub_slice line)
{
    struct ub_slice method = {line.ptr, ub_octet_run(line, UB_OCTET_TOKEN)};
    struct ub_slice rest = after(line, method.len);
    if (method.len == 0 || rest.len == 0 || rest.ptr[0] != ' ') {
        return refuse(raw, 400, "malformed start line");
    }
    rest = after(rest, 1);
    const char *space = memchr(rest.ptr, ' ', rest.len);
    if (space == NULL) {
        return refuse(raw, 400, "malformed start line");
    }
    struct ub_slice target = {rest.ptr, (size_t)(space - rest.ptr)};
    if (!check_version(raw, after(rest, target.len + 1))) {
        return false;
    }
    if (!is_known_method(method)) {
        return refuse(raw, 501, "method not supported");
    }
    return check_target(raw, method, target);
}

/* version SP three digits [SP reason]. The second space is due even without a reason, but many
 * leave it out and nobody can misread that. */
static bool check_status_line(struct ub_rawhead *raw, struct ub_slice line)
{
    if (line.len < 12 || line.ptr[8] != ' ' || (line.len > 12 && line.ptr[12] != ' ')) {
        return refuse(raw, 502, "malformed status line");
    }
    if (!check_version(raw, (struct ub_slice){line.ptr, 8})) {
        return false;
    }
    int status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (!ub_octet_is(line.ptr[i], UB_OCTET_DIGIT)) {
            return refuse(raw, 502, "malformed status line");
        }
        status = status * 10 + (line.ptr[i] - '0');
    }
    if (status < 100 || status > 599) {
        return refuse(raw, 502, "status outside 100 to 599");
    }
    raw->status = (uint16_t)status;
    return true;
}

/* A name, an IPv4 address or "[" IPv6 "]", and perhaps a port. */
static bool is_valid_host(struct ub_slice host)
{
    size_t len = 0;
    if (host.len > 0 && host.ptr[0] == '[') {
        len = 1;
        while (len < host.len && (ub_octet_is(host.ptr[len], UB_OCTET_HEX) ||
                                  host.ptr[len] == ':' || host.ptr[len] == '.')) {
            len++;
        }
        if (len < 4 || len == host.len || host.ptr[len] != ']') { /* "[::]" is the shortest */
            return false;
        }
        len++;
    } else {
        len = ub_octet_run(host, UB_OCTET_HOST);
    }
    struct ub_slice port = after(host, len);
    if (len == 0 || port.len == 0) {
        return len > 0;
    }
    port = after(port, 1);
    return host.ptr[len] == ':' && port.len >= 1 && port.len <= 5 &&
           ub_octet_run(port, UB_OCTET_DIGIT) == port.len;
}

static bool take_host(struct ub_rawhead *raw, struct ub_slice value)
{
    if (raw->kind == UB_RAWHEAD_RESPONSE) {
        return true; /* means nothing there */
    }
    if (raw->has_host) {
        return refuse(raw, 400, "more than one Host");
    }
    raw->has_host = true;
    return is_valid_host(value) || refuse(raw, 400, "invalid Host");
}

static bool take_content_length(struct ub_rawhead *raw, struct ub_slice value)
{
    if (raw->content_length >= 0) {
        return refuse(raw, 400, "more than one Content-Length");
    }
    /* 18 digits always fit; nobody has a body of an exabyte. */
    if (value.len == 0 || value.len > 18 || ub_octet_run(value, UB_OCTET_DIGIT) != value.len) {
        return refuse(raw, 400, "invalid Content-Length");
    }
    int64_t length = 0;
    for (size_t i = 0; i < value.len; i++) {
        length = length * 10 + (value.ptr[i] - '0');
    }
    raw->content_length = length;
    return !raw->chunked || refuse(raw, 400, "Content-Length with Transfer-Encoding");
}

/* Exactly "chunked". Others before it would be 501 (RFC 9112, 6.1), all else leaves the end of the
 * body open to interpretation. */
static bool take_transfer_encoding(struct ub_rawhead *raw, struct ub_slice value)
{
    if (raw->minor == 0) {
        return refuse(raw, 400, "Transfer-Encoding in HTTP/1.0");
    }
    if (raw->chunked) {
        return refuse(raw, 400, "more than one Transfer-Encoding");
    }
    if (!ub_slice_eq_nocase(value, UB_LIT("chunked"))) {
        const char *comma = memrchr(value.ptr, ',', value.len);
        struct ub_slice first = {value.ptr, comma == NULL ? 0 : (size_t)(comma - value.ptr)};
        bool is_stack =
            comma != NULL && !ub_slice_has_nocase(first, UB_LIT("chunked")) &&
            ub_slice_trim(first).len > 0 &&
            ub_slice_eq_nocase(ub_slice_trim(after(value, first.len + 1)), UB_LIT("chunked"));
        return refuse(raw, is_stack ? 501 : 400, "Transfer-Encoding other than chunked");
    }
    raw->chunked = true;
    return raw->content_length < 0 || refuse(raw, 400, "Content-Length with Transfer-Encoding");
}

static bool take_connection(struct ub_rawhead *raw, struct ub_slice value)
{
    while (value.len > 0) {
        const char *comma = memchr(value.ptr, ',', value.len);
        size_t len = comma == NULL ? value.len : (size_t)(comma - value.ptr);
        struct ub_slice option = ub_slice_trim((struct ub_slice){value.ptr, len});
        if (ub_octet_run(option, UB_OCTET_TOKEN) != option.len) {
            return refuse(raw, 400, "malformed Connection");
        }
        if (ub_slice_eq_nocase(option, UB_LIT("content-length")) ||
            ub_slice_eq_nocase(option, UB_LIT("transfer-encoding")) ||
            ub_slice_eq_nocase(option, UB_LIT("host"))) { /* asks a proxy to drop the frame */
            return refuse(raw, 400, "Connection names a field that frames or routes");
        }
        raw->close |= ub_slice_eq_nocase(option, UB_LIT("close"));
        raw->keep_alive |= ub_slice_eq_nocase(option, UB_LIT("keep-alive"));
        value = after(value, comma == NULL ? len : len + 1);
    }
    return true;
}

static bool take_expect(struct ub_rawhead *raw, struct ub_slice value)
{
    if (raw->kind != UB_RAWHEAD_REQUEST || raw->minor == 0) {
        return true; /* to be ignored there (RFC 9110, 10.1.1) */
    }
    raw->expect_continue = true;
    return ub_slice_eq_nocase(value, UB_LIT("100-continue")) ||
           refuse(raw, 417, "Expect other than 100-continue");
}

/* The few fields that frame the message or steer the connection. */
static const struct {
    struct ub_slice name;
    bool (*take)(struct ub_rawhead *raw, struct ub_slice value);
    bool frames; /* no tabs around the value: legal, but llhttp does not take it for white space */
} special[] = {
    {UB_LIT("host"), take_host, false},
    {UB_LIT("expect"), take_expect, false},
    {UB_LIT("connection"), take_connection, false},
    {UB_LIT("content-length"), take_content_length, true},
    {UB_LIT("transfer-encoding"), take_transfer_encoding, true},
};

static bool take_special(struct ub_rawhead *raw, size_t i, struct ub_slice value)
{
    if (raw->kind == UB_RAWHEAD_TRAILER) {
        return refuse(raw, 400, "trailer field that frames or routes");
    }
    if (special[i].frames && memchr(value.ptr, '\t', value.len) != NULL) {
        return refuse(raw, 400, "tab in a field that frames the body");
    }
    return special[i].take(raw, ub_slice_trim(value));
}

static bool check_field(struct ub_rawhead *raw, struct ub_slice line)
{
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t') {
        return refuse(raw, 400, "folded field line");
    }
    struct ub_slice name = {line.ptr, ub_octet_run(line, UB_OCTET_TOKEN)};
    if (name.len == 0 || name.len == line.len || line.ptr[name.len] != ':') {
        bool space = name.len > 0 && name.len < line.len &&
                     (line.ptr[name.len] == ' ' || line.ptr[name.len] == '\t');
        return refuse(raw, 400, space ? "white space before a colon" : "malformed field line");
    }
    if (++raw->fields > UB_HTTP_FIELDS_MAX) {
        return refuse(raw, 431, "too many fields");
    }
    for (size_t i = 0; i < UB_COUNT(special); i++) {
        if (name.len == special[i].name.len && ub_slice_eq_nocase(name, special[i].name)) {
            return take_special(raw, i, after(line, name.len + 1));
        }
    }
    return true;
}

/* What only the whole head can tell. */
static bool check_whole(struct ub_rawhead *raw)
{
    if (raw->kind == UB_RAWHEAD_REQUEST && raw->minor == 1 && !raw->has_host) {
        return refuse(raw, 400, "no Host");
    }
    bool bodiless = raw->kind == UB_RAWHEAD_RESPONSE && (raw->status < 200 || raw->status == 204);
    if (bodiless && (raw->chunked || raw->content_length > 0)) {
        return refuse(raw, 502, "a body announced for a status that has none");
    }
    return true;
}

static bool check_line(struct ub_rawhead *raw, struct ub_slice line)
{
    if (raw->has_start_line) {
        return check_field(raw, line);
    }
    raw->has_start_line = true;
    return raw->kind == UB_RAWHEAD_REQUEST ? check_request_line(raw, line)
                                           : check_status_line(raw, line);
}

static bool refuse_byte(struct ub_rawhead *raw, char c)
{
    return refuse(raw, 400, c == '\n' ? "bare LF" : "control byte in the head");
}

static bool refuse_length(struct ub_rawhead *raw)
{
    bool in_target = raw->kind == UB_RAWHEAD_REQUEST && !raw->has_start_line;
    return refuse(raw, in_target ? 414 : 431, in_target ? "target too long" : "head too long");
}

enum ub_rawhead_found ub_rawhead_scan(struct ub_rawhead *raw, struct ub_slice bytes)
{
    size_t end = bytes.len < raw->head_max ? bytes.len : raw->head_max;
    for (;;) {
        size_t at = raw->scanned;
        at += ub_octet_text_run((struct ub_slice){bytes.ptr + at, end - at});
        raw->scanned = (uint32_t)at;
        if (at < end && bytes.ptr[at] != '\r') {
            refuse_byte(raw, bytes.ptr[at]);
            return UB_RAWHEAD_BAD;
        }
        if (end - at < 2) {
            if (end < raw->head_max) {
                return UB_RAWHEAD_MORE;
            }
            refuse_length(raw);
            return UB_RAWHEAD_BAD;
        }
        if (bytes.ptr[at + 1] != '\n') {
            refuse(raw, 400, "bare CR");
            return UB_RAWHEAD_BAD;
        }
        struct ub_slice line = {bytes.ptr + raw->line_at, at - raw->line_at};
        raw->scanned = raw->line_at = (uint32_t)at + 2;
        if (line.len == 0 && raw->has_start_line) {
            return check_whole(raw) ? UB_RAWHEAD_DONE : UB_RAWHEAD_BAD;
        }
        if (!check_line(raw, line)) {
            return UB_RAWHEAD_BAD;
        }
    }
}
