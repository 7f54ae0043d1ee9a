#include "gateway/config_schema.h"

#include "base/slice.h"

#define UPSTREAM(member) offsetof(struct ub_conf_upstream, member)
#define MODEL(member)    offsetof(struct ub_conf_model, member)
#define STEP(member)     offsetof(struct ub_conf_step, member)
#define DAY              (24.0 * (double)UB_HOUR)

/* --- upstreams --- */

static const struct ub_conf_field price_fields[] = {
    {.key = "input",
     .kind = UB_KIND_REAL,
     .offset = UPSTREAM(price_input),
     .max = 1e6,
     .fallback = "not known",
     .about = "Per million prompt tokens that were not cached."},
    {.key = "cached",
     .kind = UB_KIND_REAL,
     .offset = UPSTREAM(price_cached),
     .max = 1e6,
     .fallback = "`price.input`",
     .about = "Per million prompt tokens that came from its cache."},
    {.key = "output",
     .kind = UB_KIND_REAL,
     .offset = UPSTREAM(price_output),
     .max = 1e6,
     .fallback = "not known",
     .about = "Per million tokens of the answer."},
};
static const struct ub_conf_section price_section = {
    .name = "price", .one = "a price", .fields = price_fields, .count = UB_COUNT(price_fields)};

static const struct ub_conf_field upstream_fields[] = {
    {.key = "name",
     .kind = UB_KIND_NAME,
     .offset = UPSTREAM(name),
     .required = true,
     .about = "What tiers, logs, metrics and `x-unbusy-upstream` call it."},
    {.key = "url",
     .kind = UB_KIND_URL,
     .offset = UPSTREAM(url),
     .required = true,
     .about = "Base URL, http or https; `/v1` may be part of it, nothing is added to its path but "
              "the endpoint."},
    {.key = "dialect",
     .kind = UB_KIND_WORD,
     .offset = UPSTREAM(dialect),
     .words = "openai deepseek vllm sglang llama",
     .about =
         "What kind of server it is: which of its words to believe. Most is read alike for all. "
         "`openai`, also for resellers: words count beside the status, for they hide an empty "
         "account behind any. `deepseek`: without a status, `type` and `code` are not believed. "
         "`vllm`, `sglang`, `llama`: engines of your own, which quote the client in their "
         "messages: these are not searched for an empty account, a missing model or refused "
         "content. `llama` "
         "also: some faults of the client come as a 500, and `timings` say what was cached."},
    {.key = "key",
     .kind = UB_KIND_SECRET,
     .offset = UPSTREAM(key),
     .fallback = "none",
     .about = "API key, sent as `Authorization: Bearer`. Better `${NAME}` than the key itself."},
    {.key = "key_file",
     .kind = UB_KIND_FILE,
     .offset = UPSTREAM(key_file),
     .fallback = "none",
     .about = "File with the API key, instead of `key`; white space around it is dropped."},
    {.key = "models",
     .shape = UB_SHAPE_PAIRS,
     .kind = UB_KIND_MODEL,
     .offset = UPSTREAM(models),
     .max = 4096,
     .fallback = "any, by its public name",
     .about = "The models it serves: `{public name: name sent upstream}`, or a list of names that "
              "are the same on both sides."},
    {.key = "concurrency",
     .kind = UB_KIND_COUNT,
     .offset = UPSTREAM(concurrency),
     .min = 1,
     .max = 1e6,
     .words = "learned off",
     .fallback = "`learned`",
     .about =
         "Requests it takes at the same time. A number is an account's limit and never exceeded. "
         "`learned`: where the waiting for first tokens grows, or it refuses (429, 503), a limit "
         "is "
         "found and followed; it makes requests go elsewhere or wait, and none is refused for it. "
         "`off`: no limit."},
    {.key = "load",
     .kind = UB_KIND_WORD,
     .offset = UPSTREAM(load),
     .words = "metrics off",
     .about = "`metrics`: an engine (`vllm`, `sglang`, `llama`) is asked each second how much it "
              "has to do, on the page `/metrics` beside `/v1` (SGLang: `--enable-metrics`, "
              "llama-server: `--metrics`), and what others do with it counts in the choice. Of "
              "other dialects nothing is asked."},
    {.key = "zone",
     .kind = UB_KIND_NAME,
     .offset = UPSTREAM(zone),
     .fallback = "none",
     .about =
         "Where it is. Stands in the access log beside the upstream that answered, and as a label "
         "of `unbusy_upstream_info`; it does not change who is chosen."},
    {.key = "price",
     .shape = UB_SHAPE_SECTION,
     .section = &price_section,
     .about =
         "What it charges, in any one currency, the same for all upstreams. From it and the usage "
         "come `cost` in the access log and `unbusy_cost_total`; it does not change who is "
         "chosen."},
    {.key = "ca",
     .kind = UB_KIND_FILE,
     .offset = UPSTREAM(ca),
     .fallback = "the system's only",
     .about = "File with CA certificates (PEM) that are trusted for it besides the system's."},
    {.key = "verify",
     .kind = UB_KIND_BOOL,
     .offset = UPSTREAM(verify),
     .about = "Check its certificate and host name. `false` only for tests."},
};

