#include "sim/agenda.h"

#include "base/alloc.h"

static bool before(const struct ub_entry *a, const struct ub_entry *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

bool ub_agenda_add(struct ub_agenda *agenda, struct ub_entry entry)
{
    if (agenda->count == agenda->cap) {
        uint32_t cap = agenda->cap == 0 ? 64 : agenda->cap * 2;
        struct ub_entry *grown = ub_realloc(agenda->entries, cap * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        agenda->entries = grown;
        agenda->cap = cap;
    }
    entry.order = agenda->added++;
    uint32_t i = agenda->count++;
    while (i > 0 && before(&entry, &agenda->entries[(i - 1) / 2])) {
        agenda->entries[i] = agenda->entries[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    agenda->entries[i] = entry;
    return true;
}

bool ub_agenda_take(struct ub_agenda *agenda, struct ub_entry *out)
{
    if (agenda->count == 0) {
        return false;
    }
    struct ub_entry *e = agenda->entries;
    *out = e[0];
    struct ub_entry last = e[--agenda->count];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child + 1 < agenda->count && before(&e[child + 1], &e[child])) {
            child++;
        }
        if (child >= agenda->count || !before(&e[child], &last)) {
            break;
        }
        e[i] = e[child];
        i = child;
    }
    e[i] = last;
    return true;
}

void ub_agenda_free(struct ub_agenda *agenda)
{
    ub_free(agenda->entries);
    *agenda = (struct ub_agenda){0};
}
