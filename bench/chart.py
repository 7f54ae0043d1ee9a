"""Draws the ratios of a benchmark as bars, with a line from the least to the most, as SVG."""

import html

COLOURS = {"unbusy": "#1f6feb", "haproxy": "#8b949e", "nginx": "#57ab5a"}
WIDTH, LEFT, BAR, GAP = 720, 90, 20, 8
TITLES = [("w1_ratio", "W1: CPU per streamed event, 1,000 streams (HAProxy = 1)"),
          ("w2_ratio", "W2: CPU per request, 2 KB in, 1 KB out (HAProxy = 1)")]


def text(x, y, words, size=13, anchor="start", weight="normal"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}" fill="#24292f">{html.escape(words)}</text>')


def panel(parts, y, key, title, figures):
    values = {name: f[key] for name, f in figures.items() if key in f}
    if not values:
        return y
    scale = (WIDTH - LEFT - 130) / max(1.0, max(v["max"] for v in values.values()))
    parts.append(text(10, y + 16, title, 14, weight="bold"))
    y += 28
    top = y
    for name, v in values.items():
        x, end = LEFT, LEFT + v["median"] * scale
        middle = y + BAR / 2
        parts.append(text(LEFT - 8, y + 15, name, anchor="end"))
        parts.append(f'<rect x="{x}" y="{y}" width="{end - x:.1f}" height="{BAR}" '
                     f'fill="{COLOURS.get(name, "#d4a72c")}"/>')
        parts.append(f'<path d="M{LEFT + v["min"] * scale:.1f} {middle} '
                     f'H{LEFT + v["max"] * scale:.1f}" stroke="#24292f" stroke-width="1.5"/>')
        label = max(end, LEFT + v["max"] * scale) + 8
        parts.append(text(label, y + 15, f'{v["median"]:.2f} ({v["min"]:.2f} to {v["max"]:.2f})',
                          12))
        y += BAR + GAP
    one = LEFT + scale
    parts.append(f'<path d="M{one:.1f} {top - 4} V{y - GAP + 4}" stroke="#cf222e" '
                 f'stroke-dasharray="4 3"/>')
    return y + 14


def ratios(figures, machine):
    parts = []
    y = 10
    for key, title in TITLES:
        y = panel(parts, y, key, title, figures)
    parts.append(text(10, y + 8, f"{machine['cpu']}, {machine['cores']} cores, Linux "
                      f"{machine['kernel']}. Median, and least to most, of rounds side by side.", 11))
    height = y + 22
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="sans-serif">'
            f'<rect width="100%" height="100%" fill="#ffffff"/>' + "".join(parts) + "</svg>\n")


# --- the busy hour --------------------------------------------------------------------------------

HOUR_COLOURS = {"bare": "#cf222e", "unbusy": "#1f6feb"}
HOUR_LEFT = 210
HOUR_PANELS = [
    ("success", None, "Whole answers", lambda v: f"{v:.2%}"),
    ("first_mean_s", "first_p99_s", "First token: mean, with a line up to p99", lambda v: f"{v:.2f} s"),
    ("calls_per_request", None, "Calls upstream per request", lambda v: f"{v:.2f}"),
]


def hour_panel(parts, y, panel, rows, names):
    key, tail, title, words = panel
    values = {name: row for name, row in rows.items() if row.get(key) is not None}
    if not values:
        return y
    most = max(max(row[key], row.get(tail) or 0 if tail else 0) for row in values.values())
    scale = (WIDTH - HOUR_LEFT - 130) / (most or 1)
    parts.append(text(10, y + 16, title, 14, weight="bold"))
    y += 28
    for name, row in values.items():
        end = row[key] * scale
        parts.append(text(HOUR_LEFT - 8, y + 15, names[name], anchor="end"))
        parts.append(f'<rect x="{HOUR_LEFT}" y="{y}" width="{end:.1f}" height="{BAR}" '
                     f'fill="{HOUR_COLOURS.get(name, "#8b949e")}"/>')
        label = words(row[key])
        if tail and row.get(tail) is not None:
            parts.append(f'<path d="M{HOUR_LEFT + end:.1f} {y + BAR / 2} '
                         f'H{HOUR_LEFT + row[tail] * scale:.1f}" stroke="#24292f" stroke-width="1.5"/>')
            end = max(end, row[tail] * scale)
            label += f" ({row[tail]:.1f} s)"
        parts.append(text(HOUR_LEFT + end + 8, y + 15, label, 12))
        y += BAR + GAP
    return y + 14


def busy_hour(rows, names, machine):
    parts = []
    y = 10
    for panel in HOUR_PANELS:
        y = hour_panel(parts, y, panel, rows, names)
    parts.append(text(10, y + 8, f"{machine['cpu']}, {machine['cores']} cores, Linux "
                      f"{machine['kernel']}. Same seed, load and bad times for everybody, one after "
                      "the other.", 11))
    height = y + 22
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="sans-serif">'
            f'<rect width="100%" height="100%" fill="#ffffff"/>' + "".join(parts) + "</svg>\n")
