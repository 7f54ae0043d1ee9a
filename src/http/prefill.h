/* prefill.h - the request that asks another upstream to go on from what was delivered.
 *
 *   deepseek       {"role":"assistant","content":TEXT,"reasoning_content":...,"prefix":true} as the
 *                  last message, under /beta
 *   vllm, sglang,  {"role":"assistant","content":TEXT} as the last message, and beside the messages
 *   llama          "continue_final_message":true,"add_generation_prompt":false. llama-server goes on
 *                  without these, too, but only they make it do so under --no-prefill-assistant
 *                  (llama.cpp #23012)
 *
 * A last message that was the beginning of the answer already is made longer instead. Bounds on the
 * number of tokens shrink by what was delivered, to one at least: an upstream asked for none says
 * 400, and one token more than asked for is better than no end. All else stays byte for byte, and
 * is not copied where it is large.
 */
#ifndef UB_HTTP_PREFILL_H
#define UB_HTTP_PREFILL_H

#include "http/delivered.h"
#include "http/splice.h"

#define UB_PREFILL_PARTS 8 /* as many as a call takes */

struct ub_prefill_wish {
    struct ub_slice body; /* the client's, with its fields */
    const struct ub_scan_fields *asked;
    struct ub_slice model;   /* its name at the upstream, as for ub_splice */
    struct ub_slice target;  /* where it goes, as for others: "/v1/chat/completions" */
    enum ub_dialect dialect; /* of the upstream that is asked; ub_delivered_way says BY_PREFILL */
    const struct ub_delivered *delivered;
    uint32_t max_tokens; /* of the whole answer, however many the client asked for; 0 = as it did */
};

struct ub_prefill {
    struct ub_slice parts[UB_PREFILL_PARTS]; /* into `message`, `glue` and the body */
    uint32_t count;
    struct ub_buf message; /* the new message, or what the old one is made longer by */
    struct ub_buf glue;    /* small pieces of the body and what stands between them */
    struct ub_buf target;  /* where it really goes */
    struct ub_shorter shorter;
};

/* False: no memory. Close it in either case, when its bytes are sent. */
bool ub_prefill_write(struct ub_prefill *prefill, const struct ub_prefill_wish *wish);
void ub_prefill_close(struct ub_prefill *prefill);

#endif
