#include "sim/fault.h"

#include <assert.h>

static const struct ub_fault_facts facts[] = {
#define X(name, place, error, pause, words) {UB_AT_##place, UB_ERR_##error, pause, words},
    UB_FAULTS(X)
#undef X
};

const struct ub_fault_facts *ub_fault_facts(enum ub_fault fault)
{
    assert(fault < UB_FAULT_COUNT);
    return &facts[fault];
}
