#include "tools/load_result.h"

#include "base/real.h"
#include "base/slice.h"
#include <string.h>

#define WIDTH      860.0
#define HEIGHT     240.0
#define LEFT       64.0
#define BOTTOM     28.0
#define TOP        12.0
#define LN_10      2.302585092994046
#define POINTS_MAX 430u /* two pixels each; longer runs are put together */

static const char style[] =
    "<style>body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:900px;color:#222;"
    "background:#fff}h1{font-size:1.4rem}h2{font-size:1.05rem;margin:1.8rem 0 .4rem}pre{background:"
    "#f5f6f8;padding:1rem;overflow-x:auto;font-size:12.5px}svg{width:100%;height:auto}text{font:"
    "11px system-ui,sans-serif;fill:#555}.a{fill:#2e7d4f}.b{fill:#c0392b}.l{fill:none;stroke-width:"
    "1.6}.axis{stroke:#ccc;stroke-width:1}@media(prefers-color-scheme:dark){body{color:#ddd;"
    "background:#16181c}pre{background:#1f2228}text{fill:#aaa}.axis{stroke:#444}}</style>";

static void add_escaped(struct ub_buf *out, struct ub_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '<':
            ub_buf_add_text(out, "&lt;");
            break;
        case '>':
            ub_buf_add_text(out, "&gt;");
            break;
        case '&':
            ub_buf_add_text(out, "&amp;");
            break;
        default:
            ub_buf_add(out, &text.ptr[i], 1);
        }
    }
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* A round number at or above `value`, for the top of an axis. */
static double round_up(double value)
{
    if (value <= 0) {
        return 1;
    }
    double step = 1;
    for (; step > value; step /= 10) {
    }
    for (; step * 10 <= value; step *= 10) {
    }
    static const double steps[] = {1, 1.5, 2, 3, 4, 5, 6, 8, 10};
    for (size_t i = 0; i < UB_COUNT(steps); i++) {
        if (steps[i] * step >= value) {
            return steps[i] * step;
        }
    }
    return value;
}

static double y_of(double value, double top)
{
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value < top ? value : top) / top);
}

static void begin_chart(struct ub_buf *out, const char *title, double top, const char *unit)
{
    ub_buf_printf(out, "<h2>%s</h2>\n<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n", title, WIDTH,
                  HEIGHT);
    for (int i = 0; i <= 4; i++) {
        double value = top * i / 4;
        double y = y_of(value, top);
        ub_buf_printf(out,
                      "<line class=\"axis\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                      "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%g%s</text>\n",
                      LEFT, WIDTH, y, y, LEFT - 6, y + 4, value, unit);
    }
}

static void add_time_axis(struct ub_buf *out, uint32_t seconds)
{
    for (int i = 0; i <= 6; i++) {
        double share = i / 6.0;
        ub_buf_printf(out, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"%s\">%.0f s</text>\n",
                      LEFT + (WIDTH - LEFT) * share, HEIGHT - 8,
                      i == 0   ? "start"
                      : i == 6 ? "end"
                               : "middle",
                      seconds * share);
    }
    ub_buf_add_text(out, "</svg>\n");
}

/* The seconds put together so that at most POINTS_MAX points are drawn. */
struct point {
    double x0;
    double x1;
    struct ub_load_second sum;
    uint32_t span;
};

static uint32_t span_of(const struct ub_load_result *r)
{
    return (r->seconds + POINTS_MAX - 1) / POINTS_MAX;
}

static bool next_point(const struct ub_load_result *r, uint32_t *at, struct point *point)
{
    if (*at >= r->seconds) {
        return false;
    }
    uint32_t end = *at + span_of(r) < r->seconds ? *at + span_of(r) : r->seconds;
    *point = (struct point){.x0 = LEFT + (WIDTH - LEFT) * *at / r->seconds,
                            .x1 = LEFT + (WIDTH - LEFT) * end / r->seconds,
                            .span = end - *at};
    for (; *at < end; (*at)++) {
        const struct ub_load_second *s = &r->second[*at];
        point->sum.due += s->due;
        point->sum.whole += s->whole;
        point->sum.failed += s->failed;
        point->sum.firsts += s->firsts;
        point->sum.first_sum_ms += s->first_sum_ms;
        point->sum.first_max_ms = larger(point->sum.first_max_ms, s->first_max_ms);
    }
    return true;
}

