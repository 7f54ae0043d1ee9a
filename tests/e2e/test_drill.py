"""`unbusy drill`: the scorecard of real configurations, and gateways that deserve a bad one."""

import collections
import http.client
import http.server
import json
import os
import re
import signal
import socketserver
import subprocess
import threading

import pytest

from harness import MESSAGES, ROOT, UNBUSY, connect, request, wait_for

EXAMPLES = ROOT / "deploy" / "examples"
KEYS = {"DEEPSEEK_API_KEY": "sk-1", "RESELLER_A_KEY": "sk-2", "RESELLER_B_KEY": "sk-3"}


def drill(*args, cwd, env=None, patience=150):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "DEEPSEEK_"))}
    return subprocess.run([str(UNBUSY), "drill", *map(str, args)], cwd=cwd, capture_output=True, text=True,
                          timeout=patience, stdin=subprocess.DEVNULL, env={**clean, **(env or {})})


def scorecard(*args, **more):
    got = drill("--json", *args, **more)
    assert got.stdout, got.stderr
    card = json.loads(got.stdout)
    assert got.returncode == (1 if card["failed"] else 0), got.stderr
    verdicts = collections.Counter(one["verdict"] for one in card["drills"])
    assert len(card["drills"]) == card["played"] and all(
        card[verdict] == verdicts[verdict] for verdict in ("rescued", "safe", "failed"))
    return card, {(one["drill"], one["where"], one["mode"]): one for one in card["drills"]}


def catalogue():
    got = drill("--list", cwd=ROOT)
    assert got.returncode == 0
    return re.findall(r"^(\S+) {2,}\S", got.stdout, re.M)


@pytest.mark.parametrize("args, env", [
    ([], {}),  # the demo
    (["--config", EXAMPLES / "deepseek.yaml"], KEYS),
], ids=["demo", "deepseek"])
def test_our_own_gateway_fails_in_nothing(tmp_path, args, env):
    card, cases = scorecard(*args, cwd=tmp_path, env=env)
    failed = [case for case, one in cases.items() if one["verdict"] == "failed"]
    assert not failed, [(case, cases[case]["why"]) for case in failed]
    assert {name for name, _, _ in cases} == set(catalogue())
    assert card["took_s"] < 120 and "total 600 s -> 12 s" in card["shortened"]
    for (name, where, mode), one in cases.items():
        # Everything that can be rescued is, streams that broke midway too; but for a bad time of all.
        assert one["verdict"] in ("rescued", one["best"]) or name == "flapping", (name, where, mode, one)
    # The faults were really played: the sick one was asked, and somebody else after it.
    assert cases["503", "one", "stream"]["calls"] >= 2 and cases["503", "all", "stream"]["calls"] > 2
    assert cases["content-refused", "one", "whole"]["calls"] == 1
    assert cases["refused", "all", "whole"]["calls"] == 0


def test_a_single_upstream_has_nobody_to_turn_to(tmp_path):
    (tmp_path / "one.yaml").write_text('upstreams: [{name: a, url: "https://api.example.com/v1", key: sk-1}]\n')
    card, cases = scorecard("--config", "one.yaml", "--only", "503,cut", "--only=wrong-usage,500-once",
                            cwd=tmp_path)
    assert card["upstreams"] == 1 and card["failed"] == 0
    assert {case: one["verdict"] for case, one in cases.items()} == {
        ("503", "all", "whole"): "safe", ("503", "all", "stream"): "safe",
        ("cut", "all", "whole"): "safe", ("cut", "all", "stream"): "safe",
        ("500-once", "one", "whole"): "rescued", ("500-once", "one", "stream"): "rescued"}


def test_limits_of_clients_do_not_refuse_a_drill(tmp_path):
    limits = "requests: 1/h, tokens: 10/h"
    (tmp_path / "unbusy.yaml").write_text(f"""
upstreams: [{{name: a, url: "http://192.0.2.1/v1"}}, {{name: b, url: "http://192.0.2.2/v1"}}]
models: [{{name: m, {limits}}}]
tenants: [{{name: t, keys: [{{sha256: "{'ab' * 32}"}}], {limits}, models: [m]}}]
""")
    card, cases = scorecard("--only", "flapping,crlf", cwd=tmp_path)
    assert cases["flapping", "one", "stream"]["verdict"] == "rescued" and card["failed"] == 0


def test_the_table_and_the_page_say_the_same(tmp_path):
    got = drill("--only", "429,id-lines", "--html", "card.html", cwd=tmp_path)
    assert got.returncode == 0 and "waits are shortened" in got.stderr
    rows = re.findall(r"^(\S+) +(one|all) +(whole|stream) +(rescued|safe|failed)", got.stdout, re.M)
    assert len(rows) == 6 and re.search(r"^rescued 4, safe 2, failed 0 of 6, in", got.stdout, re.M)
    page = (tmp_path / "card.html").read_text()
    assert page.count("<tr>") == 7 and "rescued 4, safe 2, failed 0 of 6" in page
    assert "<script" not in page and "http" not in page and "prefers-color-scheme" in page


