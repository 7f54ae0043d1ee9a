#include "http/octet.h"

#define IN(c, low, high) ((c) >= (low) && (c) <= (high))
#define DIGIT(c)         IN(c, '0', '9')
#define ALNUM(c)         (DIGIT(c) || IN((c) | 0x20, 'a', 'z'))
#define VISIBLE(c)       IN(c, 0x21, 0x7e)

/* Visible, but a delimiter (RFC 9110, 5.6.2). */
#define DELIMITER(c)                                                                          \
    ((c) == '"' || (c) == '(' || (c) == ')' || (c) == ',' || (c) == '/' || IN(c, ':', '@') || \
     IN(c, '[', ']') || (c) == '{' || (c) == '}')

/* Visible, but never raw in a URI (RFC 3986, 2), save for square brackets, which many send in a
 * query. A backslash above all: some read it as a slash. */
#define NOT_IN_TARGET(c)                                                                  \
    ((c) == '"' || (c) == '#' || (c) == '<' || (c) == '>' || (c) == '\\' || (c) == '^' || \
     (c) == '`' || IN(c, '{', '}'))

#define CLASS(c)                                                                             \
    (uint8_t)((VISIBLE(c) && !DELIMITER(c) ? UB_OCTET_TOKEN : 0) |                           \
              (VISIBLE(c) || (c) == ' ' || (c) == '\t' || (c) >= 0x80 ? UB_OCTET_TEXT : 0) | \
              (VISIBLE(c) && !NOT_IN_TARGET(c) ? UB_OCTET_TARGET : 0) |                      \
              (ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_' ? UB_OCTET_HOST : 0) |     \
              (DIGIT(c) || IN((c) | 0x20, 'a', 'f') ? UB_OCTET_HEX : 0) |                    \
              (DIGIT(c) ? UB_OCTET_DIGIT : 0) |                                              \
              ((VISIBLE(c) && (c) != '"' && (c) != '\\') || (c) == ' ' || (c) == '\t'        \
                   ? UB_OCTET_QUOTED                                                         \
                   : 0))
#define FOUR(c)    CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define SIXTEEN(c) FOUR(c), FOUR((c) + 4), FOUR((c) + 8), FOUR((c) + 12)
#define QUARTER(c) SIXTEEN(c), SIXTEEN((c) + 16), SIXTEEN((c) + 32), SIXTEEN((c) + 48)

const uint8_t ub_octet_class[256] = {QUARTER(0), QUARTER(64), QUARTER(128), QUARTER(192)};
