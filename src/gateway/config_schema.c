#include "gateway/config_schema.h"

#include "base/slice.h"

#define ROOT(member)   offsetof(struct ub_conf_root, member)
#define TENANT(member) offsetof(struct ub_conf_tenant, member)
#define LATER(name)                            \
    {                                          \
        .key = (name), .shape = UB_SHAPE_LATER \
    }
#define DAY (24.0 * (double)UB_HOUR)
#define GIB ((double)(1 << 30))

/* --- tenants --- */

static const struct ub_conf_field key_fields[] = {
    {.key = "sha256",
     .kind = UB_KIND_SHA256,
     .offset = offsetof(struct ub_conf_key, sha256),
     .required = true,
     .about = "SHA-256 of an API key, 64 hexadecimal digits; `unbusy key new` prints both."},
};
static const struct ub_conf_section key_section = {.name = "keys[]",
                                                   .one = "a key",
                                                   .size = sizeof(struct ub_conf_key),
                                                   .fields = key_fields,
                                                   .count = UB_COUNT(key_fields)};

static const struct ub_conf_field tenant_fields[] = {
    {.key = "name",
     .kind = UB_KIND_NAME,
     .offset = TENANT(name),
     .required = true,
     .about = "What logs and metrics call it."},
    {.key = "keys",
     .shape = UB_SHAPE_LIST,
     .section = &key_section,
     .offset = TENANT(keys),
     .required = true,
     .min = 1,
     .max = 1000,
     .about = "Its API keys."},
    {.key = "class",
     .kind = UB_KIND_WORD,
     .offset = TENANT(class),
     .words = "critical interactive standard batch",
     .about =
         "Its priority class; a request may ask for a lower one with `x-unbusy-class`. Of those "
         "that wait for a slot the higher classes go first. It stands in the access log and in "
         "`unbusy_class_requests_total`."},
    {.key = "models",
     .shape = UB_SHAPE_LIST,
     .kind = UB_KIND_MODEL,
     .offset = TENANT(models),
     .min = 1,
     .max = 1000,
     .fallback = "all",
     .about = "Models that it may use: names, or beginnings of names with `*` at the end."},
    {.key = "requests",
     .shape = UB_SHAPE_SHORT,
     .section = &ub_conf_rate_section,
     .offset = TENANT(requests),
     .fallback = "no limit",
     .about = "Rate of its requests, over all models."},
    {.key = "tokens",
     .shape = UB_SHAPE_SHORT,
     .section = &ub_conf_rate_section,
     .offset = TENANT(tokens),
     .fallback = "no limit",
     .about = "Rate of its tokens, of prompts and answers together, over all models."},
    {.key = "concurrency",
     .kind = UB_KIND_COUNT,
     .offset = TENANT(concurrency),
     .min = 1,
     .max = 1e6,
     .fallback = "no limit",
     .about = "Requests that it may have in the house at the same time, those that wait included."},
    {.key = "limits",
     .shape = UB_SHAPE_LIST,
     .section = &ub_conf_share_section,
     .offset = TENANT(limits),
     .min = 1,
     .max = 256, /* the brain looks at one after the other */
     .fallback = "none",
     .about = "What it may ask of single models, beside that."},
    LATER("role"),
};

static void tenant_defaults(void *target)
{
    ((struct ub_conf_tenant *)target)->class = UB_TRAFFIC_STANDARD;
}

static const struct ub_conf_section tenant_section = {
    .name = "tenants[]",
    .one = "a tenant",
    .about = "Who may come in. Without tenants everybody may, on loopback addresses only.",
    .size = sizeof(struct ub_conf_tenant),
    .fields = tenant_fields,
    .count = UB_COUNT(tenant_fields),
    .defaults = tenant_defaults,
};

/* --- the whole --- */

static const struct ub_conf_field tls_fields[] = {
    {.key = "cert",
     .kind = UB_KIND_FILE,
     .offset = ROOT(tls_cert),
     .required = true,
     .about = "File with the certificate and its chain (PEM)."},
    {.key = "key",
     .kind = UB_KIND_FILE,
     .offset = ROOT(tls_key),
     .required = true,
     .about = "File with the private key (PEM, without passphrase)."},
    {.key = "client_ca",
     .kind = UB_KIND_FILE,
     .offset = ROOT(tls_client_ca),
     .fallback = "none",
     .about = "File with CA certificates; clients must then show a certificate signed by one."},
    {.key = "min_version",
     .kind = UB_KIND_WORD,
     .offset = ROOT(tls_min_version),
     .words = "1.3 1.2",
     .about = "The oldest TLS version that is spoken."},
};
static const struct ub_conf_section tls_section = {.name = "tls",
                                                   .one = "tls",
                                                   .fields = tls_fields,
                                                   .count = UB_COUNT(tls_fields),
                                                   .at = ROOT(tls_at)};

