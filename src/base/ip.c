#include "base/ip.h"

bool ub_ip4_parse(struct ub_slice text, uint8_t out[4])
{
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        if (part > 0 && (at >= text.len || text.ptr[at++] != '.')) {
            return false;
        }
        size_t start = at;
        unsigned value = 0;
        while (at < text.len && at - start < 3 && text.ptr[at] >= '0' && text.ptr[at] <= '9') {
            value = value * 10 + (unsigned)(text.ptr[at++] - '0');
        }
        if (at == start || value > 255 || (at - start > 1 && text.ptr[start] == '0')) {
            return false;
        }
        out[part] = (uint8_t)value;
    }
    return at == text.len;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Digits of one group at the front of `text`; 0 when there are none or more than four. */
static size_t read_group(struct ub_slice text, uint8_t out[2])
{
    unsigned value = 0;
    size_t length = 0;
    while (length < text.len && hex_digit(text.ptr[length]) >= 0) {
        value = value << 4 | (unsigned)hex_digit(text.ptr[length++]);
        if (length > 4) {
            return 0;
        }
    }
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    return length;
}

bool ub_ip6_parse(struct ub_slice text, uint8_t out[16])
{
    size_t at = 0, filled = 0;
    size_t gap = SIZE_MAX; /* where "::" stands in `out` */
    memset(out, 0, 16);
    if (text.len >= 2 && text.ptr[0] == ':' && text.ptr[1] == ':') {
        gap = 0;
        at = 2;
    }
    while (at < text.len) {
        struct ub_slice rest = {text.ptr + at, text.len - at};
        if (filled <= 12 && ub_ip4_parse(rest, out + filled)) {
            filled += 4;
            at = text.len;
            break;
        }
        size_t length = filled <= 14 ? read_group(rest, out + filled) : 0;
        if (length == 0) {
            return false;
        }
        filled += 2;
        at += length;
        if (at == text.len) {
            break;
        }
        if (text.ptr[at++] != ':' || at == text.len) {
            return false;
        }
        if (text.ptr[at] == ':') {
            if (gap != SIZE_MAX) {
                return false;
            }
            gap = filled;
            at++;
        }
    }
    if (gap == SIZE_MAX) {
        return filled == 16;
    }
    if (filled > 14) { /* "::" stands for at least one group */
        return false;
    }
    memmove(out + 16 - (filled - gap), out + gap, filled - gap);
    memset(out + gap, 0, 16 - filled);
    return true;
}

bool ub_ip_is_loopback(struct ub_slice text)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t one[16] = {[15] = 1};
    uint8_t v6[16], v4[4];
    if (ub_ip4_parse(text, v4)) {
        return v4[0] == 127;
    }
    return ub_ip6_parse(text, v6) && (memcmp(v6, one, sizeof one) == 0 ||
                                      (memcmp(v6, mapped, sizeof mapped) == 0 && v6[12] == 127));
}

bool ub_port_parse(struct ub_slice text, uint16_t *port)
{
    uint32_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || i >= 5) {
            return false;
        }
        value = value * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    *port = (uint16_t)value;
    return text.len > 0 && value <= UINT16_MAX;
}

bool ub_host_split(struct ub_slice text, struct ub_slice *host, struct ub_slice *port,
                   bool *bracketed)
{
    *port = (struct ub_slice){NULL, 0};
    *bracketed = text.len > 0 && text.ptr[0] == '[';
    const char *end = text.ptr + text.len;
    const char *after = end;
    if (*bracketed) {
        const char *close = memchr(text.ptr, ']', text.len);
        if (close == NULL) {
            return false;
        }
        *host = (struct ub_slice){text.ptr + 1, (size_t)(close - text.ptr - 1)};
        after = close + 1;
    } else {
        const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
        after = colon != NULL ? colon : end;
        *host = (struct ub_slice){text.ptr, (size_t)(after - text.ptr)};
    }
    if (after == end) {
        return true;
    }
    *port = (struct ub_slice){after + 1, (size_t)(end - after - 1)};
    return *after == ':' && port->len > 0;
}
