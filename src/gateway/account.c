#include "gateway/account.h"

#include "gateway/attempt.h"

#define BYTES_PER_TOKEN 4 /* of text; English prose has a little more, code and Chinese less */

uint32_t ub_account_estimate(uint32_t events, uint64_t text_bytes)
{
    uint64_t by_bytes = (text_bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
    uint64_t tokens = by_bytes > events ? by_bytes : events;
    return tokens > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens;
}

uint32_t ub_account_said(const struct ub_attempt *attempt)
{
    if (attempt == NULL || attempt->request->endpoint == UB_ENDPOINT_EMBEDDINGS) {
        return 0;
    }
    return ub_account_estimate(attempt->relay.payload, attempt->relay.text_bytes);
}

/* Prices are per million tokens, so a token costs 1000 billionths of each unit of price. */
static double part(uint32_t tokens, double price)
{
    return tokens == 0 ? 0 : (double)tokens * price * 1000.0;
}

int64_t ub_account_cost(const struct ub_upstream_config *upstream,
                        const uint32_t tokens[UB_TOKENS_KINDS])
{
    uint32_t input = tokens[UB_TOKENS_INPUT], output = tokens[UB_TOKENS_OUTPUT];
    uint32_t cached = tokens[UB_TOKENS_CACHED] < input ? tokens[UB_TOKENS_CACHED] : input;
    double cached_price =
        upstream->price_cached < 0 ? upstream->price_input : upstream->price_cached;
    if ((input > cached && upstream->price_input < 0) || (cached > 0 && cached_price < 0) ||
        (output > 0 && upstream->price_output < 0)) {
        return -1;
    }
    bool has_price = upstream->price_input >= 0 || upstream->price_output >= 0;
    double nanos = part(input - cached, upstream->price_input) + part(cached, cached_price) +
                   part(output, upstream->price_output);
    return has_price ? (int64_t)(nanos + 0.5) : -1;
}

static void estimate(struct ub_account *account, const struct ub_request *request,
                     const struct ub_relay *relay)
{
    account->usage = UB_USAGE_ESTIMATED;
    account->tokens[UB_TOKENS_INPUT] = request->prompt_tokens;
    if (request->endpoint != UB_ENDPOINT_EMBEDDINGS) {
        account->tokens[UB_TOKENS_OUTPUT] = ub_account_estimate(relay->payload, relay->text_bytes);
    }
}

static void report(struct ub_account *account, const struct ub_openai_usage *usage)
{
    account->usage = UB_USAGE_REPORTED;
    account->tokens[UB_TOKENS_INPUT] = usage->input;
    account->tokens[UB_TOKENS_OUTPUT] = usage->output;
    account->tokens[UB_TOKENS_CACHED] = usage->cached;
}

static bool says(const struct ub_openai_usage *usage)
{
    return usage->input > 0 || usage->output > 0;
}

struct ub_account ub_account_of(const struct ub_request *request)
{
    struct ub_account account = {.cost_nanos = -1};
    const struct ub_kept *kept = request->passed_on;
    if (request->speaker != NULL) {
        const struct ub_relay *relay = &request->speaker->relay;
        account.site = request->speaker->site;
        if (says(&relay->usage)) {
            report(&account, &relay->usage);
        } else {
            estimate(&account, request, relay);
        }
    } else if (kept != NULL && says(&kept->usage)) {
        account.site = &request->view->setup->sites[kept->site];
        report(&account, &kept->usage);
    } else {
        return account;
    }
    account.has_usage = true;
    account.cost_nanos = ub_account_cost(account.site->config, account.tokens);
    return account;
}

struct ub_account ub_account_of_loser(const struct ub_attempt *attempt)
{
    struct ub_account account = {.has_usage = true, .site = attempt->site};
    estimate(&account, attempt->request, &attempt->relay);
    account.cost_nanos = ub_account_cost(account.site->config, account.tokens);
    return account;
}
