/* Names, happy eyeballs and CONNECT, against a name server, listeners and a proxy of our own. */
#include "base/alloc.h"
#include "base/test.h"
#include "net/client.h"
#include "net/peer.h"
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ub_loop *loop;

/* ---- a name server: what it answers is set by each test ---- */

static struct {
    int fd;
    char address[32];
    int asked[2]; /* AAAA, A */
    bool silent[2];
    int count[2]; /* addresses: ::1, 127.0.0.1, .2, .3 ... */
    int rcode;
    uint8_t ttl;
} dns;

static void dns_open(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof at;
    dns.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bind(dns.fd, (struct sockaddr *)&at, len);
    getsockname(dns.fd, (struct sockaddr *)&at, &len);
    snprintf(dns.address, sizeof dns.address, "127.0.0.1:%u", ntohs(at.sin_port));
}

static void dns_reset(void)
{
    dns.asked[0] = dns.asked[1] = dns.count[0] = dns.count[1] = dns.rcode = 0;
    dns.silent[0] = dns.silent[1] = false;
    dns.ttl = 60;
}

static size_t add_answer(unsigned char *at, bool v6, int which)
{
    const unsigned char head[] = {0xc0, 12, 0, v6 ? 28 : 1, 0, 1, 0, 0, 0, dns.ttl, 0, v6 ? 16 : 4};
    memcpy(at, head, sizeof head);
    memset(at + sizeof head, 0, 16);
    if (v6) {
        at[sizeof head + 15] = 1;
    } else {
        at[sizeof head] = 127;
        at[sizeof head + 3] = (unsigned char)(which + 1);
    }
    return sizeof head + (v6 ? 16 : 4);
}

/* Answers what was asked by now. Always true, to stand in conditions. */
static bool dns_serve(void)
{
    unsigned char packet[512];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t len;
    while ((len = recvfrom(dns.fd, packet, 200, 0, (struct sockaddr *)&from, &from_len)) > 16) {
        size_t end = 12; /* of the question: a name, type and class */
        while (packet[end] != 0) {
            end += packet[end] + 1u;
        }
        int family = packet[end + 2] == 28 ? 0 : 1;
        end += 5;
        dns.asked[family]++;
        if (dns.silent[family]) {
            continue;
        }
        packet[2] = 0x81;
        packet[3] = (unsigned char)(0x80 | dns.rcode);
        memset(packet + 6, 0, 6);
        packet[7] = (unsigned char)dns.count[family];
        for (int i = 0; i < dns.count[family]; i++) {
            end += add_answer(packet + end, family == 0, i);
        }
        sendto(dns.fd, packet, end, 0, (struct sockaddr *)&from, from_len);
    }
    return true;
}

/* ---- looking up ---- */

static struct {
    struct ub_resolving resolving;
    int told, v6, v4;
    bool cancel;
} asking;

static void on_found(struct ub_resolving *resolving, int family,
                     const struct ub_address_ip *addresses, int count, const char *words)
{
    (void)addresses;
    (void)words;
    asking.told++;
    *(family == AF_INET6 ? &asking.v6 : &asking.v4) = count;
    if (asking.cancel) {
        ub_resolve_cancel(resolving);
    }
}

static void look_up(const char *name)
{
    memset(&asking, 0, sizeof asking);
    asking.resolving.found = on_found;
    asking.resolving.port = 80;
    ub_resolve(loop, &asking.resolving, ub_slice_of(name));
}

static void wait_both(void)
{
    UB_UNTIL(loop, dns_serve() && asking.told == 2);
}

static void names(void)
{
    dns_reset();
    dns.count[0] = 1;
    dns.count[1] = 2;
    look_up("one.test.");
    UB_CHECK(asking.told == 0, "nothing is called from inside resolve");
    wait_both();
    UB_CHECK(asking.v6 == 1 && asking.v4 == 2, "both families are found");
    look_up("one.test.");
    wait_both();
    UB_CHECK(asking.v4 == 2 && dns.asked[1] == 1, "the second time nobody is asked");

    dns.ttl = 0;
    look_up("brief.test.");
    wait_both();
    dns.rcode = 2; /* SERVFAIL from now on */
    ub_ns until = ub_clock_now() + 1100 * UB_MS;
    UB_UNTIL(loop, ub_clock_now() > until);
    int asked = dns.asked[1];
    look_up("brief.test.");
    wait_both();
    UB_CHECK(dns.asked[1] > asked && asking.v4 == 2,
             "after its time it is asked again; if DNS fails, the old answer does");

    dns_reset();
    dns.rcode = 3;
    look_up("none.test.");
    wait_both();
    UB_CHECK(asking.v6 == 0 && asking.v4 == 0, "a name that does not exist has no address");
    look_up("localhost");
    UB_UNTIL(loop, asking.told == 2);
    UB_CHECK(asking.v6 == 1 && asking.v4 == 1, "localhost is known");
    look_up("::1");
    UB_UNTIL(loop, asking.told == 2);
    UB_CHECK(asking.v6 == 1 && asking.v4 == 0, "so are literals");
    look_up("::1");
    asking.cancel = true;
    ub_loop_turn(loop, 0);
    ub_loop_turn(loop, 0);
    UB_CHECK(asking.told == 1, "who cancels is told nothing more");

    dns_reset();
    dns.silent[0] = dns.silent[1] = true;
    look_up("silent.test.");
    UB_UNTIL(loop, dns_serve() && dns.asked[1] > 0);
    ub_resolve_cancel(&asking.resolving);

    dns_reset();
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "many%d.test.", i);
        look_up(name);
        wait_both();
    }
    asked = dns.asked[1];
    look_up("many299.test.");
    wait_both();
    UB_CHECK(asked == 300 && dns.asked[1] == 300, "of very many names the last are remembered");
    look_up("many0.test.");
    wait_both();
    UB_CHECK(dns.asked[1] == 301, "...and the first are forgotten");
}