static void upstream_defaults(void *target)
{
    struct ub_conf_upstream *upstream = target;
    upstream->dialect = UB_DIALECT_OPENAI;
    upstream->verify = true;
    upstream->concurrency = UB_CONF_LEARNED;
    upstream->price_input = upstream->price_cached = upstream->price_output = -1;
}

static const char *upstream_check(const void *target)
{
    const struct ub_conf_upstream *upstream = target;
    if (upstream->key.text != NULL && upstream->key_file.text != NULL) {
        return "'key' and 'key_file' are both given";
    }
    return NULL;
}

const struct ub_conf_section ub_conf_upstream_section = {
    .name = "upstreams[]",
    .one = "an upstream",
    .about = "Places that can answer: a base URL and a key each.",
    .size = sizeof(struct ub_conf_upstream),
    .fields = upstream_fields,
    .count = UB_COUNT(upstream_fields),
    .defaults = upstream_defaults,
    .check = upstream_check,
};

/* --- models --- */

static const struct ub_conf_field affinity_fields[] = {
    {.key = "cookie",
     .kind = UB_KIND_FIELD,
     .offset = MODEL(affinity_cookie),
     .fallback = "off",
     .about = "Name of a cookie that is set to keep a client at its upstream."},
    {.key = "header",
     .kind = UB_KIND_FIELD,
     .offset = MODEL(affinity_header),
     .fallback = "off",
     .about = "Name of a request header whose equal values go to the same upstream."},
    {.key = "client_ip",
     .kind = UB_KIND_BOOL,
     .offset = MODEL(affinity_client),
     .about = "Keep clients together by address."},
    {.key = "prefix",
     .kind = UB_KIND_BOOL,
     .offset = MODEL(affinity_prefix),
     .about = "Send prompts that begin alike to the upstream that has this beginning cached."},
};
static const struct ub_conf_section affinity_section = {.name = "affinity",
                                                        .one = "affinity",
                                                        .fields = affinity_fields,
                                                        .count = UB_COUNT(affinity_fields)};

static const struct ub_conf_field first_token_fields[] = {
    {.key = "min",
     .kind = UB_KIND_DURATION,
     .offset = MODEL(policy.first_token_min_ns),
     .min = (double)UB_MS,
     .max = DAY,
     .about = "An upstream always has this long until the first payload."},
    {.key = "max",
     .kind = UB_KIND_DURATION,
     .offset = MODEL(policy.first_token_max_ns),
     .min = (double)UB_MS,
     .max = DAY,
     .about = "And never longer than this, plus the learned time to read the prompt."},
};

static const char *first_token_check(const void *target)
{
    const struct ub_conf_model *model = target;
    return model->policy.first_token_min_ns > model->policy.first_token_max_ns
               ? "'min' is longer than 'max'"
               : NULL;
}

static const struct ub_conf_section first_token_section = {.name = "first_token",
                                                           .one = "first_token",
                                                           .fields = first_token_fields,
                                                           .count = UB_COUNT(first_token_fields),
                                                           .check = first_token_check};

static const struct ub_conf_field retry_fields[] = {
    {.key = "attempts",
     .kind = UB_KIND_COUNT,
     .offset = MODEL(policy.retry.attempts),
     .min = 1,
     .max = 16,
     .about =
         "Tries for one request, the first one included; 1: never a second one. See `ride_out`."},
    {.key = "ride_out",
     .kind = UB_KIND_DURATION,
     .offset = MODEL(policy.retry.ride_out_ns),
     .max = (double)UB_HOUR,
     .about =
         "For so long after its arrival a request does not count quick refusals (429, 503, 529, a "
         "refused connection) as tries, up to 16 in all and unless very many wait: a moment in "
         "which everybody refuses is ridden out."},
    {.key = "base",
     .kind = UB_KIND_DURATION,
     .offset = MODEL(policy.retry.base_ns),
     .min = (double)UB_MS,
     .max = (double)UB_MINUTE,
     .about = "First window of the pause when everybody refused; doubled each time, drawn evenly "
              "from 0 to the window. After a throttle (429) it begins five times as long."},
    {.key = "cap",
     .kind = UB_KIND_DURATION,
     .offset = MODEL(policy.retry.cap_ns),
     .min = (double)UB_MS,
     .max = (double)UB_HOUR,
     .about = "No window is longer."},
    {.key = "budget",
     .kind = UB_KIND_REAL,
     .offset = MODEL(policy.retry.budget),
     .max = 10,
     .about =
         "Extra tries per request on average, for the model and once more at each upstream, so "
         "that retries cannot become a storm; 10 per second are free, and moving on from a "
         "quick refusal to an upstream that has free slots is so, too."},
};