static const struct ub_conf_field queue_fields[] = {
    {.key = "size",
     .kind = UB_KIND_COUNT,
     .offset = ROOT(queue_size),
     .max = 1e6,
     .about = "Requests that may wait for a free slot at the same time; more are refused."},
    {.key = "bytes",
     .kind = UB_KIND_SIZE,
     .offset = ROOT(queue_bytes),
     .max = 1099511627776.0,
     .about = "Bytes that the bodies of these may have together; 0: no bound but `memory`."},
    {.key = "wait",
     .kind = UB_KIND_DURATION,
     .offset = ROOT(queue_wait_ns),
     .max = DAY,
     .about = "The longest wait. Who would wait longer, or beyond its own deadline, is refused at "
              "once."},
};
static const struct ub_conf_section queue_section = {
    .name = "queue", .one = "queue", .fields = queue_fields, .count = UB_COUNT(queue_fields)};

static const struct ub_conf_field timeout_fields[] = {
    {.key = "head",
     .kind = UB_KIND_DURATION,
     .offset = ROOT(out.head_time_ns),
     .min = 10 * (double)UB_MS,
     .max = DAY,
     .about = "A client's request head must be there, and its TLS handshake done."},
    {.key = "body",
     .kind = UB_KIND_DURATION,
     .offset = ROOT(out.body_time_ns),
     .min = 10 * (double)UB_MS,
     .max = DAY,
     .about = "More of a request body must come within this time."},
    {.key = "write",
     .kind = UB_KIND_DURATION,
     .offset = ROOT(out.write_time_ns),
     .min = 10 * (double)UB_MS,
     .max = DAY,
     .about = "A client that takes nothing of its answer for this long is dropped."},
    {.key = "idle",
     .kind = UB_KIND_DURATION,
     .offset = ROOT(out.idle_time_ns),
     .min = 10 * (double)UB_MS,
     .max = DAY,
     .about = "A client's connection may wait this long for its next request."},
    {.key = "connect",
     .kind = UB_KIND_DURATION,
     .offset = ROOT(out.connect_time_ns),
     .min = 10 * (double)UB_MS,
     .max = DAY,
     .about = "An upstream's name, connection and TLS handshake together."},
    {.key = "drain",
     .kind = UB_KIND_DURATION,
     .offset = ROOT(out.drain_time_ns),
     .max = DAY,
     .about = "Running requests may finish for this long after SIGTERM."},
};
static const struct ub_conf_section timeout_section = {.name = "timeouts",
                                                       .one = "timeouts",
                                                       .fields = timeout_fields,
                                                       .count = UB_COUNT(timeout_fields)};

static const struct ub_conf_field limit_fields[] = {
    {.key = "body",
     .kind = UB_KIND_SIZE,
     .offset = ROOT(out.body_max),
     .min = 1024,
     .max = GIB,
     .about = "The largest request body; more is a 413."},
    {.key = "requests",
     .kind = UB_KIND_COUNT,
     .offset = ROOT(out.requests_max),
     .min = 1,
     .max = 1e6,
     .about = "Requests in the house at the same time; more are refused with 503."},
};
static const struct ub_conf_section limit_section = {
    .name = "limits", .one = "limits", .fields = limit_fields, .count = UB_COUNT(limit_fields)};

static const struct ub_conf_field share_fields[] = {
    {.key = "redis",
     .kind = UB_KIND_SECRET,
     .offset = ROOT(share_redis),
     .required = true,
     .about = "`redis://user:password@host:port/database`, all but the host optional; `rediss://` "
              "for TLS. Redis 6 or later."},
    {.key = "ca",
     .kind = UB_KIND_FILE,
     .offset = ROOT(share_ca),
     .fallback = "the system's",
     .about = "File with the CA certificates that Redis' own is signed by."},
    {.key = "prefix",
     .kind = UB_KIND_NAME,
     .offset = ROOT(share_prefix),
     .fallback = "unbusy",
     .about = "What the names of keys in Redis begin with. Gateways with the same prefix share."},
    {.key = "node",
     .kind = UB_KIND_NAME,
     .offset = ROOT(share_node),
     .fallback = "gateway",
     .about = "What this gateway is called in Redis; something that is never the same twice is "
              "added."},
    {.key = "nodes",
     .kind = UB_KIND_COUNT,
     .offset = ROOT(share_nodes),
     .min = 1,
     .max = 1000,
     .about = "How many gateways there are at least: a fair part is counted with it as long as "
              "Redis has not said how many there are."},
};
static const struct ub_conf_section share_section = {.name = "share",
                                                     .one = "share",
                                                     .fields = share_fields,
                                                     .count = UB_COUNT(share_fields),
                                                     .at = ROOT(share_at)};

