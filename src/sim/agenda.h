/* agenda.h - what is still to happen in virtual time, earliest first, ties in the order of entry.
 */
#ifndef UB_SIM_AGENDA_H
#define UB_SIM_AGENDA_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

struct ub_entry {
    ub_ns at;
    uint64_t order; /* set by ub_agenda_add */
    uint32_t what;
    uint32_t who;
    uint32_t serial; /* an entry about something that has changed since is recognised by this */
};

struct ub_agenda {
    struct ub_entry *entries;
    uint32_t count;
    uint32_t cap;
    uint64_t added;
};

bool ub_agenda_add(struct ub_agenda *agenda, struct ub_entry entry); /* false without memory */
bool ub_agenda_take(struct ub_agenda *agenda, struct ub_entry *out); /* false when empty */
void ub_agenda_free(struct ub_agenda *agenda);

static inline ub_ns ub_agenda_first(const struct ub_agenda *agenda)
{
    return agenda->count == 0 ? UB_NEVER : agenda->entries[0].at;
}

#endif
