#include "store/redis_url.h"

#include "base/test.h"

#include <stdio.h>

static const struct {
    const char *name, *url, *want; /* "tls host port database user password", or the words */
} rows[] = {
    {"a host alone", "redis://cache", "plain cache 6379 0 - -"},
    {"port and database", "redis://127.0.0.1:7000/3", "plain 127.0.0.1 7000 3 - -"},
    {"a slash without a database", "redis://cache/", "plain cache 6379 0 - -"},
    {"TLS", "rediss://cache.example", "tls cache.example 6379 0 - -"},
    {"IPv6 in brackets", "redis://[::1]:7000", "plain ::1 7000 0 - -"},
    {"a password alone", "redis://:s3cret@cache", "plain cache 6379 0 - s3cret"},
    {"user and password", "redis://web:s3cret@cache:1/2", "plain cache 1 2 web s3cret"},
    {"percent-encoding", "redis://a%40b:%2f%3A@cache", "plain cache 6379 0 a@b /:"},
    {"another scheme", "http://cache", "expected redis://host:port/database or rediss:// for TLS"},
    {"nothing", "", "expected redis://host:port/database or rediss:// for TLS"},
    {"no host", "redis://", "the host is missing or too long"},
    {"no host before the port", "redis://:7000", "the host is missing or too long"},
    {"a port that is none", "redis://cache:x", "the port is a number from 1 to 65535"},
    {"an empty port", "redis://cache:", "the port is a number from 1 to 65535"},
    {"port 0", "redis://cache:0", "the port is a number from 1 to 65535"},
    {"a port beyond all ports", "redis://cache:65536", "the port is a number from 1 to 65535"},
    {"a database that is none", "redis://cache/x", "behind the host stands /database, a number"},
    {"a space in the host", "redis://ca che", "the host has characters that names do not have"},
    {"a bracket that stays open", "redis://[::1", "']' is missing"},
    {"words behind the bracket", "redis://[::1]7", "behind ']' stands :port"},
    {"a user without a colon", "redis://web@cache", "before '@' stands user:password or :password"},
    {"a user without a password", "redis://web:@cache", "a user needs a password"},
    {"half an escape", "redis://:%4@cache",
     "the user or the password is too long or not well percent-encoded"},
    {"an escaped zero", "redis://:a%00b@cache",
     "the user or the password is too long or not well percent-encoded"},
};

int main(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_redis_url url;
        char got[1000];
        const char *words = ub_redis_url_parse(ub_slice_of(rows[i].url), &url);
        snprintf(got, sizeof got, "%s %s %u %u %s %s", url.tls ? "tls" : "plain", url.host,
                 url.port, url.database, url.user[0] != '\0' ? url.user : "-",
                 url.password[0] != '\0' ? url.password : "-");
        UB_CHECK_TEXT(words != NULL ? words : got, rows[i].want, "%s", rows[i].name);
    }
    char huge[400] = "redis://";
    memset(huge + 8, 'h', 300);
    struct ub_redis_url url;
    UB_CHECK(ub_redis_url_parse(ub_slice_of(huge), &url) != NULL, "a host of 300 letters");
    return ub_test_done();
}
