#include "gateway/proxy.h"

#include "base/test.h"
#include <stdlib.h>

static const struct {
    const char *name;
    const char *list;
    const char *host;
    bool want;
} rows[] = {
    {"an empty list", "", "api.deepseek.com", false},
    {"the host itself", "api.deepseek.com", "api.deepseek.com", true},
    {"one of several, with spaces", "a.b, api.deepseek.com ,c", "api.deepseek.com", true},
    {"everybody", "*", "api.deepseek.com", true},
    {"a domain covers what is below it", "deepseek.com", "api.deepseek.com", true},
    {"with a leading dot too", ".deepseek.com", "api.deepseek.com", true},
    {"case does not matter", "DeepSeek.COM", "api.deepseek.com", true},
    {"a name that only ends alike is another one", "seek.com", "api.deepseek.com", false},
    {"a longer name", "x.api.deepseek.com", "api.deepseek.com", false},
    {"only commas", ",,,", "h", false},
};

int main(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        UB_CHECK(ub_proxy_spares(ub_slice_of(rows[i].list), ub_slice_of(rows[i].host)) ==
                     rows[i].want,
                 "%s", rows[i].name);
    }
    unsetenv("https_proxy");
    setenv("HTTPS_PROXY", "http://proxy:3128", 1);
    setenv("NO_PROXY", "spared", 1);
    UB_CHECK(ub_slice_is(ub_proxy_for(UB_LIT("h")), "http://proxy:3128"),
             "the environment's proxy");
    UB_CHECK(ub_proxy_for(UB_LIT("spared")).len == 0, "unless the host is spared");
    return ub_test_done();
}
