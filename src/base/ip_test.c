#include "base/ip.h"

#include "base/random.h"
#include "base/test.h"
#include <arpa/inet.h>

/* The C library is the oracle. */
static const char *const rows[] = {
    "127.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "256.0.0.1",
    "1.2.3",
    "1.2.3.4.5",
    "1..2.3",
    "01.2.3.4",
    "1.2.3.4 ",
    " 1.2.3.4",
    "",
    "1.2.3.4.",
    ".1.2.3.4",
    "1.2.3.0004",
    "a.b.c.d",
    "::",
    "::1",
    "1::",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::8",
    "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "1::2::3",
    ":::",
    ":1",
    "1:",
    "1:::2",
    "12345::",
    "::ffff:1.2.3.4",
    "::1.2.3.4",
    "1:2:3:4:5:6:1.2.3.4",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::1.2.3",
    "::1.2.3.4:5",
    "1.2.3.4::",
    "FE80::AbCd",
    "::g",
    "fe80::1%eth0",
    "[::1]",
    "1:2:3:4::5:6:7:8",
    "0:0:0:0:0:0:0:0",
    "::ffff:7f00:1",
};

static bool agrees(const char *text)
{
    uint8_t got4[4], got6[16], want4[4], want6[16];
    bool ok4 = ub_ip4_parse(ub_slice_of(text), got4), ok6 = ub_ip6_parse(ub_slice_of(text), got6);
    return ok4 == (inet_pton(AF_INET, text, want4) == 1) &&
           ok6 == (inet_pton(AF_INET6, text, want6) == 1) &&
           (!ok4 || memcmp(got4, want4, sizeof got4) == 0) &&
           (!ok6 || memcmp(got6, want6, sizeof got6) == 0);
}

static const struct {
    const char *text;
    bool want;
} loopbacks[] = {
    {"127.0.0.1", true},
    {"127.255.255.254", true},
    {"::1", true},
    {"::ffff:127.0.0.1", true},
    {"128.0.0.1", false},
    {"0.0.0.0", false},
    {"::", false},
    {"::2", false},
    {"::ffff:10.0.0.1", false},
    {"localhost", false},
    {"", false},
};

static const struct {
    const char *text;
    const char *host; /* NULL: not taken */
    const char *port;
} hosts[] = {
    {"127.0.0.1:80", "127.0.0.1", "80"},
    {"example.org", "example.org", ""},
    {"[::1]:80", "::1", "80"},
    {"[::1]", "::1", ""},
    {":80", "", "80"},
    {"", "", ""},
    {"[::1", NULL, NULL},
    {"[::1]80", NULL, NULL},
    {"[::1]:", NULL, NULL},
    {"host:", NULL, NULL},
};

static const struct {
    const char *text;
    int want; /* -1: not taken */
} ports[] = {
    {"80", 80},     {"0", 0},   {"65535", 65535}, {"65536", -1}, {"+80", -1},
    {"000080", -1}, {"8x", -1}, {" 80", -1},      {"", -1},
};

static void check_hosts(void)
{
    for (size_t i = 0; i < UB_COUNT(hosts); i++) {
        struct ub_slice host, port;
        bool bracketed;
        bool taken = ub_host_split(ub_slice_of(hosts[i].text), &host, &port, &bracketed);
        UB_CHECK(hosts[i].host == NULL
                     ? !taken
                     : taken && ub_slice_is(host, hosts[i].host) &&
                           ub_slice_is(port, hosts[i].port) && bracketed == (*hosts[i].text == '['),
                 "host and port: '%s'", hosts[i].text);
    }
    for (size_t i = 0; i < UB_COUNT(ports); i++) {
        uint16_t port = 0;
        bool taken = ub_port_parse(ub_slice_of(ports[i].text), &port);
        UB_CHECK(taken == (ports[i].want >= 0) && (!taken || port == ports[i].want), "port: '%s'",
                 ports[i].text);
    }
}

int main(void)
{
    check_hosts();
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        UB_CHECK(agrees(rows[i]), "as the C library has it: '%s'", rows[i]);
    }
    struct ub_random random = {1};
    const char *odd = NULL;
    char text[24];
    for (int i = 0; i < 300000 && odd == NULL; i++) {
        uint32_t length = ub_random_below(&random, sizeof text);
        for (uint32_t j = 0; j < length; j++) {
            text[j] = "::::..0012af"[ub_random_below(&random, 12)];
        }
        text[length] = '\0';
        odd = agrees(text) ? NULL : text;
    }
    UB_CHECK(odd == NULL, "and for random texts: '%s'", odd != NULL ? odd : "");
    for (size_t i = 0; i < UB_COUNT(loopbacks); i++) {
        UB_CHECK(ub_ip_is_loopback(ub_slice_of(loopbacks[i].text)) == loopbacks[i].want,
                 "loopback: '%s'", loopbacks[i].text);
    }
    return ub_test_done();
}