static const char *retry_check(const void *target)
{
    const struct ub_retry_policy *retry = &((const struct ub_conf_model *)target)->policy.retry;
    return retry->base_ns > retry->cap_ns ? "'base' is longer than 'cap'" : NULL;
}

static const struct ub_conf_section retry_section = {.name = "retry",
                                                     .one = "retry",
                                                     .fields = retry_fields,
                                                     .count = UB_COUNT(retry_fields),
                                                     .check = retry_check};

static const struct ub_conf_field hedge_fields[] = {
    {.key = "budget",
     .kind = UB_KIND_REAL,
     .offset = MODEL(policy.hedge_budget),
     .max = 1,
     .about = "Hedges per request on average: an upstream that is slower than 95 of 100 of its own "
              "first tokens gets a rival in its tier, the first to speak wins and the other one is "
              "cancelled. One that has let the request in and only says that it waits gets one, in "
              "any tier, when it has taken twice as long as the other usually takes; that is paid "
              "from the retry budget first. 0: never two tries at the same time."},
};

static const struct ub_conf_section hedge_section = {
    .name = "hedge", .one = "hedge", .fields = hedge_fields, .count = UB_COUNT(hedge_fields)};

static const struct ub_conf_field heartbeat_fields[] = {
    {.key = "after",
     .kind = UB_KIND_DURATION,
     .offset = MODEL(policy.heartbeat_after_ns),
     .max = DAY,
     .about =
         "A waiting stream gets its head and a first comment after this long; until then the "
         "status is still free. When all tries failed but the last one, it waits until that one "
         "has run for a second. `0` = never."},
    {.key = "every",
     .kind = UB_KIND_DURATION,
     .offset = MODEL(policy.heartbeat_every_ns),
     .min = 100 * (double)UB_MS,
     .max = DAY,
     .about = "And another one this often."},
};
static const struct ub_conf_section heartbeat_section = {.name = "heartbeat",
                                                         .one = "heartbeat",
                                                         .fields = heartbeat_fields,
                                                         .count = UB_COUNT(heartbeat_fields)};

static const struct ub_conf_field step_fields[] = {
    {.key = "stale",
     .kind = UB_KIND_BOOL,
     .offset = STEP(stale),
     .fallback = "-",
     .about =
         "`stale` alone is enough. An old answer from the cache; there is none in this version "
         "yet, so the next step follows at once."},
    {.key = "model",
     .kind = UB_KIND_MODEL,
     .offset = STEP(model),
     .fallback = "-",
     .about =
         "The answer of this model, with tries, tiers and waiting of its own. Its own `degrade` "
         "does not follow. Tenants get it whether or not they may ask for it."},
    {.key = "max_tokens",
     .kind = UB_KIND_COUNT,
     .offset = STEP(max_tokens),
     .min = 1,
     .max = 1e6,
     .fallback = "-",
     .about = "An answer of at most so many tokens; a lower bound of the client's stays."},
    {.key = "message",
     .kind = UB_KIND_TEXT,
     .offset = STEP(message),
     .fallback = "-",
     .about =
         "This text as a whole answer, with status 200 and no tokens used. Not for embeddings, "
         "nor where a grammar, log probabilities or `n` above 1 are asked for."},
};

static const char *step_check(const void *target)
{
    const struct ub_conf_step *step = target;
    int count = step->stale + (step->model.text != NULL) + (step->max_tokens != 0) +
                (step->message.text != NULL);
    return count == 1 ? NULL
                      : "a step is one of 'stale', '{model: NAME}', '{max_tokens: NUMBER}' and "
                        "'{message: TEXT}'";
}

static const struct ub_conf_section step_section = {
    .name = "degrade[]",
    .one = "a step",
    .about =
        "What is answered when nobody can answer: one step after the other, each request takes "
        "each once. A step that was needed is taken at once by those who cannot start at once, "
        "until it has not been needed for ten seconds; `max_tokens` by everybody. Never for "
        "what is the client's own fault, does not fit, or is over a limit. The answer says so "
        "in `x-unbusy-degraded`.",
    .size = sizeof(struct ub_conf_step),
    .fields = step_fields,
    .count = UB_COUNT(step_fields),
    .check = step_check,
    .bare = true,
};

