/* complaint.h - the error object of an upstream, in the forms that exist, and what it means.
 *
 *     {"error": {"message": ..., "type": ..., "param": ..., "code": ...}}     OpenAI, DeepSeek
 *     {"error": "words"}                                                     some resellers
 *     {"object": "error", "message": ..., "type": ..., "code": 400}          older vLLM, SGLang
 *     {"detail": "words"}                                                    FastAPI in front of one
 *
 * Texts are left as they stand, escaped as in JSON.
 */
#ifndef UB_HTTP_COMPLAINT_H
#define UB_HTTP_COMPLAINT_H

#include "base/error.h"
#include "http/dialect.h"
#include "http/walk.h"

struct ub_complaint {
    struct ub_slice message;
    struct ub_slice type;
    struct ub_slice code;
    uint32_t status; /* a numeric code; 0 = none */
};

/* Takes the value of `error`, whatever it is. False: it is null or says nothing. */
bool ub_complaint_walk(struct ub_walk *walk, struct ub_complaint *complaint);

/* Takes the value of `key` if it belongs to an error object, else nothing. */
bool ub_complaint_member(struct ub_walk *walk, struct ub_slice key, struct ub_complaint *complaint);

/* From a whole body. When it is no error object, all of it is the message. */
void ub_complaint_read(struct ub_slice body, struct ub_complaint *complaint);

/* What it means, by the status it came with; never OK. */
enum ub_error ub_complaint_refusal(int status, const struct ub_complaint *complaint,
                                   enum ub_dialect dialect);

/* What it means inside an answer whose status was good; never OK. */
enum ub_error ub_complaint_error(const struct ub_complaint *complaint, enum ub_dialect dialect);

#endif
