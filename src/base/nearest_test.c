#include "base/nearest.h"

#include "base/test.h"

static const char *const words[] = {"listen", "limits", "url",         "key",
                                    "tls",    "models", "concurrency", "access_log"};

static const struct {
    const char *name;
    const char *text;
    const char *want; /* "" = none */
} rows[] = {
    {"a letter left out", "listn", "listen"},
    {"a letter too many", "modells", "models"},
    {"another letter", "modelz", "models"},
    {"two neighbours swapped", "lsiten", "listen"},
    {"the plural forgotten", "model", "models"},
    {"several mistakes in a long word", "concurency_", "concurrency"},
    {"a dash for an underscore", "access-log", "access_log"},
    {"capitals", "URL", "url"},
    {"short words take one mistake", "uri", "url"},
    {"short words do not take two", "ux", ""},
    {"nothing like it", "certificate", ""},
    {"nothing at all", "", ""},
    {"longer than any word of ours",
     "listenlistenlistenlistenlistenlistenlistenlistenlistenlistenlisten", ""},
};

int main(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_nearest nearest = {.text = ub_slice_of(rows[i].text)};
        for (size_t j = 0; j < UB_COUNT(words); j++) {
            ub_nearest_offer(&nearest, words[j]);
        }
        UB_CHECK_TEXT(nearest.word != NULL ? nearest.word : "", rows[i].want, "%s", rows[i].name);
    }
    return ub_test_done();
}