def test_the_user_s_own_waits_count_when_they_are_short(tmp_path):
    (tmp_path / "unbusy.yaml").write_text("""
upstreams:
  - {name: a, url: "http://192.0.2.1/v1"}
  - {name: b, url: "http://192.0.2.2/v1"}
models:
  - {name: m, tiers: [[a], [b]], first_token: {min: 200ms, max: 300ms}, stall: 200ms, total: 2s,
     retry: {attempts: 2, base: 10ms, cap: 20ms}, heartbeat: {after: 0}}
  - {name: other, tiers: [[b]]}
  - {name: once, tiers: [[a], [b]], retry: {attempts: 1}}
  - {name: whole, tiers: [[a], [b]], resume: false}
""")
    card, cases = scorecard("--only", "silence,stall", cwd=tmp_path)
    assert card["model"] == "m" and card["failed"] == 0 and "total" not in card["shortened"]
    assert cases["silence", "one", "stream"]["total_s"] < 1 and cases["silence", "all", "whole"]["total_s"] < 3
    assert cases["silence", "all", "stream"]["calls"] == 2
    card, _ = scorecard("--only", "503", "--model", "other", "--full-time", cwd=tmp_path)
    assert card["upstreams"] == 1 and card["shortened"] == ""
    card, cases = scorecard("--model", "whole", "--only", "cut", cwd=tmp_path)
    assert cases["cut", "one", "stream"]["verdict"] == cases["cut", "one", "stream"]["best"] == "safe"
    # Whoever may ask only once can rescue nothing, and that is no failure.
    card, cases = scorecard("--model", "once", "--only", "503,empty,500-once,id-lines", cwd=tmp_path)
    assert card["failed"] == card["safe_where_rescued_is_possible"] == 0
    assert max(one["calls"] for one in cases.values()) == 1
    assert cases["500-once", "one", "stream"]["verdict"] == "safe"
    assert cases["id-lines", "all", "stream"]["verdict"] == "rescued"


# A mock is a service without a gateway. What its clients get is what the drill is there to find.
def test_without_a_gateway(house, tmp_path):
    card, cases = scorecard("--live", house.mock(seed=5).url, cwd=tmp_path)
    assert card["failed"] > card["rescued"] + card["safe"]
    for case, why in {
        ("cut", "all", "stream"): "cut in silence",
        ("cut-clean", "all", "stream"): "a cut that looks whole",
        ("no-resource", "all", "stream"): "finish_reason insufficient_system_resource",
        ("silence", "all", "whole"): "no end after",
        ("id-lines", "all", "stream"): "an id line",
        ("inside", "all", "stream"): "a comment inside an event",
        ("busy-200", "all", "whole"): "an error inside a 200",
        ("503", "all", "stream"): "is not told when",
    }.items():
        assert cases[case]["verdict"] == "failed" and why in cases[case]["why"], (case, cases[case])
    assert cases["drip", "all", "stream"]["verdict"] == "rescued"
    assert cases["cut", "all", "stream"]["calls"] is None


