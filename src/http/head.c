#include "http/head.h"

const struct ub_http_field *ub_http_find(const struct ub_http_head *head, const char *name)
{
    struct ub_slice wanted = ub_slice_of(name);
    for (uint32_t i = 0; i < head->field_count; i++) {
        struct ub_slice given = head->field[i].name;
        if (given.len == wanted.len && ub_slice_eq_nocase(given, wanted)) {
            return &head->field[i];
        }
    }
    return NULL;
}

struct ub_slice ub_http_value(const struct ub_http_head *head, const char *name)
{
    const struct ub_http_field *field = ub_http_find(head, name);
    return field == NULL ? (struct ub_slice){"", 0} : field->value;
}
