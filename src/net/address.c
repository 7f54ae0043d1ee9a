#include "net/address.h"

#include "base/random.h"

#include <arpa/inet.h>
#include <string.h>

bool ub_address_parse(struct ub_slice text, uint16_t port, struct ub_address_ip *out)
{
    char copy[UB_ADDRESS_TEXT];
    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') {
        text = (struct ub_slice){text.ptr + 1, text.len - 2};
    }
    if (text.len == 0 || text.len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, copy, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        out->len = sizeof out->v4;
        return true;
    }
    if (inet_pton(AF_INET6, copy, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        out->len = sizeof out->v6;
        return true;
    }
    return false;
}

/* The bytes that name the host: 4 or 16. */
static const unsigned char *host_bytes(const struct ub_address_ip *address, size_t *len)
{
    if (address->any.sa_family == AF_INET) {
        *len = 4;
        return (const unsigned char *)&address->v4.sin_addr;
    }
    const unsigned char *bytes = address->v6.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
        *len = 4;
        return bytes + 12;
    }
    *len = 16;
    return bytes;
}

size_t ub_address_text(const struct ub_address_ip *address, char *out)
{
    size_t len;
    const unsigned char *bytes = host_bytes(address, &len);
    inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, out, UB_ADDRESS_TEXT);
    return strlen(out);
}

uint64_t ub_address_hash(const struct ub_address_ip *address)
{
    size_t len;
    const unsigned char *bytes = host_bytes(address, &len);
    uint64_t hash = len;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t word;
        memcpy(&word, bytes + i, 4);
        hash = ub_mix64(hash + word + 0x9e3779b97f4a7c15u);
    }
    return hash;
}

uint16_t ub_address_port(const struct ub_address_ip *address)
{
    return ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port);
}
