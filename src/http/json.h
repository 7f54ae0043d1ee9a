/* json.h - the parts of a JSON text from bytes, checked as they arrive, however they are split.
 *
 * RFC 8259 to the letter: grammar, numbers, escapes, UTF-8 (also in keys). The text must be an
 * object, not nested deeper than UB_JSON_DEPTH. Stricter than the RFC only where two readers could
 * understand different things: surrogate escapes must come in pairs, and a key must not hold NUL.
 * Numbers are not computed, so none is too big.
 *
 * Pull style, as http1.h:   while ((found = ub_json_next(&json, &in)) > UB_JSON_MORE) { ... }
 *
 * No tree, no allocation, no copy of long texts: a string comes in parts, the last of which says
 * STRING (or KEY). Texts are unescaped.
 */
#ifndef UB_HTTP_JSON_H
#define UB_HTTP_JSON_H

#include "base/slice.h"
#include "http/escape.h"
#include "http/text.h"
#include <stdint.h>

#define UB_JSON_DEPTH 64
#define UB_JSON_STAGE 256 /* parts that had to be gathered are at most this long */

enum ub_json_found {
    UB_JSON_BAD,  /* json.bad says why, json.at where; final */
    UB_JSON_MORE, /* all of `in` is used up */
    UB_JSON_OBJECT,
    UB_JSON_OBJECT_END,
    UB_JSON_ARRAY,
    UB_JSON_ARRAY_END,
    UB_JSON_KEY_PART,    /* json.text: more of the key follows */
    UB_JSON_KEY,         /* json.text: the last part of the key, or all of it */
    UB_JSON_STRING_PART, /* json.text: more of the string follows */
    UB_JSON_STRING,      /* json.text: the last part of the string, or all of it */
    UB_JSON_NUMBER,      /* json.text: as written, at most its first UB_JSON_STAGE bytes */
    UB_JSON_TRUE,
    UB_JSON_FALSE,
    UB_JSON_NULL,
};

struct ub_json {
    struct ub_slice text; /* valid until the next call, as long as the bytes offered are */
    uint64_t begin;       /* where the token that was found begins, counted from the start */
    uint64_t at;          /* how many bytes are read: for a complete value, where it ends */
    uint32_t depth;       /* open objects and arrays; at OBJECT and ARRAY this one is counted */
    const char *bad;
    /* Private from here on. */
    uint64_t is_object; /* a bit for each depth */
    uint8_t state;
    uint8_t token;
    uint8_t literal_at;
    uint8_t number;
    struct ub_escape escape;
    struct ub_utf8 utf8;
    uint16_t staged;
    char stage[UB_JSON_STAGE];
};

void ub_json_init(struct ub_json *json);
enum ub_json_found ub_json_next(struct ub_json *json, struct ub_slice *in);

/* The text is over. False: it was not complete; json.bad says so. */
bool ub_json_finish(struct ub_json *json);

#endif
