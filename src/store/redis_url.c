#include "store/redis_url.h"

#define PORT         6379
#define DATABASE_MAX 1000000

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decoded, zero-terminated. False: too long, or not well encoded; a zero byte would end it early. */
static bool decode(struct ub_slice text, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || len + 1 >= UB_REDIS_TEXT_MAX) {
            return false;
        }
        out[len++] = c;
    }
    out[len] = '\0';
    return true;
}

/* Where `c` stands first, or the end. */
static size_t find(struct ub_slice text, char c)
{
    const char *at = text.len == 0 ? NULL : memchr(text.ptr, c, text.len);
    return at == NULL ? text.len : (size_t)(at - text.ptr);
}

static struct ub_slice from(struct ub_slice text, size_t start)
{
    return (struct ub_slice){text.ptr + start, text.len - start};
}

static bool read_number(struct ub_slice digits, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.ptr[i];
        if (c < '0' || c > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(c - '0');
        if (value > max) {
            return false;
        }
    }
    *out = value;
    return digits.len > 0;
}

static const char *parse_credentials(struct ub_slice text, struct ub_redis_url *out)
{
    size_t colon = find(text, ':');
    if (colon == text.len) {
        return "before '@' stands user:password or :password";
    }
    bool good = decode((struct ub_slice){text.ptr, colon}, out->user) &&
                decode(from(text, colon + 1), out->password);
    if (!good) {
        return "the user or the password is too long or not well percent-encoded";
    }
    return out->user[0] != '\0' && out->password[0] == '\0' ? "a user needs a password" : NULL;
}

static const char *parse_address(struct ub_slice text, struct ub_redis_url *out)
{
    struct ub_slice host = text, port = {0};
    if (text.len > 0 && text.ptr[0] == '[') {
        size_t end = find(text, ']');
        if (end == text.len) {
            return "']' is missing";
        }
        host = (struct ub_slice){text.ptr + 1, end - 1};
        port = from(text, end + 1);
        if (port.len > 0 && port.ptr[0] != ':') {
            return "behind ']' stands :port";
        }
    } else {
        size_t colon = find(text, ':');
        host.len = colon;
        port = from(text, colon);
    }
    if (host.len == 0 || host.len >= UB_REDIS_TEXT_MAX) {
        return "the host is missing or too long";
    }
    for (size_t i = 0; i < host.len; i++) {
        if ((unsigned char)host.ptr[i] <= ' ' || (unsigned char)host.ptr[i] >= 0x7f) {
            return "the host has characters that names do not have";
        }
    }
    memcpy(out->host, host.ptr, host.len);
    uint32_t number = PORT;
    if (port.len > 0 && (!read_number(from(port, 1), UINT16_MAX, &number) || number == 0)) {
        return "the port is a number from 1 to 65535";
    }
    out->port = (uint16_t)number;
    return NULL;
}

const char *ub_redis_url_parse(struct ub_slice text, struct ub_redis_url *out)
{
    *out = (struct ub_redis_url){0};
    const struct ub_slice plain = UB_LIT("redis://"), secure = UB_LIT("rediss://");
    out->tls = ub_slice_starts(text, secure);
    if (!out->tls && !ub_slice_starts(text, plain)) {
        return "expected redis://host:port/database or rediss:// for TLS";
    }
    text = from(text, out->tls ? secure.len : plain.len);
    size_t slash = find(text, '/');
    struct ub_slice authority = {text.ptr, slash};
    struct ub_slice path = from(text, slash);
    if (path.len > 1 && !read_number(from(path, 1), DATABASE_MAX, &out->database)) {
        return "behind the host stands /database, a number";
    }
    size_t at = find(authority, '@');
    const char *words = NULL;
    if (at < authority.len) {
        words = parse_credentials((struct ub_slice){authority.ptr, at}, out);
        authority = from(authority, at + 1);
    }
    return words != NULL ? words : parse_address(authority, out);
}
