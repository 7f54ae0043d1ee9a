#include "tools/drill_report.h"

struct ub_drill_score ub_drill_score_of(const struct ub_drill_run *run)
{
    struct ub_drill_score score = {.played = 0};
    for (uint32_t i = 0; i < run->count; i++) {
        const struct ub_drill_case *one = &run->cases[i];
        score.missed += one->missed && !one->played;
        if (one->played) {
            score.played++;
            score.verdicts[one->verdict]++;
            score.below += one->verdict == UB_DRILL_SAFE && one->best == UB_DRILL_RESCUED;
        }
    }
    return score;
}

static const char *where(const struct ub_drill_case *one)
{
    return one->all ? "all" : "one";
}

static const char *mode(const struct ub_drill_case *one)
{
    return one->stream ? "stream" : "whole";
}

static void add_summary(const struct ub_drill_about *about, struct ub_buf *out)
{
    struct ub_drill_score score = ub_drill_score_of(about->run);
    ub_buf_printf(out, "rescued %u, safe %u, failed %u of %u, in %.1f s",
                  score.verdicts[UB_DRILL_RESCUED], score.verdicts[UB_DRILL_SAFE],
                  score.verdicts[UB_DRILL_FAILED], score.played, (double)about->run->took_ns / 1e9);
    if (score.below > 0) {
        ub_buf_printf(out, "; %u are safe where rescued is possible (*)", score.below);
    }
    if (score.missed > 0) {
        ub_buf_printf(out, "; %u were not played: the sick upstream was not asked", score.missed);
    }
}

/* ---- text ---- */

static void add_seconds(struct ub_buf *out, ub_ns value_ns)
{
    if (value_ns > 0) {
        ub_buf_printf(out, " %8.3f", (double)value_ns / 1e9);
    } else {
        ub_buf_printf(out, " %8s", "-");
    }
}

static void add_row(const struct ub_drill_case *one, struct ub_buf *out)
{
    bool below = one->verdict == UB_DRILL_SAFE && one->best == UB_DRILL_RESCUED;
    ub_buf_printf(out, "%-16s %-5s %-6s  %-7s%c", one->drill->name, where(one), mode(one),
                  ub_drill_verdict_name(one->verdict), below ? '*' : ' ');
    if (one->counted) {
        ub_buf_printf(out, " %5u", one->calls);
    } else {
        ub_buf_printf(out, " %5s", "-");
    }
    add_seconds(out, one->first_ns);
    add_seconds(out, one->total_ns);
    ub_buf_printf(out, "  %.*s\n", UB_SLICE_ARG(ub_buf_slice(&one->why)));
}

void ub_drill_report_text(const struct ub_drill_about *about, struct ub_buf *out)
{
    const struct ub_drill_run *run = about->run;
    ub_buf_printf(out, "%-16s %-5s %-6s  %-8s %5s %8s %8s  %s\n", "drill", "where", "mode",
                  "verdict", "calls", "first s", "total s", "what came of it");
    for (uint32_t i = 0; i < run->count; i++) {
        if (run->cases[i].played) {
            add_row(&run->cases[i], out);
        }
    }
    ub_buf_add_text(out, "\n");
    add_summary(about, out);
    ub_buf_add_text(out, "\n");
}

/* ---- JSON ---- */

static void add_json_case(const struct ub_drill_case *one, struct ub_buf *out)
{
    ub_buf_printf(out,
                  "    {\"drill\": \"%s\", \"where\": \"%s\", \"mode\": \"%s\", \"verdict\": "
                  "\"%s\", \"best\": \"%s\", \"why\": ",
                  one->drill->name, where(one), mode(one), ub_drill_verdict_name(one->verdict),
                  ub_drill_verdict_name(one->best));
    ub_buf_add_json(out, ub_buf_slice(&one->why));
    ub_buf_printf(out, ", \"requests\": %u, \"calls\": ", one->requests);
    if (one->counted) {
        ub_buf_printf(out, "%u", one->calls);
    } else {
        ub_buf_add_text(out, "null");
    }
    if (one->first_ns > 0) {
        ub_buf_printf(out, ", \"first_token_s\": %.4f", (double)one->first_ns / 1e9);
    } else {
        ub_buf_add_text(out, ", \"first_token_s\": null");
    }
    ub_buf_printf(out, ", \"total_s\": %.4f, \"pains\": [%s]}", (double)one->total_ns / 1e9,
                  one->drill->pains != NULL ? one->drill->pains : "");
}

