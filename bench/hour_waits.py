"""What unbusy's clients waited for in the busy hour, from its access log; arithmetic and text only.

The mean to the first token is made of: failed tries before the one that answered, pauses between
tries, and the wait in the answering try, which is an upstream's own queue. And it matters how soon an
upstream is used again that is well again."""

import datetime
import json


def read_log(path, begin_s):
    """Requests since `begin_s` (UTC); `at` is when each came, in seconds since then."""
    rows = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            came = datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00"))
            row["at"] = came.timestamp() - begin_s
            if row["at"] >= -0.01 and row["attempts"]:
                rows.append(row)
    return rows


def shares(rows):
    """Of all the time that clients waited for first tokens: by kind of wait, 0..1."""
    rows = [row for row in rows if row.get("first_token_ms") is not None]
    total = sum(row["first_token_ms"] for row in rows)
    parts = {"in the queue of who answered": 0.0, "between tries": 0.0}
    for row in rows:
        won = row["attempts"][-1]
        for attempt in row["attempts"]:
            if attempt["upstream"] == row["upstream"] and attempt["error"] == "ok":
                won = attempt
        won_at = won["start_ms"]
        lost = [a for a in row["attempts"] if a is not won and a["start_ms"] < won_at]
        busy_until = 0.0
        for attempt in lost:
            end = min(attempt["start_ms"] + attempt["ms"], won_at)
            spent = max(0.0, end - max(busy_until, attempt["start_ms"]))
            name = f"in tries that ended as {attempt['error']}"
            parts[name] = parts.get(name, 0.0) + spent
            busy_until = max(busy_until, end)
        parts["between tries"] += max(0.0, won_at - busy_until)
        parts["in the queue of who answered"] += max(0.0, row["first_token_ms"] - won_at)
    return {name: ms / total for name, ms in parts.items() if total and ms / total >= 0.005}


def tries_of(rows, upstream):
    """[(s, error)] of all tries at it, by when they began."""
    return sorted((row["at"] + a["start_ms"] / 1000, a["error"])
                  for row in rows for a in row["attempts"] if a["upstream"] == upstream)


def episodes_seen(rows, schedule, seconds):
    """For each bad episode: (upstream, from, to, tries in it, first good try after it or None)."""
    found = []
    for upstream, episodes in schedule.items():
        tries = tries_of(rows, upstream)
        for number, (begin, end) in enumerate(episodes):
            until = episodes[number + 1][0] if number + 1 < len(episodes) else seconds
            struck = sum(begin <= at < end for at, _ in tries)
            back = next((at for at, error in tries if end <= at < until
                         and error in ("ok", "outrun")), None)
            found.append((upstream, begin, end, struck, back))
    return sorted(found, key=lambda e: e[1])


def second_by_second(rows, seconds, step=5):
    """[(s, requests, mean s to the first token, {upstream: answers})]."""
    found = []
    for begin in range(0, int(seconds), step):
        part = [row for row in rows if begin <= row["at"] < begin + step
                and row.get("first_token_ms") is not None]
        answers = {}
        for row in part:
            answers[row["upstream"]] = answers.get(row["upstream"], 0) + 1
        mean = sum(row["first_token_ms"] for row in part) / len(part) / 1000 if part else 0.0
        found.append((begin, len(part), mean, answers))
    return found


def text(rows, schedule, seconds):
    lines = ["What unbusy's clients waited for: " + ", ".join(
        f"{share:.0%} {name}" for name, share in
        sorted(shares(rows).items(), key=lambda item: -item[1])) + "."]
    for upstream, begin, end, struck, back in episodes_seen(rows, schedule, seconds):
        again = "not used again" if back is None else f"used again after {back - end:.1f} s"
        lines.append(f"  {upstream} bad {begin:.0f}-{end:.0f} s: {struck} tries met it, {again}")
    for begin, count, mean, answers in second_by_second(rows, seconds):
        lines.append(f"  {begin:4} s {count:5} requests, first token {mean:5.2f} s, answered by "
                     + " ".join(f"{name or 'nobody'} {n}" for name, n in sorted(answers.items())))
    return "\n".join(lines)
