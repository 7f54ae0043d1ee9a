"""The arithmetic of `./do bench busy-hour`: schedule, calibration, figures, table. Prints TAP."""

import pathlib
import re
import sys
import traceback
import xml.etree.ElementTree

import chart
import hour_report
import hour_waits
import peak
import peers
import random_errors

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "src"


def near(value, wanted, share=1e-9):
    assert abs(value - wanted) <= share * abs(wanted), f"{value}, not {wanted}"


# --- schedule -------------------------------------------------------------------------------------


def each_upstream_is_bad_for_its_share_and_never_all_at_once():
    for seed in range(1, 21):
        schedule = peak.draw_schedule(seed, 135)
        assert peak.most_at_once(schedule) < 3, seed
        for episodes in schedule:
            near(sum(end - begin for begin, end in episodes), 135 * peak.BAD_SHARE)
            times = [t for episode in episodes for t in episode]
            assert times == sorted(times) and times[0] >= 0 and times[-1] <= 135, (seed, times)


def the_same_seed_gives_the_same_schedule_and_another_one_another():
    assert peak.draw_schedule(3, 100) == peak.draw_schedule(3, 100)
    assert peak.draw_schedule(3, 100) != peak.draw_schedule(4, 100)


def overlaps_are_counted_at_their_worst():
    assert peak.most_at_once([[(0, 2)], [(1, 3)], [(2, 4)]]) == 2
    assert peak.most_at_once([[(0, 2.1)], [(1, 3)], [(2, 4)]]) == 3
    near(peak.seconds_with([[(0, 2)], [(1, 3)]], 4, 2), 1.0, 0.02)


def rules_asked_in_turn_strike_with_the_shares_of_the_table():
    rules = peak.fault_rules([(1.5, 4.0)])
    left = 1.0
    for (share, name, _), rule in zip(peak.FAULTS, rules):
        rate = float(re.fullmatch(rf"{name}:([0-9.]+)(;.*)?;from=1500ms;to=4000ms", rule).group(1))
        near(left * rate, share, 1e-4)
        left *= 1 - rate


def the_longest_schedule_fits_into_a_mock():
    rules = peak.fault_rules(peak.draw_episodes(peak.random.Random(1), 3600))
    most = int(re.search(r"UB_PRANK_RULES_MAX (\d+)", (SOURCES / "tools/prank.h").read_text())[1])
    assert len(rules) <= most, len(rules)


def the_faults_are_those_of_the_mock():
    known = set(re.findall(r'X\(\w+, "([a-z0-9-]+)"', (SOURCES / "tools/prank.h").read_text()))
    assert {name for _, name, _ in peak.FAULTS} <= known


# --- one upstream in virtual time -----------------------------------------------------------------

P = peak.Profile()


def the_profile_is_the_mocks():
    numbers = re.search(r'\{"8b", "[^"]*", ([^}]*)\}', (SOURCES / "sim/engine.c").read_text())[1]
    step, sequence, context, prefill, cross, tokens = \
        [float(x) for x in numbers.replace("\n", " ").split(",")][:6]
    for mine, theirs in ((P.step, step), (P.sequence, sequence), (P.context, context),
                         (P.prefill, prefill), (P.cross, cross)):
        near(mine * 1e9, theirs)
    assert P.tokens == tokens


def first_token_alone(prompt):
    return P.step + P.sequence + P.prefill * prompt + P.cross * prompt * prompt / 2


def a_request_alone_takes_what_the_formula_says():
    engine = peak.Engine(P, 2.0, 4)
    one = peak.Sequence(1.0, 100, 50, 50)
    engine.add(one)
    assert engine.run_until(100) == [one]
    near(one.first_at - 1.0, first_token_alone(100) / 2)
    decoding = sum(P.step + P.sequence + P.context * (100 + i) for i in range(49))
    near(one.end_at - one.first_at, decoding / 2)