static void add_bar(struct ub_buf *out, const char *class, const struct point *p, double y0,
                    double y1)
{
    ub_buf_printf(out,
                  "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                  class, p->x0, y1, p->x1 - p->x0, y0 - y1);
}

static void chart_outcomes(const struct ub_load_result *r, struct ub_buf *out)
{
    double most = 0;
    struct point p;
    for (uint32_t at = 0; next_point(r, &at, &p);) {
        most = larger(most, larger(p.sum.due, p.sum.whole + p.sum.failed) / p.span);
    }
    double top = round_up(most);
    begin_chart(out, "Requests that ended, per second: whole (green), failed or cut (red)", top,
                "/s");
    for (uint32_t at = 0; next_point(r, &at, &p);) {
        double whole = (double)p.sum.whole / p.span;
        double failed = (double)p.sum.failed / p.span;
        if (whole > 0) {
            add_bar(out, "a", &p, y_of(0, top), y_of(whole, top));
        }
        if (failed > 0) {
            add_bar(out, "b", &p, y_of(whole, top), y_of(whole + failed, top));
        }
    }
    add_time_axis(out, r->seconds);
}

static void chart_first_token(const struct ub_load_result *r, struct ub_buf *out)
{
    if (r->first_token.count == 0) {
        return;
    }
    double most = 0;
    struct point p;
    for (uint32_t at = 0; next_point(r, &at, &p);) {
        most = larger(most, p.sum.first_max_ms / 1000);
    }
    double top = round_up(most);
    begin_chart(out, "First token, from the intended send time: mean (green), slowest (red)", top,
                " s");
    for (int slowest = 1; slowest >= 0; slowest--) {
        ub_buf_printf(out, "<path class=\"l\" stroke=\"%s\" d=\"", slowest ? "#c0392b" : "#2e7d4f");
        const char *move = "M";
        for (uint32_t at = 0; next_point(r, &at, &p);) {
            if (p.sum.firsts == 0) {
                move = "M"; /* a gap in the line */
                continue;
            }
            double s = (slowest ? p.sum.first_max_ms : p.sum.first_sum_ms / p.sum.firsts) / 1000;
            ub_buf_printf(out, "%s%.1f %.1f", move, (p.x0 + p.x1) / 2, y_of(s, top));
            move = "L";
        }
        ub_buf_add_text(out, "\"/>\n");
    }
    add_time_axis(out, r->seconds);
}

/* Time against share: from the median to 99.99 %, each nine as wide as the other. */
static void chart_percentiles(const struct ub_load_result *r, struct ub_buf *out)
{
    const struct {
        const struct ub_histogram *h;
        const char *colour;
        const char *name;
    } lines[] = {{&r->first_token, "#2e7d4f", "first token"},
                 {&r->total, "#2c6fbb", "total"},
                 {&r->lateness, "#999", "sent late by"}};
    double most = 0;
    for (size_t i = 0; i < UB_COUNT(lines); i++) {
        most = larger(most, (double)lines[i].h->max / 1e9);
    }
    double top = round_up(most);
    begin_chart(out, "Percentiles: first token (green), total (blue), sent late by (grey)", top,
                " s");
    for (size_t i = 0; i < UB_COUNT(lines); i++) {
        if (lines[i].h->count == 0) {
            continue;
        }
        ub_buf_printf(out, "<path class=\"l\" stroke=\"%s\" d=\"", lines[i].colour);
        for (int k = 0; k <= 200; k++) {
            double nines = 4.0 * k / 200;
            double s = (double)ub_histogram_quantile(lines[i].h, 1 - ub_exp(-nines * LN_10)) / 1e9;
            ub_buf_printf(out, "%s%.1f %.1f", k == 0 ? "M" : "L", LEFT + (WIDTH - LEFT) * k / 200,
                          y_of(s, top));
        }
        ub_buf_printf(out, "\"><title>%s</title></path>\n", lines[i].name);
    }
    static const char *const names[] = {"best", "90 %", "99 %", "99.9 %", "99.99 %"};
    for (int i = 0; i <= 4; i++) {
        ub_buf_printf(out, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>\n",
                      LEFT + (WIDTH - LEFT) * i / 4, HEIGHT - 8,
                      i == 0   ? "start"
                      : i == 4 ? "end"
                               : "middle",
                      names[i]);
    }
    ub_buf_add_text(out, "</svg>\n");
}

void ub_load_report_html(const struct ub_load_result *result, const struct ub_load_about *about,
                         struct ub_buf *out)
{
    struct ub_buf text = {0};
    ub_load_report_text(result, about, &text);
    ub_buf_add_text(out, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                         "<meta name=\"viewport\" content=\"width=device-width\">"
                         "<title>unbusy load</title>\n");
    ub_buf_add_text(out, style);
    ub_buf_printf(out, "\n<h1>%.3f %% whole answers</h1>\n<pre>",
                  100 * ub_load_result_success(result));
    add_escaped(out, ub_buf_slice(&text));
    ub_buf_add_text(out, "</pre>\n");
    if (result->seconds > 0) {
        chart_outcomes(result, out);
        chart_first_token(result, out);
        chart_percentiles(result, out);
    }
    ub_buf_add_text(out, "</html>\n");
    out->failed = out->failed || text.failed;
    ub_buf_free(&text);
}