/* ---- connecting ---- */

static struct {
    struct ub_call call;
    bool over;
    enum ub_error error;
    char words[100];
} it;

static void on_head(struct ub_call *call, const struct ub_http_head *head)
{
    (void)call;
    (void)head;
}

static void on_body(struct ub_call *call, struct ub_slice chunk)
{
    (void)call;
    (void)chunk;
}

static void on_ended(struct ub_call *call, enum ub_error error, const char *words)
{
    (void)call;
    it.over = true;
    it.error = error;
    snprintf(it.words, sizeof it.words, "%s", words);
}

static const struct ub_call_handler handler = {on_head, on_body, on_ended};

static void start(struct ub_origin *origin, ub_ns limit_ns)
{
    struct ub_call_request request = {
        .method = UB_LIT("GET"), .target = UB_LIT("/"), .connect_by_ns = limit_ns};
    memset(&it, 0, sizeof it);
    it.call.handler = &handler;
    ub_call_start(&it.call, origin, &request);
}

static struct ub_origin *new_origin(const char *host, uint16_t port)
{
    const struct ub_origin_options options = {
        .host = ub_slice_of(host), .port = port, .idle_max = 2, .idle_ns = 5 * UB_SECOND};
    return ub_origin_new(loop, &options);
}

/* Serves names until `listener` has a connection; returns how long that took. */
static ub_ns connects_to(int listener, const char *host, uint16_t port)
{
    struct ub_origin *origin = new_origin(host, port);
    ub_ns began = ub_clock_now();
    int fd = -1;
    start(origin, 3 * UB_SECOND);
    UB_UNTIL(loop,
             dns_serve() && ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0 || it.over));
    ub_ns took = fd >= 0 ? ub_clock_now() - began : UB_NEVER;
    if (fd >= 0) {
        struct ub_peer peer = {.loop = loop, .fd = fd};
        ub_peer_hears(&peer, "\r\n\r\n");
        ub_peer_say_text(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        UB_UNTIL(loop, it.over);
        ub_peer_close(&peer, false);
    }
    ub_origin_free(origin);
    return it.error == UB_ERR_OK ? took : UB_NEVER;
}

static void happy_eyeballs(void)
{
    uint16_t port = 0;
    int v4 = ub_peer_listen(false, &port, 8);
    dns_reset();
    dns.count[0] = dns.count[1] = 1;
    ub_ns took = connects_to(v4, "refused6.test.", port);
    UB_CHECK(took < 200 * UB_MS, "IPv6 refused: IPv4 at once");

    dns_reset();
    dns.silent[0] = true;
    dns.count[1] = 1;
    took = connects_to(v4, "silent6.test.", port);
    UB_CHECK(took >= 48 * UB_MS && took < UB_SECOND, "no word about IPv6: IPv4 after 50 ms (%d)",
             (int)(took / UB_MS));

    dns_reset();
    dns.count[1] = 3; /* nobody listens on 127.0.0.2 and .3, so any order does */
    UB_CHECK(connects_to(v4, "three.test.", port) < UB_SECOND, "several addresses");

    int v6 = ub_peer_listen(true, &port, 0);
    if (v6 < 0) {
        ub_test_skip("no IPv6 here");
        close(v4);
        return;
    }
    dns_reset();
    dns.count[0] = dns.count[1] = 1;
    took = connects_to(v6, "both.test.", port);
    UB_CHECK(took < 200 * UB_MS, "with both, IPv6 is taken");
    struct sockaddr_in6 hole = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    hole.sin6_addr = in6addr_loopback;
    int filler = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect(filler, (struct sockaddr *)&hole, sizeof hole); /* its queue is full now */
    took = connects_to(v4, "hole6.test.", port);
    UB_CHECK(took >= 240 * UB_MS && took < UB_SECOND, "a dead IPv6: IPv4 after 250 ms (%d)",
             (int)(took / UB_MS));
    close(filler);
    close(v6);
    close(v4);

    struct ub_origin *origin = new_origin("nowhere.test.", 80);
    dns_reset();
    dns.rcode = 3;
    start(origin, UB_SECOND);
    UB_UNTIL(loop, dns_serve() && it.over);
    UB_CHECK(it.error == UB_ERR_CONNECT_FAILED, "a name that does not exist: %s", it.words);
    dns_reset();
    dns.silent[0] = dns.silent[1] = true;
    struct ub_origin *mute = new_origin("mute.test.", 80);
    start(mute, 50 * UB_MS);
    UB_UNTIL(loop, dns_serve() && it.over);
    UB_CHECK(it.error == UB_ERR_CONNECT_FAILED, "a mute name server: %s", it.words);
    ub_origin_free(mute);
    ub_origin_free(origin);
}

