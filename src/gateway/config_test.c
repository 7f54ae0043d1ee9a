/* What is refused, with its place and words; one row each. */
#include "gateway/config.h"

#include "base/test.h"
#include <stdio.h>
#include <stdlib.h>

#define UP  "upstreams: [{name: a, url: 'http://h'}]\n"
#define KEY "keys: [{sha256: '00000000000000000000000000000000000000000000000000000000000000ff'}]"

#define ONE    UP "models:\n- name: m\n"
#define TENANT "tenants:\n- name: t\n  " KEY "\n"

static const struct {
    const char *name;
    const char *yaml;
    const char *want; /* "" = good */
} rows[] = {
    /* the shape of the text */
    {"the least that works", UP, ""},
    {"a byte order mark", "\xef\xbb\xbf" UP, ""},
    {"nothing", "", "f:1:1: nothing is in it\n"},
    {"only a comment", "# x\n", "f:1:1: nothing is in it\n"},
    {"a list", "- a\n", "f:1:1: a configuration is a mapping 'key: value', not a list\n"},
    {"not YAML", "listen: 'x\n",
     "f:2:1: not YAML: found unexpected end of stream, while scanning a "
     "quoted scalar that began in line 1\n"},
    {"a tab", "tls:\n\tcert: x\n",
     "f:2:1: not YAML: found character that cannot start any token\n"},
    {"a variable in braces without quotes", "upstreams: [{name: a, key: ${X}}]\n",
     "f:1:29: not YAML: did not find expected ',' or '}'; inside { } and [ ] write \"${NAME}\" "
     "with "
     "quotes\n"},
    {"not UTF-8", "# \xe4\xbd\xa0\nlisten: \xff\n",
     "f:2:9: not UTF-8 text: invalid leading UTF-8 octet\n"},
    {"a zero byte in a text", UP "admin: \"a\\0:1\"\n",
     "f:2:8: 'admin' takes visible ASCII characters only\n"},
    {"two documents", UP "---\nx: 1\n",
     "f:2:1: a second document begins here; a configuration is one\n"},
    {"a tag", UP "open: !yes true\n", "f:2:7: tags have no meaning here\n"},
    {"a standard tag", UP "open: !!bool true\n", ""},
    {"an alias", "x: &x 1\n" UP, "f:1:1: a configuration has no key 'x'\n"},
    {"an alias that is used",
     "upstreams:\n- {name: a, url: 'http://h', models: &m [x]}\n"
     "- {name: b, url: 'http://i', models: *m}\n",
     ""},
    {"an alias without an anchor", UP "open: *x\n",
     "f:2:7: no complete anchor of this name stands before this alias\n"},
    {"an alias inside its anchor", "upstreams: &x [*x]\n",
     "f:1:16: no complete anchor of this name stands before this alias\n"},
    {"a merge key", "upstreams:\n- &a {name: a, url: 'http://h'}\n- {<<: *a, name: b}\n",
     "f:3:3: an upstream needs 'url'\nf:3:4: an upstream has no key '<<'\n"},
    {"deeper than anything of ours", "a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
     "f:1:19: nested more than 16 levels deep\n"},
    {"a list for a key", UP "[a]: 1\n", "f:2:1: a key must be one word, not a list or a mapping\n"},
    /* shared limits */
    {"limits that gateways share", UP "share: {redis: 'rediss://a:b@r:1/2', nodes: 3}\n", ""},
    {"sharing without Redis", UP "share: {nodes: 3}\n", "f:2:8: share needs 'redis'\n"},
    {"another scheme than Redis'", UP "share: {redis: 'http://r'}\n",
     "f:2:16: 'redis': expected redis://host:port/database or rediss:// for TLS\n"},
    {"a user of Redis without a password", UP "share: {redis: 'redis://me@r'}\n",
     "f:2:16: 'redis': before '@' stands user:password or :password\n"},
    {"no gateways", UP "share: {redis: 'redis://r', nodes: 0}\n",
     "f:2:36: 'nodes' must be a whole number from 1 to 1000, not '0'\n"},
    {"a CA without TLS", UP "share: {redis: 'redis://r', ca: x}\n",
     "f:2:33: 'ca' has no meaning without rediss://\n"},
    /* keys */
    {"an unknown key", UP "nonsense: 1\n", "f:2:1: a configuration has no key 'nonsense'\n"},
    {"a misspelt key", UP "Listn: 1\n", "f:2:1: unknown key 'Listn', did you mean 'listen'?\n"},
    {"a misspelt key of an upstream", "upstreams:\n  - name: a\n    urll: http://h\n",
     "f:2:5: an upstream needs 'url'\nf:3:5: unknown key 'urll', did you mean 'url'?\n"},
    {"a secret that became a key", UP "{key:sk-123: 1}: 1\n",
     "f:2:1: a key must be one word, not a list or a mapping\n"},
    {"a key without a space behind its colon",
     "upstreams: [{name: a, url: 'http://h', key:sk-123}]\n",
     "f:1:40: unknown key; a space belongs behind the colon, as in 'key: ...'\n"},
    {"a long secret in place of a key",
     "upstreams: [{name: a, url: 'http://h', "
     "sk-01234567890123456789012345678901}]\n",
     "f:1:40: an upstream has no such key\n"},
    {"a key twice", UP "open: true\nopen: false\n",
     "f:3:1: 'open' is here twice, first in line 2\n"},
    {"a list twice", UP UP, "f:2:1: 'upstreams' is here twice, first in line 1\n"},
    {"a key of a later version", UP "cache: {memory: 1GiB}\n",
     "f:2:1: 'cache' is not in this version yet\n"},
    /* values */
    {"a list for a value", UP "threads: [1]\n",
     "f:2:10: 'threads' must be one value, not a list\n"},
    {"a value for a list", "upstreams: a\n", "f:1:12: 'upstreams' must be a list, not one value\n"},
    {"no value", UP "threads:\n", "f:2:9: 'threads' has no value\n"},
    {"null", UP "admin: null\n", "f:2:8: 'admin' has no value\n"},
    {"too many threads", UP "threads: 65\n",
     "f:2:10: 'threads' must be a whole number from 1 to 64, not '65'\n"},
    {"half a thread", UP "threads: 1.5\n",
     "f:2:10: 'threads' must be a whole number from 1 to 64, not '1.5'\n"},
    {"a hexadecimal number", UP "threads: 0x2\n",
     "f:2:10: 'threads' must be a whole number from 1 to 64, not '0x2'\n"},
    {"a duration without a unit", UP "timeouts: {head: 5}\n",
     "f:2:18: 'head' must be a duration like 250ms or 5s, from 10ms to 1d, not '5'\n"},
    {"a duration out of bounds", UP "timeouts: {head: 25h}\n",
     "f:2:18: 'head' must be a duration like 250ms or 5s, from 10ms to 1d, not '25h'\n"},
    {"a size out of bounds", UP "limits: {body: 2GiB}\n",
     "f:2:16: 'body' must be a size like 64KiB or 8MiB, from 1KiB to 1GiB, not '2GiB'\n"},
    {"yes is no boolean", UP "open: yes\n", "f:2:7: 'open' must be true or false, not 'yes'\n"},
    {"a misspelt word", "upstreams: [{name: a, url: 'http://h', dialect: vlm}]\n",
     "f:1:49: 'dialect' must be one of openai, deepseek, vllm, sglang, llama (did you mean vllm?), "
     "not 'vlm'\n"},
    {"an empty text", UP "admin: ''\n", "f:2:8: 'admin' must not be empty\n"},
    {"a key with a space", "upstreams: [{name: a, url: 'http://h', key: 'a b'}]\n",
     "f:1:45: 'key' takes visible ASCII characters only, no spaces and no line ends\n"},
    {"a model name with a quote", "upstreams: [{name: a, url: 'http://h', models: ['a\"b']}]\n",
     "f:1:49: 'models' takes no spaces, quotes, backslashes or control characters\n"},
    /* variables */
    {"a variable", "upstreams: [{name: a, url: 'http://${UB_TEST_HOST}/${UB_TEST_PATH}'}]\n", ""},
    {"a variable that is not there", "upstreams: [{name: a, url: 'http://${UB_TEST_NONE}'}]\n",
     "f:1:28: the environment has no variable UB_TEST_NONE\n"},
    {"a variable that is empty", "upstreams: [{name: a, url: '${UB_TEST_EMPTY}'}]\n",
     "f:1:28: 'url' must not be empty\n"},
    {"a variable that is wrong is not shown", UP "threads: ${UB_TEST_HOST}\n",
     "f:2:10: 'threads' must be a whole number from 1 to 64, not '${UB_TEST_HOST}'\n"},
    {"a variable without an end", UP "admin: ${UB_TEST_HOST\n",
     "f:2:8: after '${' comes the name of a variable and '}'; write '$${' for a plain '${'\n"},
    {"something else in the braces", UP "admin: ${a-b}\n",
     "f:2:8: after '${' comes the name of a variable and '}'; write '$${' for a plain '${'\n"},
    {"a plain dollar", UP "access_log: a$b\n", ""},
    /* addresses and URLs */
    {"addresses", "listen: ['127.0.0.1:1', '[::1]:1', 'localhost:2', '127.0.0.1:0']\n" UP, ""},
    {"no port", "listen: 127.0.0.1\n" UP,
     "f:1:9: 'listen' is no ADDRESS:PORT like 127.0.0.1:8080, [::1]:8080 or :8080\n"},
    {"a port too high", "listen: 127.0.0.1:65536\n" UP,
     "f:1:9: 'listen' has no port from 0 to 65535\n"},
    {"a host name", "listen: example.org:80\n" UP,
     "f:1:9: 'listen' has no IP address: write one (IPv6 in brackets), localhost, or only :PORT\n"},
    {"the same address twice", "listen: ['127.0.0.1:1', 'localhost:1']\n" UP,
     "f:1:25: this address is in 'listen' twice\n"},
    {"admin where the API is", "admin: 127.0.0.1:8080\n" UP,
     "f:1:8: 'admin' needs an address of its own\n"},
    {"an open gateway", "listen: :80\n" UP,
     "f:1:9: without 'tenants' everybody who reaches this address could use the keys of the "
     "upstreams; if that is meant, say 'open: true'\n"},
    {"an open gateway on IPv6", "listen: '[::]:80'\n" UP,
     "f:1:9: without 'tenants' everybody who reaches this address could use the keys of the "
     "upstreams; if that is meant, say 'open: true'\n"},
    {"an open gateway that is meant", "listen: :80\nopen: true\n" UP, ""},
    {"with tenants", "listen: :80\ntenants: [{name: t, " KEY "}]\n" UP, ""},
    {"no scheme", "upstreams: [{name: a, url: example.org}]\n",
     "f:1:28: 'url' must begin with http:// or https://\n"},
    {"another scheme", "upstreams: [{name: a, url: 'ftp://h'}]\n",
     "f:1:28: 'url' must begin with http:// or https://\n"},
    {"no host", "upstreams: [{name: a, url: 'http:///v1'}]\n", "f:1:28: 'url' has a bad host\n"},
    {"a host with a space", "upstreams: [{name: a, url: 'http://a b'}]\n",
     "f:1:28: 'url' takes visible ASCII characters only\n"},
    {"an unclosed bracket", "upstreams: [{name: a, url: 'http://[::1'}]\n",
     "f:1:28: 'url' has a bad host or port\n"},
    {"port 0", "upstreams: [{name: a, url: 'http://h:0'}]\n",
     "f:1:28: 'url' has no port from 1 to 65535\n"},
    {"a password in a URL", "upstreams: [{name: a, url: 'http://u:secret@h'}]\n",
     "f:1:28: 'url' must not hold a user or a password\n"},
    {"a query in a URL", "upstreams: [{name: a, url: 'http://h/?k=v'}]\n",
     "f:1:28: 'url' must end with its path: no '?', no '#'\n"},
    {"ourselves", "upstreams: [{name: a, url: 'http://localhost:8080/v1'}]\n",
     "f:1:28: 'url' is this gateway's own address ('listen'): requests would go round in "
     "circles\n"},
    {"ourselves on all addresses",
     "listen: :80\nopen: true\nupstreams: [{name: a, url: 'http://127.0.0.1'}]\n",
     "f:3:28: 'url' is this gateway's own address ('listen'): requests would go round in "
     "circles\n"},
    /* names and references */
    {"no upstreams", "open: true\n", "f:1:1: a configuration needs 'upstreams'\n"},
    {"an empty list", "upstreams: []\n", "f:1:12: 'upstreams' must have 1 to 4096 items, not 0\n"},
    {"an upstream's name twice", UP "models: [{name: m}]\n", ""},
    {"two upstreams of one name",
     "upstreams:\n- {name: a, url: 'http://h'}\n- {name: a, url: 'http://i'}\n",
     "f:3:10: the name 'a' is taken by the upstream in line 2\n"},
    {"an unknown upstream in a tier",
     "upstreams: [{name: rack1, url: 'http://h'}]\n"
     "models: [{name: m, tiers: [[rak1], [other]]}]\n",
     "f:2:29: no upstream is called 'rak1', did you mean 'rack1'?\n"
     "f:2:37: no upstream is called 'other'\n"},
    {"an upstream twice in a tier", UP "models: [{name: m, tiers: [[a, a]]}]\n",
     "f:2:32: 'a' is in tier 1 already\n"},
    {"an upstream in two tiers", UP "models: [{name: m, tiers: [[a], [a]]}]\n",
     "f:2:34: 'a' is in tier 1 already\n"},
    {"a tier that is no list", UP "models: [{name: m, tiers: [a]}]\n",
     "f:2:28: a tier is a list of upstreams: 'tiers: [[a, b], [c]]'\n"},
    {"an empty tier", UP "models: [{name: m, tiers: [[]]}]\n",
     "f:2:28: 'tiers' must have 1 to 64 items, not 0\n"},
    {"17 tiers",
     UP "models: [{name: m, tiers: [[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
        "[]]}]\n",
     "f:2:27: 'tiers' must have 1 to 16 items, not 17\n"},
    {"a model twice", UP "models:\n- {name: m}\n- {name: m}\n",
     "f:4:10: the model 'm' is here twice\n"},
    /* ladders */
    {"a ladder",
     UP "models: [{name: m, degrade: [stale, {model: s}, {max_tokens: 9}, {message: 'Later, "
        "\"please\".'}]}, {name: s}]\n",
     ""},
    {"an empty ladder", UP "models: [{name: m, degrade: []}, {name: s}]\n",
     "f:2:29: 'degrade' must have 1 to 8 items, not 0\n"},
    {"a ladder that is none", UP "models: [{name: m, degrade: stale}, {name: s}]\n",
     "f:2:29: 'degrade' must be a list, not one value\n"},
    {"nine steps",
     UP "models: [{name: m, degrade: [stale, stale, stale, stale, stale, stale, stale, stale, "
        "stale]}, {name: s}]\n",
     "f:2:29: 'degrade' must have 1 to 8 items, not 9\n"},
    {"an unknown word for a step", UP "models: [{name: m, degrade: [stail]}, {name: s}]\n",
     "f:2:30: a step has no word 'stail'\n"},
    {"a word that needs a value", UP "models: [{name: m, degrade: [message]}, {name: s}]\n",
     "f:2:30: a step 'message' needs a value: '{message: ...}'\n"},
    {"an unknown step", UP "models: [{name: m, degrade: [{mesage: x}]}, {name: s}]\n",
     "f:2:31: unknown key 'mesage', did you mean 'message'?\n"},
    {"two steps in one",
     UP "models: [{name: m, degrade: [{model: s, max_tokens: 9}]}, {name: s}]\n",
     "f:2:30: a step is one of 'stale', '{model: NAME}', '{max_tokens: NUMBER}' and '{message: "
     "TEXT}'\n"},
    {"a step of nothing", UP "models: [{name: m, degrade: [{}]}, {name: s}]\n",
     "f:2:30: a step is one of 'stale', '{model: NAME}', '{max_tokens: NUMBER}' and '{message: "
     "TEXT}'\n"},
    {"a step that is not taken", UP "models: [{name: m, degrade: [{stale: false}]}, {name: s}]\n",
     "f:2:30: a step is one of 'stale', '{model: NAME}', '{max_tokens: NUMBER}' and '{message: "
     "TEXT}'\n"},
    {"a step to a model that is not there",
     UP "models: [{name: m, degrade: [{model: t}]}, {name: s}]\n",
     "f:2:38: no model is called 't', did you mean 'm'?\n"},
    {"a step to any model", UP "models: [{name: m, degrade: [{model: '*'}]}, {name: s}]\n",
     "f:2:38: a step leads to a model, and '*' is any\n"},
    {"a step to the model itself", UP "models: [{name: m, degrade: [{model: m}]}, {name: s}]\n",
     "f:2:38: 'm' leads to itself\n"},
    {"a step twice", UP "models: [{name: m, degrade: [{model: s}, {model: s}]}, {name: s}]\n",
     "f:2:42: this step is here twice\n"},
    {"a step of no tokens", UP "models: [{name: m, degrade: [{max_tokens: 0}]}, {name: s}]\n",
     "f:2:43: 'max_tokens' must be a whole number from 1 to 1000000, not '0'\n"},
    {"a step that is longer than one before",
     UP "models: [{name: m, degrade: [{max_tokens: 9}, {max_tokens: 10}]}, {name: s}]\n",
     "f:2:47: behind a step of 9 tokens, one of 10 changes nothing\n"},
    {"two messages", UP "models: [{name: m, degrade: [{message: a}, {message: b}]}, {name: s}]\n",
     "f:2:44: this step is here twice\n"},
    {"a message of two lines",
     UP "models: [{name: m, degrade: [{message: \"a\\nb\"}]}, {name: s}]\n",
     "f:2:40: 'message' takes no control characters and no line ends\n"},
    {"a circle of models",
     UP "models: [{name: m, degrade: [{model: s}]}, {name: s, degrade: [{model: m}]}]\n",
     "f:2:38: 's' leads back to 'm' by its own 'degrade'\n"
     "f:2:72: 'm' leads back to 's' by its own 'degrade'\n"},
    {"a model that nobody in its tiers serves",
     "upstreams: [{name: a, url: 'http://h', models: [x]}]\nmodels: [{name: m, tiers: [[a]]}]\n",
     "f:2:17: no upstream in the tiers of 'm' has it among its 'models'\n"},
    {"a model that nobody serves",
     "upstreams: [{name: a, url: 'http://h', models: [x]}]\nmodels: [{name: m}]\n",
     "f:2:17: no upstream has 'm' among its 'models'\n"},
    {"a public name twice", "upstreams: [{name: a, url: 'http://h', models: [x, x]}]\n",
     "f:1:52: 'x' is in 'models' twice\n"},
    {"a star that maps to a name", "upstreams: [{name: a, url: 'http://h', models: {'*': x}}]\n",
     "f:1:54: \"*\" passes on the name that the client asked for: its value must be \"*\", too\n"},
    {"bounds that cross", UP "models: [{name: m, first_token: {min: 5s, max: 4s}}]\n",
     "f:2:33: 'min' is longer than 'max'\n"},
    {"a base over the cap", UP "models: [{name: m, retry: {base: 30s}}]\n",
     "f:2:27: 'base' is longer than 'cap'\n"},
    {"key and key_file", "upstreams: [{name: a, url: 'http://h', key: k, key_file: f}]\n",
     "f:1:13: 'key' and 'key_file' are both given\n"
     "f:1:58: cannot read the key file: No such file or directory\n"},
    {"a CA for plain http", "upstreams: [{name: a, url: 'http://h', ca: none.pem}]\n",
     "f:1:44: 'ca' has no meaning with a plain http URL\n"},
    {"half of tls", UP "tls: {cert: none.pem}\n", "f:2:6: tls needs 'key'\n"},
    /* tenants */
    {"a key that is no hash", UP "tenants: [{name: t, keys: [{sha256: sk-123}]}]\n",
     "f:2:37: 'sha256' must be 64 hexadecimal digits\n"},
    {"a plain key", UP "tenants: [{name: t, keys: [sk-123]}]\n",
     "f:2:28: a key is a mapping 'key: value', not one value\n"},
    {"a tenant without keys", UP "tenants: [{name: t}]\n", "f:2:11: a tenant needs 'keys'\n"},
    {"two tenants of one name",
     UP "tenants:\n- {name: t, " KEY "}\n- {name: t, keys: [{sha256: '"
        "000000000000000000000000000000000000000000000000000000000000000e'}]}\n",
     "f:4:10: the name 't' is taken by the tenant in line 3\n"},
    {"a key of two tenants", UP "tenants:\n- {name: t, " KEY "}\n- {name: u, " KEY "}\n",
     "f:4:20: this key is in line 3 already\n"},
    {"a star in the middle of a pattern", UP "tenants: [{name: t, " KEY ", models: ['a*b']}]\n",
     "f:2:116: '*' stands only at the end of a pattern\n"},
    {"a model that is not there",
     "upstreams: [{name: a, url: 'http://h', models: [small]}]\ntenants:\n- name: t\n  " KEY
     "\n  models: [smal, 'deepseek-*']\n",
     "f:5:12: no model is called 'smal', did you mean 'small'?\n"},
    /* limits */
    {"limits",
     ONE TENANT "  requests: {rate: 1.5/s, burst: 9}\n  tokens: 1000/min\n"
                "  concurrency: 5\n  limits: [{model: m, requests: 1/s}]\n",
     ""},
    {"an upstream's concurrency of nothing",
     "upstreams:\n- name: a\n  url: http://h\n  concurrency: 0\n",
     "f:4:16: 'concurrency' must be learned, off, or a whole number from 1 to 1000000, not '0'\n"},
    {"an unknown class", ONE TENANT "  class: vip\n",
     "f:7:10: 'class' must be one of critical, interactive, standard, batch, not 'vip'\n"},
    {"a budget of nothing", ONE TENANT "  tokens: 0/min\n",
     "f:7:11: 'tokens' must be a rate like 100/s, 60000/min or 1000/h, more than 0, not '0/min'\n"},
    {"a rate without a unit", ONE TENANT "  requests: 100\n",
     "f:7:13: 'requests' must be a rate like 100/s, 60000/min or 1000/h, more than 0, not '100'\n"},
    {"a list for a rate", ONE TENANT "  requests: [1/s]\n",
     "f:7:13: a rate is a mapping 'key: value', not a list\n"},
    {"a burst without a rate", ONE TENANT "  requests: {burst: 5}\n",
     "f:7:13: a rate needs 'rate'\n"},
    {"a burst of nothing", ONE TENANT "  requests: {rate: 1/s, burst: 0}\n",
     "f:7:32: 'burst' must be a whole number from 1 to 4000000000, not '0'\n"},
    {"a concurrency of nothing", ONE TENANT "  concurrency: 0\n",
     "f:7:16: 'concurrency' must be a whole number from 1 to 1000000, not '0'\n"},
    {"more concurrency than the house has",
     "limits: {requests: 10}\n" ONE TENANT "  concurrency: 11\n",
     "f:6:3: 'concurrency' is more than 'limits.requests', which is 10\n"},
    {"limits of a model that is not there", ONE TENANT "  limits: [{model: n, requests: 1/s}]\n",
     "f:7:20: no model is called 'n', did you mean 'm'?\n"},
    {"limits of a model twice",
     ONE TENANT "  limits: [{model: m, requests: 1/s}, {model: m, tokens: 9/s}]\n",
     "f:7:47: the model 'm' is here twice\n"},
    {"limits of a model that the tenant may not use",
     ONE TENANT "  models: [n*]\n  limits: [{model: m, requests: 1/s}]\n",
     "f:8:20: 'models' of this tenant does not let it use 'm'\n"},
    {"limits of nothing", ONE TENANT "  limits: [{model: m}]\n",
     "f:7:12: limits nothing: it needs 'requests' or 'tokens'\n"},
    {"a share of more than the whole",
     ONE TENANT "  requests: 60/min\n  tokens: 100/s\n"
                "  limits: [{model: m, requests: 61/min, tokens: 6001/min}]\n",
     "f:9:33: 'requests' allows more than the tenant's own 'requests'\n"
     "f:9:49: 'tokens' allows more than the tenant's own 'tokens'\n"},
    {"a share of more than the model takes",
     ONE "  requests: 1/h\n  tokens: 10/s\n" TENANT
         "  limits: [{model: m, requests: {rate: 1/min, burst: 1}, tokens: 10/s}]\n",
     "f:9:33: 'requests' allows more than the model's own 'requests'\n"},
};

