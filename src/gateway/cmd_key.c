#include "base/options.h"
#include "base/slice.h"
#include "gateway/auth.h"
#include "gateway/commands.h"
#include "gateway/config_scalar.h"
#include "gateway/config_schema.h"
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#define PREFIX  "sk-ub-"
#define LETTERS 43 /* of 62 kinds: 256 bits */

/* Letters and digits only, so that a double click selects the whole key. Bytes over the largest
 * multiple of 62 are thrown away, so that every letter is equally likely. */
static bool make_key(char out[sizeof PREFIX + LETTERS])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    memcpy(out, PREFIX, sizeof PREFIX - 1);
    size_t filled = sizeof PREFIX - 1;
    while (filled < sizeof PREFIX - 1 + LETTERS) {
        unsigned char draw;
        ssize_t got = getrandom(&draw, 1, 0);
        if (got < 0 && errno != EINTR) {
            return false;
        }
        if (got == 1 && draw < 4 * 62) {
            out[filled++] = alphabet[draw % 62];
        }
    }
    out[filled] = '\0';
    return true;
}

static int print_key(const char *name, bool json)
{
    char key[sizeof PREFIX + LETTERS], hex[65];
    uint8_t hash[32];
    if (!make_key(key)) {
        fputs("unbusy key: no randomness\n", stderr);
        return UB_EXIT_FAILED;
    }
    ub_auth_hash(ub_slice_of(key), hash);
    for (size_t i = 0; i < sizeof hash; i++) {
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
    if (json) {
        printf("{\"name\": \"%s\", \"key\": \"%s\", \"sha256\": \"%s\"}\n", name, key, hex);
        return UB_EXIT_GOOD;
    }
    printf("%s\n- {name: %s, keys: [{sha256: \"%s\"}]}\n", key, name, hex);
    if (fflush(stdout) != 0) {
        return UB_EXIT_GOOD; /* main says so, and nobody saw the key */
    }
    fputs("The first line is the key for the client: it is shown this once and stored nowhere.\n"
          "The second line goes under 'tenants:' in the configuration.\n",
          stderr);
    return UB_EXIT_GOOD;
}

int ub_cmd_key(int argc, char **argv)
{
    const char *name = "web";
    bool json = false;
    const struct ub_option options[] = {
        {"name", "NAME", UB_OPTION_TEXT, &name, "name of the tenant (default: web)"},
        {"json", NULL, UB_OPTION_FLAG, &json, "print JSON"},
    };
    const struct ub_usage usage = {
        "key", "new",
        "Make an API key for a client, and the line of the configuration that admits it.\n"
        "The configuration holds only the key's SHA-256.",
        options, UB_COUNT(options)};
    int code = ub_options_read(&usage, &argc, argv);
    if (code != UB_OPTIONS_GO) {
        return code;
    }
    if (strcmp(argv[1], "new") != 0) {
        return ub_options_wrong(&usage, "say what to do: unbusy key new");
    }
    const char *wrong = ub_conf_text_wrong(UB_KIND_NAME, ub_slice_of(name));
    if (wrong != NULL) {
        return ub_options_wrong(&usage, "--name %s", wrong);
    }
    return print_key(name, json);
}
