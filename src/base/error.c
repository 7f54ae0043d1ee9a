#include "base/error.h"

#include <assert.h>

static const struct {
    enum ub_error_class class;
    bool quick;
    int status;
    const char *slug;
    const char *words;
} table[] = {
#define X(name, class, quick, status, slug, words) {UB_CLASS_##class, quick, status, slug, words},
    UB_ERRORS(X)
#undef X
};

enum ub_error_class ub_error_class(enum ub_error error)
{
    assert(error < UB_ERR_COUNT);
    return table[error].class;
}

bool ub_error_is_quick(enum ub_error error)
{
    assert(error < UB_ERR_COUNT);
    return table[error].quick;
}

int ub_error_status(enum ub_error error)
{
    assert(error < UB_ERR_COUNT);
    return table[error].status;
}

const char *ub_error_slug(enum ub_error error)
{
    assert(error < UB_ERR_COUNT);
    return table[error].slug;
}

const char *ub_error_words(enum ub_error error)
{
    assert(error < UB_ERR_COUNT);
    return table[error].words;
}
