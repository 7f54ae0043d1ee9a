#include "gateway/config_schema.h"

#include "base/slice.h"

#define RATE(member)  offsetof(struct ub_conf_rate, member)
#define SHARE(member) offsetof(struct ub_conf_share, member)

static const struct ub_conf_field rate_fields[] = {
    {.key = "rate",
     .kind = UB_KIND_RATE,
     .offset = 0, /* all of the struct */
     .required = true,
     .max = 1e12,
     .about = "So much per time."},
    {.key = "burst",
     .kind = UB_KIND_COUNT,
     .offset = RATE(burst),
     .min = 1,
     .max = 4e9,
     .fallback = "the number before the unit",
     .about = "How much may come at once."},
};
const struct ub_conf_section ub_conf_rate_section = {
    .name = "rate", .one = "a rate", .fields = rate_fields, .count = UB_COUNT(rate_fields)};

static const struct ub_conf_field share_fields[] = {
    {.key = "model",
     .kind = UB_KIND_MODEL,
     .offset = SHARE(model),
     .required = true,
     .about = "The model; `\"*\"` means the model of that name, with all that it serves."},
    {.key = "requests",
     .shape = UB_SHAPE_SHORT,
     .section = &ub_conf_rate_section,
     .offset = SHARE(requests),
     .fallback = "no limit",
     .about = "Rate of the tenant's requests to it."},
    {.key = "tokens",
     .shape = UB_SHAPE_SHORT,
     .section = &ub_conf_rate_section,
     .offset = SHARE(tokens),
     .fallback = "no limit",
     .about = "Rate of the tenant's tokens, of prompts and answers together."},
};
const struct ub_conf_section ub_conf_share_section = {
    .name = "limits[]",
    .one = "a limit",
    .about = "Of one tenant and one model.",
    .size = sizeof(struct ub_conf_share),
    .fields = share_fields,
    .count = UB_COUNT(share_fields),
};
