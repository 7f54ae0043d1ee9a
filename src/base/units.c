#include "base/units.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

struct unit {
    const char *name;
    uint64_t size;
};

/* Largest first: printing takes the first one that divides. */
static const struct unit durations[] = {
    {"d", (uint64_t)(24 * UB_HOUR)},
    {"h", (uint64_t)UB_HOUR},
    {"m", (uint64_t)UB_MINUTE},
    {"s", (uint64_t)UB_SECOND},
    {"ms", (uint64_t)UB_MS},
    {"us", (uint64_t)UB_US},
    {"ns", 1},
};

static const struct unit sizes[] = {
    {"TiB", (uint64_t)1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1},
};

static const struct unit rates[] = {{"/s", 3600}, {"/min", 60}, {"/h", 1}}; /* times per hour */

/* Digits before the unit: `whole` and `thousandths`. */
struct number {
    uint64_t whole;
    uint64_t thousandths;
    struct ub_slice unit;
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool read_number(struct ub_slice text, struct number *out)
{
    *out = (struct number){0};
    size_t i = 0;
    for (; i < text.len && digit(text.ptr[i]); i++) {
        uint64_t next = (uint64_t)(text.ptr[i] - '0');
        if (out->whole > (UINT64_MAX - next) / 10) {
            return false;
        }
        out->whole = out->whole * 10 + next;
    }
    if (i == 0) {
        return false;
    }
    if (i < text.len && text.ptr[i] == '.') {
        size_t start = ++i;
        uint64_t place = 100;
        for (; i < text.len && digit(text.ptr[i]); i++, place /= 10) {
            out->thousandths += (uint64_t)(text.ptr[i] - '0') * place;
        }
        if (i == start || i - start > 3) {
            return false;
        }
    }
    out->unit = (struct ub_slice){text.ptr + i, text.len - i};
    return true;
}

static const struct unit *find_unit(const struct unit *units, size_t count, struct ub_slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (ub_slice_is(name, units[i].name)) {
            return &units[i];
        }
    }
    return NULL;
}

/* In the smallest unit, which has no fractions: "0.5ns" is refused. */
static bool scale(const struct number *number, uint64_t unit, uint64_t max, uint64_t *out)
{
    if (number->thousandths * unit % 1000 != 0) {
        return false;
    }
    uint64_t rest = number->thousandths * unit / 1000;
    if (rest > max || number->whole > (max - rest) / unit) {
        return false;
    }
    *out = number->whole * unit + rest;
    return true;
}

bool ub_duration_parse(struct ub_slice text, ub_ns *out)
{
    struct number number;
    if (!read_number(text, &number)) {
        return false;
    }
    if (number.unit.len == 0) {
        *out = 0;
        return number.whole == 0 && number.thousandths == 0;
    }
    const struct unit *unit = find_unit(durations, UB_COUNT(durations), number.unit);
    uint64_t value = 0;
    /* UB_NEVER itself is not a duration */
    if (unit == NULL || !scale(&number, unit->size, UB_NEVER - 1, &value)) {
        return false;
    }
    *out = (ub_ns)value;
    return true;
}

bool ub_size_parse(struct ub_slice text, uint64_t *out)
{
    struct number number;
    if (!read_number(text, &number)) {
        return false;
    }
    struct ub_slice name = number.unit.len == 0 ? UB_LIT("B") : number.unit;
    const struct unit *unit = find_unit(sizes, UB_COUNT(sizes), name);
    return unit != NULL && scale(&number, unit->size, UINT64_MAX, out);
}

bool ub_rate_parse(struct ub_slice text, double *per_s)
{
    struct number number;
    if (!read_number(text, &number)) {
        return false;
    }
    const struct unit *unit = find_unit(rates, UB_COUNT(rates), number.unit);
    if (unit == NULL) {
        return false;
    }
    double count = (double)number.whole + (double)number.thousandths / 1000;
    *per_s = count * (double)unit->size / 3600;
    return true;
}

bool ub_rate_split(struct ub_slice text, uint64_t *amount, ub_ns *per_ns, uint64_t *whole)
{
    struct number number;
    if (!read_number(text, &number)) {
        return false;
    }
    const struct unit *unit = find_unit(rates, UB_COUNT(rates), number.unit);
    if (unit == NULL || number.whole > UINT64_MAX / 1000 - 1) {
        return false;
    }
    *amount = number.whole * 1000 + number.thousandths;
    uint64_t times = 1000;
    for (uint64_t prime = 2; prime <= 5; prime += 3) { /* those of 1000 */
        while (times % prime == 0 && *amount % prime == 0 && *amount > 0) {
            times /= prime;
            *amount /= prime;
        }
    }
    *per_ns = (ub_ns)times * (UB_HOUR / (ub_ns)unit->size);
    *whole = number.whole + (number.thousandths > 0);
    return *amount > 0;
}

static const char *print(uint64_t value, const struct unit *units, size_t count, char *out)
{
    const struct unit *unit = units;
    while (value % unit->size != 0) {
        unit++;
        assert(unit < units + count);
    }
    snprintf(out, UB_UNIT_TEXT, "%llu%s", (unsigned long long)(value / unit->size), unit->name);
    return out;
}

const char *ub_duration_print(ub_ns value_ns, char out[UB_UNIT_TEXT])
{
    assert(value_ns >= 0);
    if (value_ns == 0) {
        return strcpy(out, "0s");
    }
    return print((uint64_t)value_ns, durations, UB_COUNT(durations), out);
}

const char *ub_size_print(uint64_t bytes, char out[UB_UNIT_TEXT])
{
    if (bytes == 0) {
        return strcpy(out, "0B");
    }
    return print(bytes, sizes, UB_COUNT(sizes), out);
}

const char *ub_rate_print(double per_s, char out[UB_UNIT_TEXT])
{
    for (size_t i = 0; i < UB_COUNT(rates); i++) {
        double count = per_s * 3600 / (double)rates[i].size;
        if (count < 1e15 &&
            fabs(count - (double)(uint64_t)(count + 0.5)) < 1e-9 * (count > 1 ? count : 1)) {
            snprintf(out, UB_UNIT_TEXT, "%.0f%s", count, rates[i].name);
            return out;
        }
    }
    snprintf(out, UB_UNIT_TEXT, "%.3f/s", per_s);
    return out;
}