class Liar(http.server.BaseHTTPRequestHandler):
    """A gateway as they are: waits for all of it, passes it on, and makes a good end of every cut."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        upstream = connect(self.server.mock.port)
        headers = {"content-type": "application/json"}
        if "x-mock-fault" in self.headers:
            headers["x-mock-fault"] = self.headers["x-mock-fault"]
        upstream.request("POST", self.path, body, headers)
        response = upstream.getresponse()
        try:
            text = response.read()
        except http.client.IncompleteRead as cut:
            text = cut.partial
        if b"data: " in text and b"[DONE]" not in text:
            text = text[:text.rindex(b"\n\n") + 2] + self.server.ending
        self.send_response(response.status)
        self.send_header("content-type", response.getheader("content-type"))
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        upstream.close()

    def log_message(self, *args):
        pass


@pytest.mark.parametrize("ending, why", [
    (b"data: [DONE]\n\n", "no finish_reason"),
    (b'data: {"id":"%b","model":"drill","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\n'
     b"data: [DONE]\n\n", "two ids in one stream"),
    (b"id: 7\ndata: [DONE]\n\n", "an id line"),
    (b": the upstream is gone\n\ndata: [DONE]\n\n", "an empty line behind a comment"),
], ids=["done", "finish", "id", "comment"])
def test_a_gateway_that_lies_is_found_out(house, tmp_path, ending, why):
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Liar)
    server.mock, server.ending, server.daemon_threads = house.mock(), ending, True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        card, cases = scorecard("--live", url, "--only", "cut,drip,crlf", cwd=tmp_path)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    cut = cases["cut", "all", "stream"]
    assert cut["verdict"] == "failed" and why in cut["why"]
    assert "held back" in cases["drip", "all", "stream"]["why"]  # it reads all of it first
    assert cases["crlf", "all", "stream"]["verdict"] == "rescued"


def test_a_service_that_takes_no_faults_gets_no_score(house, tmp_path):
    gateway = house.over(house.mock())
    got = drill("--live", gateway.base, "--model", "m", cwd=tmp_path)
    assert got.returncode == 2 and "does not take faults" in got.stderr and not got.stdout


def test_a_gateway_of_any_make_in_front_of_mocks(house, tmp_path):
    mocks = [house.mock("a"), house.mock("b")]
    gateway = house.over(*mocks, first_token={"min": "300ms", "max": "500ms"}, total="2s", stall="500ms")
    behind = [arg for mock in mocks for arg in ("--mock", mock.url)]
    card, cases = scorecard("--live", gateway.base, "--model", "m", *behind, "--limit", "8s",
                            "--only", "500-once,cut,429-soon,id-lines,refused", cwd=tmp_path)
    assert card["failed"] == 0 and cases["500-once", "one", "stream"]["verdict"] == "rescued"
    assert cases["500-once", "one", "stream"]["calls"] == 2 and cases["cut", "all", "stream"]["verdict"] == "safe"
    assert card["played"] + card["not_played"] == 10 and card["played"] >= 6  # it may remember, and go around
    assert request(mocks[0].port, "POST", "/v1/chat/completions", {"model": "m", "messages": MESSAGES}).status == 200
    # One that does not fail over at all: the mock in front of itself.
    card, cases = scorecard("--live", mocks[0].url, "--mock", mocks[0].url, "--only", "503,cut,drip", cwd=tmp_path)
    assert card["failed"] == 4 and card["not_played"] == 0 and card["rescued"] == 2


@pytest.mark.parametrize("args, words", [
    (["--mock", "http://127.0.0.1:1"], "--mock"),
    (["--live", "http://127.0.0.1:1", "--mock", "http://127.0.0.1:1"], "not all of them are there"),
    (["--only", "cutt"], "no drill 'cutt'"),
    (["--config", "nowhere.yaml"], "nowhere.yaml"),
    (["--config", EXAMPLES / "deepseek.yaml"], "no variable DEEPSEEK_API_KEY"),
    (["--model", "nobody"], "no model 'nobody'"),
    (["--live", "ftp://x"], "--live"),
    (["--live", "http://127.0.0.1:1"], "does not take faults"),
    (["--live", "http://127.0.0.1:1", "--config", "x"], "--config"),
    (["--jobs", "0"], "--jobs"),
])
def test_wrong_usage_is_2_and_says_why(tmp_path, args, words):
    got = drill(*args, cwd=tmp_path)
    assert got.returncode == 2 and words in got.stderr and not got.stdout


def test_a_report_that_cannot_be_written_is_1(tmp_path):
    assert drill("--only", "503", "--html", tmp_path / "no" / "card.html", cwd=tmp_path).returncode == 1


def test_an_interrupted_drill_reports_what_it_has(house):
    program = house.program("drill", [UNBUSY, "drill", "--jobs", 4, "--only", "silence"])
    program.await_line("waits are shortened")
    program.signal(signal.SIGINT)
    assert program.wait(patience=10) == 130
    wait_for("the last line", lambda: any(line.startswith("rescued") for line in program.lines))


def test_nothing_is_sent_to_the_real_upstreams(house, tmp_path):
    mock = house.mock("real")
    (tmp_path / "unbusy.yaml").write_text(f'upstreams: [{{name: a, url: "{mock.url}/v1"}}]\n')
    assert scorecard("--only", "503,drip", cwd=tmp_path)[0]["failed"] == 0
    assert mock.stats()["requests"] == 0


def test_the_page_about_the_drills_has_them_all(tmp_path):
    text = (ROOT / "docs" / "DRILL.md").read_text()
    assert re.findall(r"^\| `([\w-]+)` \| ", text.split("## The drills")[1], re.M) == catalogue()
    said = {int(number): set(re.findall(r"`([\w-]+)`", drills))
            for number, drills in re.findall(r"^\| (\d+) \|[^|]*\|([^|]*)\|", text, re.M)}
    assert list(said) == list(range(1, 25))
    # Quick: everybody is dead soon, and what counts here is only which drill is about what.
    (tmp_path / "unbusy.yaml").write_text("""
upstreams: [{name: a, url: "http://192.0.2.1/v1"}, {name: b, url: "http://192.0.2.2/v1"}]
models: [{name: m, tiers: [[a, b]], first_token: {min: 200ms, max: 300ms}, stall: 300ms, total: 1s}]
""")
    known = {number: set() for number in said}
    for (name, _, _), one in scorecard(cwd=tmp_path)[1].items():
        for pain in one["pains"]:
            known[pain].add(name)
    assert said == known