static const struct ub_conf_field model_fields[] = {
    {.key = "name",
     .kind = UB_KIND_MODEL,
     .offset = MODEL(name),
     .required = true,
     .about = "The public name that clients ask for. `\"*\"` stands for every name that has no "
              "model of its own and passes it on."},
    {.key = "tiers",
     .shape = UB_SHAPE_TIERS,
     .kind = UB_KIND_NAME,
     .offset = MODEL(tiers),
     .max = UB_TIERS_MAX,
     .fallback = "one tier of all upstreams that serve it",
     .about = "Lists of upstreams. Those of one tier are tried together; the next tier is used "
              "when this one cannot answer within `patience`."},
    {.key = "balance",
     .kind = UB_KIND_WORD,
     .offset = MODEL(policy.balance),
     .words = "adaptive dynamic_weight least_request round_robin",
     .about = "How to choose inside a tier."},
    {.key = "affinity",
     .shape = UB_SHAPE_SECTION,
     .section = &affinity_section,
     .about = "What keeps requests that belong together at one upstream."},
    {.key = "patience",
     .kind = UB_KIND_DURATION,
     .offset = MODEL(policy.patience_ns),
     .max = DAY,
     .about = "How long to wait for a better tier (a free slot, a retry there) before going down "
              "one."},
    {.key = "first_token",
     .shape = UB_SHAPE_SECTION,
     .section = &first_token_section,
     .about = "Bounds of the learned deadline to the first payload."},
    {.key = "total",
     .kind = UB_KIND_DURATION,
     .offset = MODEL(policy.total_ns),
     .min = (double)UB_MS,
     .max = DAY,
     .about = "Until the first payload is forwarded, all tries together; afterwards only `stall` "
              "ends a stream."},
    {.key = "stall",
     .kind = UB_KIND_DURATION,
     .offset = MODEL(policy.stall_ns),
     .min = 10 * (double)UB_MS,
     .max = DAY,
     .about = "A stream without payload for this long is broken."},
    {.key = "retry",
     .shape = UB_SHAPE_SECTION,
     .section = &retry_section,
     .about = "Tries after the first."},
    {.key = "slow_over",
     .kind = UB_KIND_DURATION,
     .offset = MODEL(policy.slow_over_ns),
     .max = DAY,
     .fallback = "off",
     .about = "With `dynamic_weight`: an upstream whose mean response time is over this gets 60 % "
              "less weight."},
    {.key = "heartbeat",
     .shape = UB_SHAPE_SECTION,
     .section = &heartbeat_section,
     .about = "Comment lines that keep a waiting stream open."},
    {.key = "hedge",
     .shape = UB_SHAPE_SECTION,
     .section = &hedge_section,
     .about = "A second try beside the first."},
    {.key = "requests",
     .shape = UB_SHAPE_SHORT,
     .section = &ub_conf_rate_section,
     .offset = MODEL(requests),
     .fallback = "no limit",
     .about = "Rate of requests to it, of all tenants together."},
    {.key = "tokens",
     .shape = UB_SHAPE_SHORT,
     .section = &ub_conf_rate_section,
     .offset = MODEL(tokens),
     .fallback = "no limit",
     .about = "Rate of its tokens, of prompts and answers together, of all tenants together."},
    {.key = "resume",
     .kind = UB_KIND_BOOL,
     .offset = MODEL(resume),
     .about = "A streamed chat that breaks midway goes on at another upstream, in the same stream. "
              "Not with tools in flight, grammars, `n` above 1 or log probabilities."},
    {.key = "degrade",
     .shape = UB_SHAPE_LIST,
     .section = &step_section,
     .offset = MODEL(degrade),
     .min = 1,
     .max = UB_STEPS_MAX,
     .fallback = "none: an error",
     .about = "What to answer when all upstreams are busy or failing, best first."},
};

static void model_defaults(void *target)
{
    struct ub_conf_model *model = target;
    model->policy = ub_model_policy_default();
    model->resume = true;
    model->affinity_client = (model->policy.affinity & UB_AFFINITY_CLIENT) != 0;
    model->affinity_prefix = (model->policy.affinity & UB_AFFINITY_PREFIX) != 0;
}

const struct ub_conf_section ub_conf_model_section = {
    .name = "models[]",
    .one = "a model",
    .about = "Public names, each a route over tiers of upstreams. Without `models`, every name "
             "that an upstream lists becomes a model with one tier of all upstreams that serve it; "
             "those that list none serve all of these, and every other name too.",
    .size = sizeof(struct ub_conf_model),
    .fields = model_fields,
    .count = UB_COUNT(model_fields),
    .defaults = model_defaults,
};