static const struct ub_conf_field root_fields[] = {
    {.key = "listen",
     .shape = UB_SHAPE_ONE_OR_LIST,
     .kind = UB_KIND_ADDRESS,
     .offset = ROOT(listen),
     .min = 1,
     .max = 16,
     .fallback = "127.0.0.1:8080",
     .about = "Where the API is: `ADDRESS:PORT` or a list; IPv6 in brackets, `:PORT` for all IPv4 "
              "addresses, port 0 for any free one."},
    {.key = "admin",
     .kind = UB_KIND_ADDRESS,
     .offset = ROOT(admin),
     .fallback = "off",
     .about = "Where `/metrics`, `/healthz`, `/readyz` and `/admin/*` are. Not for the public."},
    {.key = "tls",
     .shape = UB_SHAPE_SECTION,
     .section = &tls_section,
     .about = "Speak HTTPS on all `listen` addresses."},
    {.key = "threads",
     .kind = UB_KIND_COUNT,
     .offset = ROOT(out.threads),
     .min = 1,
     .max = 64,
     .fallback = "one per core",
     .about = "Worker threads."},
    {.key = "upstreams",
     .shape = UB_SHAPE_LIST,
     .section = &ub_conf_upstream_section,
     .offset = ROOT(upstreams),
     .required = true,
     .min = 1,
     .max = 4096,
     .about = "Places that can answer."},
    {.key = "models",
     .shape = UB_SHAPE_LIST,
     .section = &ub_conf_model_section,
     .offset = ROOT(models),
     .min = 1,
     .max = 4096,
     .fallback = "from the upstreams",
     .about = "What clients ask for."},
    {.key = "tenants",
     .shape = UB_SHAPE_LIST,
     .section = &tenant_section,
     .offset = ROOT(tenants),
     .min = 1,
     .max = 10000,
     .fallback = "everybody",
     .about = "Who may come in."},
    {.key = "open",
     .kind = UB_KIND_BOOL,
     .offset = ROOT(out.open),
     .about = "Without tenants, admit everybody also on addresses other than loopback."},
    {.key = "queue",
     .shape = UB_SHAPE_SECTION,
     .section = &queue_section,
     .about = "Waiting for a free slot when all upstreams are full."},
    {.key = "limits",
     .shape = UB_SHAPE_SECTION,
     .section = &limit_section,
     .about = "Bounds on what comes in."},
    {.key = "memory",
     .kind = UB_KIND_SIZE,
     .offset = ROOT(out.memory),
     .min = 1 << 20,
     .max = 1024 * GIB,
     .about = "Budget for request bodies; those above 1 MiB go to a file. When it is used up, "
              "reading pauses, then new requests get a 503."},
    {.key = "timeouts",
     .shape = UB_SHAPE_SECTION,
     .section = &timeout_section,
     .about = "Patience with connections."},
    {.key = "access_log",
     .kind = UB_KIND_FILE,
     .offset = ROOT(access_log),
     .fallback = "off",
     .about = "One line of JSON for each request, to this file; `\"-\"` is stdout."},
    {.key = "flight_record",
     .kind = UB_KIND_FILE,
     .offset = ROOT(flight_record),
     .fallback = "off",
     .about = "Every event that the brain sees, to this file, to be replayed at a desk."},
    {.key = "half_close",
     .kind = UB_KIND_BOOL,
     .offset = ROOT(out.half_close),
     .about = "A client that closes its sending side still waits for the answer. Off, it counts "
              "as having left."},
    {.key = "resume_buffer",
     .kind = UB_KIND_SIZE,
     .offset = ROOT(out.resume_buffer),
     .max = 64 << 20,
     .about = "How much of an answer is kept so that another upstream can go on when it breaks; "
              "one that is longer cannot be resumed any more. Counts against `memory`."},
    {.key = "share",
     .shape = UB_SHAPE_SECTION,
     .section = &share_section,
     .about =
         "The `concurrency` of an upstream and the limits of a tenant are those of all gateways "
         "together: parts of them are leased from Redis, where they are wanted. Upstreams "
         "with the same name and URL are the same, and tenants with the same name. When Redis "
         "cannot be reached, each gateway goes on with a fair part."},
    LATER("cache"),
    LATER("redis"),
    LATER("jobs"),
};

const struct ub_conf_section ub_conf_root_section = {
    .name = "",
    .one = "a configuration",
    .size = sizeof(struct ub_conf_root),
    .fields = root_fields,
    .count = UB_COUNT(root_fields),
};

void ub_conf_defaults(struct ub_conf_root *root)
{
    struct ub_model_policy policy = ub_model_policy_default();
    *root = (struct ub_conf_root){
        .out =
            {
                .memory = 1 << 30,
                .body_max = 64 << 20,
                .resume_buffer = 256 << 10, /* some 50,000 tokens */
                .requests_max = 20000,
                .head_time_ns = 10 * UB_SECOND,
                .body_time_ns = 30 * UB_SECOND,
                .write_time_ns = 60 * UB_SECOND,
                .idle_time_ns = 75 * UB_SECOND, /* longer than the usual 60 s of load balancers */
                .connect_time_ns = 5 * UB_SECOND,
                .drain_time_ns = 30 * UB_SECOND, /* what Kubernetes gives by default */
            },
        .share_nodes = 1,
        .queue_size = 10000,
        .queue_bytes = 512 << 20,
        .queue_wait_ns = policy.slot_wait_ns,
    };
}
