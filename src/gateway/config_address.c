#include "gateway/config_address.h"

#include "base/ip.h"
#include <string.h>

static bool is_ip(struct ub_slice host, bool v6)
{
    uint8_t address[16];
    return v6 ? ub_ip6_parse(host, address) : ub_ip4_parse(host, address);
}

const char *ub_conf_address_parse(struct ub_slice text, struct ub_arena *arena,
                                  struct ub_address *out)
{
    struct ub_slice host, port;
    bool bracketed = false;
    if (!ub_host_split(text, &host, &port, &bracketed) || port.len == 0) {
        return "is no ADDRESS:PORT like 127.0.0.1:8080, [::1]:8080 or :8080";
    }
    if (!ub_port_parse(port, &out->port)) {
        return "has no port from 0 to 65535";
    }
    if (host.len == 0 && !bracketed) {
        host = UB_LIT("0.0.0.0");
    } else if (ub_slice_is(host, "localhost")) {
        host = UB_LIT("127.0.0.1");
    }
    out->host = ub_arena_text(arena, host);
    if (out->host == NULL) {
        return "out of memory";
    }
    if (!is_ip(host, bracketed)) {
        return "has no IP address: write one (IPv6 in brackets), localhost, or only :PORT";
    }
    return NULL;
}

static bool host_name(struct ub_slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '.' || c == '_')) {
            return false;
        }
    }
    return host.len > 0 && host.len <= 253;
}

static const char *url_host(struct ub_slice authority, struct ub_arena *arena,
                            struct ub_upstream_config *out)
{
    struct ub_slice host, port;
    bool bracketed = false;
    if (!ub_host_split(authority, &host, &port, &bracketed)) {
        return "has a bad host or port";
    }
    out->port = out->tls ? 443 : 80;
    if (port.len > 0 && (!ub_port_parse(port, &out->port) || out->port == 0)) {
        return "has no port from 1 to 65535";
    }
    char *text = ub_arena_text(arena, host);
    if (text == NULL) {
        return "out of memory";
    }
    for (char *c = text; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
    }
    out->host = text;
    if (bracketed ? !is_ip(host, true) : !host_name(host)) {
        return "has a bad host";
    }
    return NULL;
}

const char *ub_conf_url_parse(struct ub_slice text, struct ub_arena *arena,
                              struct ub_upstream_config *out)
{
    struct ub_slice rest;
    if (text.len >= 8 && ub_slice_eq_nocase((struct ub_slice){text.ptr, 8}, UB_LIT("https://"))) {
        out->tls = true;
        rest = (struct ub_slice){text.ptr + 8, text.len - 8};
    } else if (text.len >= 7 &&
               ub_slice_eq_nocase((struct ub_slice){text.ptr, 7}, UB_LIT("http://"))) {
        out->tls = false;
        rest = (struct ub_slice){text.ptr + 7, text.len - 7};
    } else {
        return "must begin with http:// or https://";
    }
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] == '@') {
            return "must not hold a user or a password";
        }
        if (rest.ptr[i] == '?' || rest.ptr[i] == '#') {
            return "must end with its path: no '?', no '#'";
        }
    }
    const char *slash = rest.len > 0 ? memchr(rest.ptr, '/', rest.len) : NULL;
    size_t split = slash != NULL ? (size_t)(slash - rest.ptr) : rest.len;
    struct ub_slice path = {rest.ptr + split, rest.len - split};
    while (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    out->path = ub_arena_text(arena, path);
    out->url = ub_arena_text(arena, text);
    if (out->path == NULL || out->url == NULL) {
        return "out of memory";
    }
    return url_host((struct ub_slice){rest.ptr, split}, arena, out);
}
