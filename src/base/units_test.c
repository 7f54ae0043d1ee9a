#include "base/units.h"

#include "base/test.h"
#include <math.h>
#include <stdio.h>

#define BAD UINT64_MAX /* the text must be refused */

static const struct {
    const char *name;
    const char *text;
    uint64_t want;
    const char *printed; /* NULL: as it was written */
} duration_rows[] = {
    {"milliseconds", "250ms", 250 * 1000000ull, NULL},
    {"seconds", "5s", 5000000000ull, NULL},
    {"minutes", "10m", 600000000000ull, NULL},
    {"a full day prints as a day", "24h", 86400000000000ull, "1d"},
    {"microseconds and nanoseconds", "7us", 7000, NULL},
    {"decimals", "1.5s", 1500000000ull, "1500ms"},
    {"three decimals of the largest unit", "0.001d", 86400000000ull, "86400ms"},
    {"zero needs no unit", "0", 0, "0s"},
    {"the longest duration", "9223372036854775806ns", 9223372036854775806ull, NULL},
    {"never is no duration", "9223372036854775807ns", BAD, NULL},
    {"too long for the type", "106752d", BAD, NULL},
    {"too many digits", "99999999999999999999ns", BAD, NULL},
    {"a number without a unit", "5", BAD, NULL},
    {"an unknown unit", "5sec", BAD, NULL},
    {"a unit in capitals", "5S", BAD, NULL},
    {"a space before the unit", "5 s", BAD, NULL},
    {"a sign", "-5s", BAD, NULL},
    {"no digits", "s", BAD, NULL},
    {"nothing", "", BAD, NULL},
    {"no digit before the point", ".5s", BAD, NULL},
    {"no digit after the point", "5.s", BAD, NULL},
    {"four decimals", "0.0001s", BAD, NULL},
    {"less than a nanosecond", "0.5ns", BAD, NULL},
    {"something after the unit", "5s ", BAD, NULL},
};

static const struct {
    const char *name;
    const char *text;
    uint64_t want;
    const char *printed;
} size_rows[] = {
    {"kibibytes", "64KiB", 65536, NULL},
    {"mebibytes", "8MiB", 8388608, NULL},
    {"gibibytes", "1GiB", 1073741824, NULL},
    {"tebibytes", "3TiB", 3298534883328, NULL},
    {"a bare number is bytes", "1500", 1500, "1500B"},
    {"decimals", "1.5KiB", 1536, "1536B"},
    {"zero", "0", 0, "0B"},
    {"the largest size but one unit", "18446744073709551615B", UINT64_MAX, NULL},
    {"too large for the type", "16777216TiB", BAD, NULL},
    {"decimal units are ambiguous", "8MB", BAD, NULL},
    {"half a byte", "0.5B", BAD, NULL},
};

static const struct {
    const char *name;
    const char *text;
    double want; /* < 0: refused */
    const char *printed;
} rate_rows[] = {
    {"per second", "100/s", 100, NULL},
    {"per minute", "90/min", 1.5, NULL},
    {"whole seconds print so", "60000/min", 1000, "1000/s"},
    {"per hour", "1/h", 1.0 / 3600, NULL},
    {"decimals", "0.5/s", 0.5, "30/min"},
    {"nothing at all", "0/s", 0, NULL},
    {"an unknown unit", "5/day", -1, NULL},
    {"no unit", "5", -1, NULL},
    {"a sign", "-5/s", -1, NULL},
};

int main(void)
{
    char out[UB_UNIT_TEXT];
    for (size_t i = 0; i < UB_COUNT(duration_rows); i++) {
        ub_ns got = 0;
        bool ok = ub_duration_parse(ub_slice_of(duration_rows[i].text), &got);
        uint64_t want = duration_rows[i].want;
        UB_CHECK(ok == (want != BAD) && (!ok || (uint64_t)got == want), "duration: %s",
                 duration_rows[i].name);
        if (ok) {
            const char *printed = duration_rows[i].printed;
            UB_CHECK_TEXT(ub_duration_print(got, out), printed ? printed : duration_rows[i].text,
                          "printed: %s", duration_rows[i].name);
        }
    }
    for (size_t i = 0; i < UB_COUNT(size_rows); i++) {
        uint64_t got = BAD;
        bool ok = ub_size_parse(ub_slice_of(size_rows[i].text), &got);
        UB_CHECK(got == size_rows[i].want, "size: %s", size_rows[i].name);
        if (ok) {
            const char *printed = size_rows[i].printed;
            UB_CHECK_TEXT(ub_size_print(got, out), printed ? printed : size_rows[i].text,
                          "printed: %s", size_rows[i].name);
        }
    }
    for (size_t i = 0; i < UB_COUNT(rate_rows); i++) {
        double got = -1;
        bool ok = ub_rate_parse(ub_slice_of(rate_rows[i].text), &got);
        UB_CHECK(ok == (rate_rows[i].want >= 0) && fabs(got - rate_rows[i].want) < 1e-12,
                 "rate: %s", rate_rows[i].name);
        if (ok) {
            const char *printed = rate_rows[i].printed;
            UB_CHECK_TEXT(ub_rate_print(got, out), printed ? printed : rate_rows[i].text,
                          "printed: %s", rate_rows[i].name);
        }
    }
    uint64_t amount, whole;
    ub_ns per_ns;
    UB_CHECK(ub_rate_split(UB_LIT("60000/min"), &amount, &per_ns, &whole) && amount == 60000 &&
                 per_ns == UB_MINUTE && whole == 60000,
             "a rate in whole numbers");
    UB_CHECK(ub_rate_split(UB_LIT("1.5/s"), &amount, &per_ns, &whole) && amount == 3 &&
                 per_ns == 2 * UB_SECOND && whole == 2,
             "one and a half are three in two");
    UB_CHECK(ub_rate_split(UB_LIT("0.125/h"), &amount, &per_ns, &whole) && amount == 1 &&
                 per_ns == 8 * UB_HOUR && whole == 1,
             "less than one in an hour");
    UB_CHECK(!ub_rate_split(UB_LIT("0/s"), &amount, &per_ns, &whole) &&
                 !ub_rate_split(UB_LIT("0.000/h"), &amount, &per_ns, &whole) &&
                 !ub_rate_split(UB_LIT("5"), &amount, &per_ns, &whole) &&
                 !ub_rate_split(UB_LIT("18446744073709551615/s"), &amount, &per_ns, &whole),
             "nothing, no unit and too much are no rates");
    UB_CHECK_TEXT(ub_rate_print(1.0 / 7, out), "0.143/s", "an odd rate prints rounded");
    return ub_test_done();
}
