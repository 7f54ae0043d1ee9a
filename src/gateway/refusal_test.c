#include "gateway/refusal.h"

#include "base/alloc.h"
#include "base/test.h"

static const struct {
    const char *name;
    struct ub_refusal refusal;
    const char *want;
} rows[] = {
    {"an unknown model",
     {.status = 404, .code = "no_route", .param = "model", .message = {"no \"x\" here", 11}},
     "{\"error\":{\"message\":\"no \\\"x\\\" here\",\"type\":\"invalid_request_error\","
     "\"param\":\"model\",\"code\":\"no_route\"}}"},
    {"everybody is busy",
     {.status = 503, .code = "all_busy", .message = {"busy", 4}},
     "{\"error\":{\"message\":\"busy\",\"type\":\"server_error\",\"param\":null,"
     "\"code\":\"all_busy\"}}"},
    {"a wrong key",
     {.status = 401, .code = "invalid_api_key", .message = {"no", 2}},
     "{\"error\":{\"message\":\"no\",\"type\":\"authentication_error\",\"param\":null,"
     "\"code\":\"invalid_api_key\"}}"},
};

static const struct {
    const char *name;
    ub_ns advice_ns;
    double draw;
    ub_ns want_ns;
} delays[] = {
    {"no jitter at the lowest draw", 8 * UB_SECOND, 0.0, 8 * UB_SECOND},
    {"half a draw adds an eighth", 8 * UB_SECOND, 0.5, 9 * UB_SECOND},
    {"never above 60 s", 50 * UB_SECOND, 0.99, 60 * UB_SECOND},
    {"longer advice is cut to 60 s", UB_HOUR, 0.0, 60 * UB_SECOND},
    {"never zero, which SDKs ignore", 0, 0.0, UB_MS},
};

static const struct {
    ub_ns reset_ns;
    const char *want;
} resets[] = {
    {0, "0s"},
    {1, "1ms"},
    {999 * UB_MS, "999ms"},
    {UB_SECOND, "1s"},
    {1204 * UB_MS - 1, "1.204s"},
    {360 * UB_SECOND, "6m0s"},
    {24 * UB_HOUR + 30 * UB_MS, "24h0m0.030s"},
    {UB_NEVER, "2562047h47m16.855s"},
};

int main(void)
{
    for (size_t i = 0; i < UB_COUNT(resets); i++) {
        char out[UB_RESET_TEXT];
        UB_CHECK_TEXT(ub_refusal_reset(resets[i].reset_ns, out), resets[i].want,
                      "the limit is whole again in %s", resets[i].want);
    }
    struct ub_refusal limited = ub_refusal_over_limit(UB_WHY_MODEL_TOKENS);
    UB_CHECK(limited.status == 429 && strcmp(limited.code, "rate_limit_exceeded") == 0 &&
                 ub_slice_is(limited.message, "Rate limit reached: tokens of this model."),
             "a limit says which one it is");

    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_buf out = {0};
        ub_refusal_write(&rows[i].refusal, &out);
        ub_buf_add(&out, "", 1);
        UB_CHECK_TEXT(out.ptr, rows[i].want, "%s", rows[i].name);
        ub_buf_free(&out);
    }
    for (size_t i = 0; i < UB_COUNT(delays); i++) {
        UB_CHECK(ub_refusal_delay(delays[i].advice_ns, delays[i].draw) == delays[i].want_ns, "%s",
                 delays[i].name);
    }
    struct ub_refusal late = ub_refusal_of(UB_ERR_DEADLINE);
    UB_CHECK(late.status == 504 && strcmp(late.code, "deadline") == 0,
             "an outcome brings its status and code");
    struct ub_buf out = {0};
    ub_alloc_fail_nth(1);
    ub_refusal_write(&late, &out);
    ub_alloc_fail_nth(0);
    UB_CHECK(out.failed && ub_refusal_spare().len > 0, "without memory there is a spare body");
    ub_buf_free(&out);
    return ub_test_done();
}