def with_one_slot_requests_wait_for_each_other():
    engine = peak.Engine(P, 1.0, 1)
    two = [peak.Sequence(0.0, 10, 5, 5) for _ in range(2)]
    for s in two:
        engine.add(s)
    engine.run_until(100)
    near(two[1].first_at - two[0].end_at, first_token_alone(10))


def who_finds_no_place_is_refused():
    seen = peak.predict([(0.0, 10, 5)] * 5, [], 1.0, queue=2, slots=1)
    near(seen.refused, 2 / 5)
    near(seen.success, 3 / 5)


def in_a_bad_time_the_faults_take_their_part():
    trace = [(i * 10.0, 10, 100) for i in range(4000)]
    seen = peak.predict(trace, [(0.0, 1e9)], 1.0, queue=100)
    lost = sum(share for share, name, _ in peak.FAULTS if name != "late")
    near(seen.success, 1 - lost, 0.1)


def calibration_meets_both_aims():
    chance = peak.random.Random(5)
    at, trace = 0.0, []
    for _ in range(900):
        at += chance.expovariate(15)
        trace.append((at, chance.randint(200, 2000), chance.randint(20, 400)))
    episodes = peak.draw_episodes(peak.random.Random(2), at)
    speed, queue, seen = peak.calibrate(trace, episodes)
    assert speed > 0 and queue > 0
    near(seen.success, peak.TARGET_SUCCESS, 0.03)
    near(seen.first_s, peak.TARGET_FIRST_S, 0.05)


def the_best_possible_waits_for_a_good_upstream_with_a_free_slot():
    alone = first_token_alone(100)
    near(peak.best_possible([(0.02, 100, 5)], [[(0, 9)], []], 1.0), alone, 0.01)
    # Bad everywhere until the ninth second.
    near(peak.best_possible([(1.0, 100, 5)], [[(0, 9)], [(0, 9)]], 1.0), 8 + alone, 0.01)
    one, two = [peak.best_possible([(0.02, 100, 50)] * 2, [[]] * n, 1.0, slots=1) for n in (1, 2)]
    near(two, alone, 0.01)
    assert one > 5 * two


def random_errors_add_up_to_their_share():
    rates = [float(rule.split(":")[1]) for rule in random_errors.faults(0.05)]
    near(1 - (1 - rates[0]) * (1 - rates[1]), 0.05, 1e-4)


# --- figures and table ----------------------------------------------------------------------------

LOAD = {"requests": 200, "whole": 150, "cut": 30, "silent": 10, "failed": 20, "not_sent": 1,
        "answer_tokens": 1000, "errors": {"status 503": 20}, "generator_late": False,
        "first_token": {"count": 170, "mean": 1500.0, "p50": 700.0, "p99": 20000.0, "max": 30000.0}}
MOCKS = [{"requests": 150, "answer_tokens": 900}, {"requests": 70, "answer_tokens": 350}]
GATEWAY = {"cpu_s": 4.0, "rss_kib": 2048}


def figures_are_ratios_of_what_was_counted():
    found = hour_report.figures(LOAD, MOCKS, GATEWAY, 10)
    for key, wanted in (("success", 0.75), ("calls_per_request", 1.1), ("paid_per_token", 1.25),
                        ("whole_per_s", 15), ("first_mean_s", 1.5), ("first_p99_s", 20),
                        ("cut_silent", 10), ("cut_open", 20), ("failed", 21),
                        ("cpu_ms_per_request", 20), ("cores", 0.4), ("rss_mib", 2)):
        near(found[key], wanted)


def nothing_answered_is_a_dash_and_no_division_by_zero():
    load = {**LOAD, "whole": 0, "answer_tokens": 0, "first_token": {"count": 0}}
    found = hour_report.figures(load, MOCKS, {}, 10)
    table = hour_report.markdown({"bare": found}, {"bare": "a client"})
    cells = table.splitlines()[2].split(" | ")
    assert cells[:3] == ["| a client", "0.00%", "-"], cells


