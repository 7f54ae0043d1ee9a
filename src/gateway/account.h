/* account.h - what a request used, and what that cost: of the upstream whose answer it got.
 *
 * Upstreams report usage in the last chunk of a stream, or at the end of an answer. When that never
 * came (the client left, the stream was cut, the upstream does not report) the figures are
 * estimates, and are called so wherever they are shown:
 *
 *     input    our estimate of the prompt, as at arrival; cached is not known, so 0
 *     output   one token for each event with something for the user in it, or one for each four
 *              bytes of text, whichever is more: engines send a token or a few in each event
 *
 * An empty answer that was passed on has used what was reported with it.
 *
 * What an upstream went on to generate unseen is not in them, nor what attempts before the last one
 * used: nobody tells us. Of an attempt that lost a race an estimate counts for its upstream alone.
 */
#ifndef UB_GATEWAY_ACCOUNT_H
#define UB_GATEWAY_ACCOUNT_H

#include "gateway/request.h"

struct ub_account {
    bool has_usage;             /* else all is 0: nothing was answered */
    const struct ub_site *site; /* whose tokens they are; NULL without usage */
    enum ub_metric_usage usage;
    uint32_t tokens[UB_TOKENS_KINDS]; /* cached ones are part of the input */
    int64_t cost_nanos;               /* billionths of the price's currency; -1 = not known */
};

struct ub_account ub_account_of(const struct ub_request *request);

/* The same for an attempt that another one has outrun: its prompt, which its upstream has probably read,
 * and what it said unseen. Always estimated. */
struct ub_attempt;
struct ub_account ub_account_of_loser(const struct ub_attempt *attempt);

struct ub_attempt;

/* Tokens of what this attempt has said so far, estimated; NULL has said nothing. */
uint32_t ub_account_said(const struct ub_attempt *attempt);

/* Tokens of an answer without a report, from the payload events and the bytes of text in it. */
uint32_t ub_account_estimate(uint32_t events, uint64_t text_bytes);

/* Billionths of the price's currency, or -1 when a price that matters is not known. Without one for
 * cached tokens they cost what others cost. */
int64_t ub_account_cost(const struct ub_upstream_config *upstream,
                        const uint32_t tokens[UB_TOKENS_KINDS]);

#endif
