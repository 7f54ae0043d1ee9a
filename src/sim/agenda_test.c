#include "sim/agenda.h"

#include "base/random.h"
#include "base/test.h"

int main(void)
{
    struct ub_agenda agenda = {0};
    struct ub_random random = {3};
    for (uint32_t i = 0; i < 5000; i++) {
        ub_agenda_add(&agenda, (struct ub_entry){.at = ub_random_below(&random, 40), .who = i});
    }
    struct ub_entry last = {.at = -1}, entry;
    bool ordered = true;
    uint32_t count = 0;
    while (ub_agenda_take(&agenda, &entry)) {
        ordered &= entry.at > last.at || (entry.at == last.at && entry.order > last.order);
        last = entry;
        count++;
    }
    UB_CHECK(ordered && count == 5000, "earliest first, ties in the order of entry");
    UB_CHECK(ub_agenda_first(&agenda) == UB_NEVER, "an empty agenda never happens");
    ub_agenda_free(&agenda);
    return ub_test_done();
}