def the_table_has_a_row_for_each_and_all_columns():
    found = hour_report.figures(LOAD, MOCKS, GATEWAY, 10)
    lines = hour_report.markdown({"a": found, "b": found}, {"a": "A", "b": "B"}).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1, lines
    assert "| 75.00% | 1.50 s | 0.70 s | 20.0 s | 15.0 | 1.10 | 1.25 | 10 | 20 | 21 |" in lines[2]


def who_has_no_processor_left_is_remarked_upon():
    found = hour_report.figures(LOAD, MOCKS, {**GATEWAY, "cpu_s": 19.0}, 10)
    assert "1.9 of 2 cores" in hour_report.remarks({"a": found}, {"a": "A"}, 2)[0]
    assert not hour_report.remarks({"a": found}, {"a": "A"}, 8)


def the_chart_is_well_formed():
    found = hour_report.figures(LOAD, MOCKS, GATEWAY, 10)
    nothing = hour_report.figures({**LOAD, "first_token": {"count": 0}}, MOCKS, {}, 10)
    facts = {"cpu": "a <b> & c", "cores": 2, "kernel": "6"}
    svg = chart.busy_hour({"a": found, "b": nothing}, {"a": "A", "b": "B"}, facts)
    assert len(xml.etree.ElementTree.fromstring(svg)) > 5


def row(at, first_ms, *attempts, upstream="a"):
    names = ("upstream", "error", "start_ms", "ms")
    return {"at": at, "first_token_ms": first_ms, "upstream": upstream,
            "attempts": [dict(zip(names, attempt)) for attempt in attempts]}


def waits_are_split_where_they_arose():
    rows = [row(0.0, 100, ("a", "ok", 0, 500)),
            row(1.0, 900, ("b", "late", 0, 500), ("a", "ok", 600, 900)),
            # Two at the same time: the time of the one that lost counts until the winner began.
            row(2.0, 1000, ("b", "outrun", 0, 1000), ("a", "ok", 400, 700))]
    shares = hour_waits.shares(rows)
    near(shares["in the queue of who answered"], (100 + 300 + 600) / 2000)
    near(shares["in tries that ended as late"], 500 / 2000)
    near(shares["in tries that ended as outrun"], 400 / 2000)
    near(shares["between tries"], 100 / 2000)


def a_recovery_is_seen_at_the_first_good_try():
    rows = [row(1.0, 10, ("a", "upstream_busy", 0, 1), ("b", "ok", 1, 9), upstream="b"),
            row(5.0, 10, ("a", "upstream_busy", 0, 1), ("b", "ok", 1, 9), upstream="b"),
            row(6.5, 10, ("a", "ok", 0, 10))]
    assert hour_waits.episodes_seen(rows, {"a": [(0.5, 4.0)], "b": [(7.0, 8.0)]}, 10) == \
        [("a", 0.5, 4.0, 1, 6.5), ("b", 7.0, 8.0, 0, None)]
    words = hour_waits.text(rows, {"a": [(0.5, 4.0)], "b": [(7.0, 8.0)]}, 10)
    assert "a bad 0-4 s: 1 tries met it, used again after 2.5 s" in words, words
    assert "b bad 7-8 s: 0 tries met it, not used again" in words, words


def each_contestant_has_its_configuration():
    folder = pathlib.Path(__file__).parent / "proxies" / "busy-hour"
    for one in peers.CONTESTANTS:
        if one.template:
            text = (folder / one.template).read_text()
            assert all(word in text for word in ("@A@", "@B@", "@C@")), one.name
    assert "127.0.0.1:3/v1" in peers.portkey_headers([1, 2, 3])["x-portkey-config"]


NO_TESTS = ("near", "first_token_alone", "row", "main")
TESTS = [function for name, function in list(globals().items())
         if callable(function) and getattr(function, "__module__", "") == __name__
         and name not in NO_TESTS]


def main():
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        words = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok {number} - {words}")
        except Exception:  # a test that breaks has failed; the others still run
            failed += 1
            print(f"not ok {number} - {words}")
            print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