/* ---- CONNECT ---- */

static const struct {
    const char *name;
    const char *said;
    bool closes;
} refusals[] = {
    {"it wants credentials", "HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", false},
    {"it may not", "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", false},
    {"it speaks something else", "220 ftp ready\r\n", false},
    {"it closes", "", true},
    {"the origin does not speak TLS", "HTTP/1.1 200 OK\r\n\r\n", true},
    {"the origin speaks first", "HTTP/1.1 200 OK\r\n\r\nwelcome", false},
};

static void connect_refusals(void)
{
    char words[UB_TLS_WORDS], proxy[64];
    uint16_t port = 0;
    int listener = ub_peer_listen(false, &port, 8);
    struct ub_tls_client *client = ub_tls_client_new(NULL, false, words);
    snprintf(proxy, sizeof proxy, "http://me:secret@localhost:%u", port);
    const struct ub_origin_options options = {.tls = true,
                                              .tls_client = client,
                                              .host = UB_LIT("api.example"),
                                              .port = 443,
                                              .proxy = ub_slice_of(proxy),
                                              .idle_ns = UB_SECOND};
    for (size_t i = 0; i < UB_COUNT(refusals); i++) {
        struct ub_origin *origin = ub_origin_new(loop, &options);
        start(origin, 3 * UB_SECOND);
        struct ub_peer peer = ub_peer_accept(loop, listener);
        UB_CHECK(ub_peer_hears(&peer,
                               "CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n"
                               "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n"),
                 "a proxy is asked for the way");
        ub_peer_say_text(&peer, refusals[i].said);
        if (refusals[i].closes) {
            ub_peer_finish(&peer);
        }
        UB_UNTIL(loop, it.over);
        UB_CHECK(it.error == UB_ERR_CONNECT_FAILED || it.error == UB_ERR_TLS_FAILED, "%s: %s",
                 refusals[i].name, it.words);
        ub_peer_close(&peer, false);
        ub_origin_free(origin);
    }
    ub_tls_client_free(client);
    close(listener);
}

static void failing_memory(void)
{
    uint16_t port = 0;
    int listener = ub_peer_listen(false, &port, 64);
    int64_t count = 0;
    int failed = 0;
    dns_reset();
    dns.count[0] = dns.count[1] = 1;
    for (int64_t nth = 1; count >= nth - 1 && nth < 100; nth++) {
        char name[32];
        snprintf(name, sizeof name, "memory%d.test.", (int)nth);
        ub_alloc_fail_nth(nth);
        struct ub_loop *other = ub_loop_new();
        if (other != NULL && ub_resolver_use(other, dns.address)) {
            struct ub_loop *main_loop = loop;
            loop = other;
            struct ub_origin *origin = new_origin(name, port);
            if (origin != NULL) {
                start(origin, 300 * UB_MS);
                int fd = -1;
                UB_UNTIL(loop, dns_serve() && (it.over || (fd = accept4(listener, NULL, NULL,
                                                                        SOCK_NONBLOCK)) >= 0));
                failed += it.over && it.error == UB_ERR_NO_MEMORY;
                ub_call_cancel(&it.call);
                ub_origin_free(origin);
                close(fd);
            }
            loop = main_loop;
        }
        if (other != NULL) {
            ub_loop_free(other);
        }
        count = ub_alloc_count();
        ub_alloc_fail_nth(0);
    }
    UB_CHECK(count > 10 && failed > 3, "each of %d allocations failed once, %d calls by it",
             (int)count, failed);
    close(listener);
}

int main(void)
{
    loop = ub_loop_new();
    dns_open();
    UB_CHECK(ub_resolver_use(loop, dns.address), "names are looked up at our own server");
    names();
    happy_eyeballs();
    connect_refusals();
    failing_memory();
    close(dns.fd);
    ub_loop_free(loop);
    return ub_test_done();
}