void ub_drill_report_json(const struct ub_drill_about *about, struct ub_buf *out)
{
    const struct ub_drill_run *run = about->run;
    struct ub_drill_score score = ub_drill_score_of(run);
    ub_buf_add_text(out, "{\n  \"version\": \"" UB_VERSION "\",\n  \"against\": ");
    ub_buf_add_json(out, ub_slice_of(about->against));
    ub_buf_add_text(out, ",\n  \"model\": ");
    ub_buf_add_json(out, ub_slice_of(run->model));
    ub_buf_printf(out, ",\n  \"upstreams\": %u,\n  \"shortened\": ", about->upstreams);
    ub_buf_add_json(out, about->shortened);
    ub_buf_printf(
        out,
        ",\n  \"rescued\": %u,\n  \"safe\": %u,\n  \"failed\": %u,\n  \"played\": %u,\n"
        "  \"safe_where_rescued_is_possible\": %u,\n  \"not_played\": %u,\n  \"took_s\": %.1f,\n"
        "  \"drills\": [",
        score.verdicts[UB_DRILL_RESCUED], score.verdicts[UB_DRILL_SAFE],
        score.verdicts[UB_DRILL_FAILED], score.played, score.below, score.missed,
        (double)run->took_ns / 1e9);
    const char *comma = "\n";
    for (uint32_t i = 0; i < run->count; i++) {
        if (run->cases[i].played) {
            ub_buf_add_text(out, comma);
            add_json_case(&run->cases[i], out);
            comma = ",\n";
        }
    }
    ub_buf_add_text(out, "\n  ]\n}\n");
}

/* ---- a page ---- */

static const char style[] =
    "<style>body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1000px;padding:0 "
    "1rem;color:#222;background:#fff}h1{font-size:1.4rem}p{color:#555}table{border-collapse:"
    "collapse;width:100%;font-size:13.5px}td,th{padding:.25rem .6rem;border-bottom:1px solid #ddd;"
    "text-align:left;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:"
    "tabular-nums}.rescued{color:#2e7d4f;font-weight:600}.safe{color:#9a6700;font-weight:600}"
    ".failed{color:#c0392b;font-weight:600}.bar{display:flex;height:12px;border-radius:3px;"
    "overflow:hidden;margin:1rem 0}.bar i{display:block}@media(prefers-color-scheme:dark){body{"
    "color:#ddd;background:#16181c}p{color:#aaa}td,th{border-color:#333}.rescued{color:#5bb884}"
    ".safe{color:#d9a441}.failed{color:#e8705f}}</style>";

static void add_escaped(struct ub_buf *out, struct ub_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '<' || c == '>' || c == '&') {
            ub_buf_add_text(out, c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;");
        } else {
            ub_buf_add(out, &c, 1);
        }
    }
}

static void add_bar(const struct ub_drill_score *score, struct ub_buf *out)
{
    static const char *const colours[] = {"#2e7d4f", "#d9a441", "#c0392b"};
    ub_buf_add_text(out, "<div class=\"bar\">");
    for (size_t i = 0; i < UB_COUNT(colours); i++) {
        ub_buf_printf(out, "<i style=\"flex:%u;background:%s\"></i>", score->verdicts[i],
                      colours[i]);
    }
    ub_buf_add_text(out, "</div>\n");
}

static void add_html_case(const struct ub_drill_case *one, struct ub_buf *out)
{
    const char *verdict = ub_drill_verdict_name(one->verdict);
    bool below = one->verdict == UB_DRILL_SAFE && one->best == UB_DRILL_RESCUED;
    ub_buf_add_text(out, "<tr><td><b>");
    add_escaped(out, ub_slice_of(one->drill->name));
    ub_buf_add_text(out, "</b><br>");
    add_escaped(out, ub_slice_of(one->drill->words));
    ub_buf_printf(out, "</td><td>%s</td><td>%s</td><td class=\"%s\">%s%s</td><td>", where(one),
                  mode(one), verdict, verdict, below ? "*" : "");
    add_escaped(out, ub_buf_slice(&one->why));
    ub_buf_add_text(out, "</td><td class=\"n\">");
    if (one->counted) {
        ub_buf_printf(out, "%u", one->calls);
    }
    ub_buf_add_text(out, "</td><td class=\"n\">");
    if (one->first_ns > 0) {
        ub_buf_printf(out, "%.3f", (double)one->first_ns / 1e9);
    }
    ub_buf_printf(out, "</td><td class=\"n\">%.3f</td></tr>\n", (double)one->total_ns / 1e9);
}

void ub_drill_report_html(const struct ub_drill_about *about, struct ub_buf *out)
{
    const struct ub_drill_run *run = about->run;
    struct ub_drill_score score = ub_drill_score_of(run);
    ub_buf_add_text(out, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                         "<meta name=\"viewport\" content=\"width=device-width\">"
                         "<title>unbusy drill</title>\n");
    ub_buf_add_text(out, style);
    ub_buf_add_text(out, "\n<h1>");
    add_summary(about, out);
    ub_buf_add_text(out, "</h1>\n");
    add_bar(&score, out);
    ub_buf_add_text(out, "<p>Against ");
    add_escaped(out, ub_slice_of(about->against));
    ub_buf_add_text(out, ", model ");
    add_escaped(out, ub_slice_of(run->model));
    if (about->shortened.len > 0) {
        ub_buf_add_text(out, ". Waits were shortened: ");
        add_escaped(out, about->shortened);
    }
    ub_buf_add_text(out,
                    ".</p>\n<table><tr><th>drill</th><th>where</th><th>mode</th><th>verdict</th>"
                    "<th>what came of it</th><th class=\"n\">calls</th><th class=\"n\">first s</th>"
                    "<th class=\"n\">total s</th></tr>\n");
    for (uint32_t i = 0; i < run->count; i++) {
        if (run->cases[i].played) {
            add_html_case(&run->cases[i], out);
        }
    }
    ub_buf_add_text(out, "</table>\n</html>\n");
}
