"""Figures of `./do bench busy-hour` and their table; arithmetic and text only."""


def calls(load, mocks):
    """Answers, and what they took upstream."""
    requests = load["requests"]
    made = sum(m["requests"] for m in mocks)
    return {"success": load["whole"] / requests if requests else 0.0,
            "calls_per_request": made / requests if requests else 0.0}


def figures(load, mocks, gateway, seconds):
    """What one contestant's run comes to. `load` is the report of `unbusy load`, `mocks` the
    statistics of the upstreams, `gateway` its cost, {} for none."""
    requests = load["requests"]
    first = load["first_token"]
    delivered = load["answer_tokens"]
    paid = sum(m["answer_tokens"] for m in mocks)
    found = {
        "requests": requests,
        "whole": load["whole"],
        **calls(load, mocks),
        "whole_per_s": load["whole"] / seconds,
        "paid_per_token": paid / delivered if delivered else None,
        "cut_silent": load["silent"],
        "cut_open": load["cut"] - load["silent"],
        "failed": load["failed"] + load["not_sent"],
        "errors": load["errors"],
        "late": load["generator_late"],
    }
    for name in ("mean", "p50", "p99", "max"):
        found[f"first_{name}_s"] = first[name] / 1000 if first["count"] else None
    if gateway:
        found["cpu_ms_per_request"] = gateway["cpu_s"] * 1000 / requests if requests else None
        found["cores"] = gateway["cpu_s"] / seconds
        found["rss_mib"] = gateway["rss_kib"] / 1024
    return found


def number(form):
    return lambda value: "-" if value is None else form.format(value)


COLUMNS = [
    ("success", "whole answers", number("{:.2%}")),
    ("first_mean_s", "first token: mean", number("{:.2f} s")),
    ("first_p50_s", "p50", number("{:.2f} s")),
    ("first_p99_s", "p99", number("{:.1f} s")),
    ("whole_per_s", "whole answers/s", number("{:.1f}")),
    ("calls_per_request", "calls upstream per request", number("{:.2f}")),
    ("paid_per_token", "tokens paid per token delivered", number("{:.2f}")),
    ("cut_silent", "cut in silence", number("{:,}")),
    ("cut_open", "cut with an error", number("{:,}")),
    ("failed", "failed", number("{:,}")),
    ("cpu_ms_per_request", "CPU per request", number("{:.1f} ms")),
    ("cores", "cores needed", number("{:.2f}")),
    ("rss_mib", "memory", number("{:.0f} MiB")),
]


def markdown(rows, names):
    """A table of {contestant: figures}; `names` has the words for each."""
    lines = ["| | " + " | ".join(title for _, title, _ in COLUMNS) + " |",
             "|---|" + "---|" * len(COLUMNS)]
    for name, found in rows.items():
        cells = [form(found.get(key)) for key, _, form in COLUMNS]
        lines.append(f"| {names[name]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def remarks(rows, names, cores):
    """What a reader must know beside the figures."""
    words = []
    for name, found in rows.items():
        if found.get("cores", 0) > 0.7 * cores:
            words.append(f"{names[name]} needs {found['cores']:.1f} of {cores} cores for this load, and the "
                         "rest of the benchmark needs some, too: it was short of processor time. A "
                         "lower --speed shows how it routes.")
        if found["late"]:
            words.append(f"{names[name]}: the load generator itself was late, so these times are too "
                         "long.")
    return words