static void check_rows(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_buf problems = {0};
        struct ub_config *config = ub_config_parse("f", ub_slice_of(rows[i].yaml), &problems);
        ub_buf_add(&problems, "", 1);
        UB_CHECK_TEXT(problems.ptr, rows[i].want, "%s", rows[i].name);
        UB_CHECK((config != NULL) == (rows[i].want[0] == '\0'), "%s: result", rows[i].name);
        ub_config_release(config);
        ub_buf_free(&problems);
    }
}

/* Problems come in the order of the file, at most 50 of them. */
static void check_many(void)
{
    struct ub_buf yaml = {0}, problems = {0};
    for (int i = 0; i < 60; i++) {
        ub_buf_printf(&yaml, "nonsense%d: 1\n", i);
    }
    struct ub_config *config = ub_config_parse("f", ub_buf_slice(&yaml), &problems);
    ub_buf_add(&problems, "", 1);
    UB_CHECK(config == NULL && strstr(problems.ptr, "f:49:1: a configuration has no key") != NULL &&
                 strstr(problems.ptr, "f:50:1: and 11 more problems\n") != NULL,
             "no more than 50 problems are said");
    ub_buf_free(&problems);
    ub_buf_clear(&yaml);
    for (int i = 0; i < 300000; i++) {
        ub_buf_add_text(&yaml, "# 4 MiB of this\n");
    }
    config = ub_config_parse("f", ub_buf_slice(&yaml), &problems);
    UB_CHECK(config == NULL && ub_slice_is(ub_buf_slice(&problems), "f:1:1: larger than 4 MiB\n"),
             "a file has its bound");
    ub_buf_free(&problems);
    config = ub_config_load("/nonexistent/unbusy.yaml", &problems);
    UB_CHECK(config == NULL && ub_slice_is(ub_buf_slice(&problems),
                                           "/nonexistent/unbusy.yaml:1:1: cannot read it: No such "
                                           "file or directory\n"),
             "a file that is not there");
    ub_buf_free(&problems);
    ub_buf_free(&yaml);
}

/* A file of no bytes is read as a slice without a pointer. */
static void test_no_bytes(void)
{
    struct ub_buf problems = {0};
    struct ub_config *config = ub_config_parse("f", (struct ub_slice){NULL, 0}, &problems);
    UB_CHECK(config == NULL && ub_slice_is(ub_buf_slice(&problems), "f:1:1: nothing is in it\n"),
             "no bytes at all");
    ub_buf_free(&problems);
}

int main(void)
{
    test_no_bytes();
    setenv("UB_TEST_HOST", "example.org", 1);
    setenv("UB_TEST_PATH", "v1", 1);
    setenv("UB_TEST_EMPTY", "", 1);
    unsetenv("UB_TEST_NONE");
    check_rows();
    check_many();
    return ub_test_done();
}
