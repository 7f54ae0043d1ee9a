"""`unbusy mock` and `unbusy load` as programs: their options, exit codes, reports and signals."""

import gzip
import json
import os
import re
import signal
import subprocess

import pytest

from harness import ROOT, UNBUSY, certificate, get, request, takes_connections, wait_for

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}
TRACE = ROOT / "tests" / "data" / "llm" / "azure2023_conv.csv.gz"


def load(mock, *args, cwd, patience=60):
    return subprocess.run([str(UNBUSY), "load", "--url", mock.url, *map(str, args)], cwd=cwd,
                          capture_output=True, text=True, timeout=patience, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("args, words", [
    (["load"], "--url"),
    (["load", "--url", "ftp://x"], "--url"),
    (["load", "--url", "http://x"], "one of --rate, --trace and --streams"),
    (["load", "--url", "http://x", "--rate", "1/s", "--streams", "5"], "one of"),
    (["load", "--url", "http://x", "--streams", "5", "--plain"], "--streams"),
    (["load", "--url", "http://x", "--streams", "5", "--endpoint", "embeddings"], "--streams"),
    (["load", "--url", "http://x", "--trace", "nowhere.csv"], "nowhere.csv: No such file"),
    (["load", "--url", "http://x", "--rate", "1/s", "--prompt", "many"], "--prompt"),
    (["load", "--url", "http://x:y", "--rate", "1/s"], "--url"),
    (["load", "--url", "http://x:0", "--rate", "1/s"], "--url"),
    (["load", "--url", "http://[::1", "--rate", "1/s"], "--url"),
    (["mock", "--listen", "here"], "ADDRESS:PORT"),
    (["mock", "--listen", "127.0.0.1:65536"], "ADDRESS:PORT"),
    (["mock", "--fault", "cutt"], "did you mean cut?"),
    (["mock", "--profile", "fast"], "--profile"),
    (["mock", "--episodes", "share=2"], "--episodes"),
    (["mock", "--busy", "500"], "--busy"),
])
def test_wrong_usage_is_2_and_says_why(tmp_path, args, words):
    got = subprocess.run([str(UNBUSY), *args], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert got.returncode == 2 and words in got.stderr and not got.stdout


def test_mock_listens_and_ends(house):
    mock = house.mock("good", "--model", "m", "--model", "n")
    assert mock.lines == [f"listening on {mock.url}"]
    models = request(mock.port, "GET", "/models").json()["data"]
    assert [one["id"] for one in models] == ["m", "n"]
    assert request(mock.port, "POST", "/v1/chat/completions", {**CHAT, "model": "x"}).status == 404
    assert mock.stop() == 0


def printed(*args):
    got = subprocess.run([str(UNBUSY), *args], capture_output=True, text=True, timeout=30)
    assert got.returncode == 0 and not got.stderr
    return got.stdout


def test_the_help_of_mock_tells_how_to_change_a_running_one(house):
    mock = house.mock()
    rows = re.findall(r'^ {6}("\w+": .*?)   +\S', printed("mock", "--help"), re.M)
    assert len(rows) == 4
    answer = request(mock.port, "POST", "/mock/faults", "{" + ", ".join(rows[:3]) + "}")
    assert answer.status == 200 and answer.json() == {"ok": True}
    assert request(mock.port, "POST", "/mock/faults", {"faults": ["500"]}).status == 200
    assert request(mock.port, "POST", "/v1/chat/completions", CHAT).status == 500
    assert request(mock.port, "POST", "/mock/faults", {"faults": [], "episodes": None}).status == 200
    assert request(mock.port, "POST", "/v1/chat/completions", CHAT).status == 200
    assert request(mock.port, "POST", "/mock/faults", "{" + rows[3] + "}").status == 200
    wait_for("connections to be refused", lambda: not takes_connections(mock.port))
    wrong = request(house.mock("other").port, "POST", "/mock/faults", {"fault": []})
    known = re.findall(r'"(\w+)":', " ".join(rows))
    assert wrong.status == 400 and all(key in wrong.json()["error"]["message"] for key in known)


def test_mock_prints_what_there_is_to_choose_from(house):
    faults = re.findall(r"^(\S+) {2,}\S", printed("mock", "--fault", "list").split("\n\n")[0], re.M)
    assert {"429-after", "stall", "refuse"} <= set(faults) and len(faults) > 40
    house.mock("all", faults=faults)  # each of them is a rule as it stands
    profiles = re.findall(r"^(\S+) {2,}\S", printed("mock", "--profile", "list"), re.M)
    assert {"8b", "instant", "steady"} <= set(profiles)
    for profile in profiles:
        house.mock(profile, profile=profile)


def test_two_mocks_with_the_same_seed_agree(house):
    answers = [request(house.mock(name, seed=seed).port, "POST", "/v1/chat/completions", CHAT).json()
               for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    a, b, c = [one["choices"][0]["message"]["content"] for one in answers]
    assert a == b != c


def test_a_port_in_use_is_refused(house, tmp_path):
    mock = house.mock()
    got = subprocess.run([str(UNBUSY), "mock", "--listen", f"127.0.0.1:{mock.port}"], capture_output=True,
                         text=True, timeout=30, cwd=tmp_path)
    assert got.returncode == 1 and f":{mock.port}:" in got.stderr


def test_an_address_that_is_not_ours(tmp_path):
    got = subprocess.run([str(UNBUSY), "mock", "--listen", "192.0.2.1:80"], capture_output=True, text=True,
                         timeout=30, cwd=tmp_path)
    assert got.returncode == 1 and "192.0.2.1:80" in got.stderr


def test_load_reports(house, tmp_path):
    mock = house.mock("good", faults=["503:0.25"])
    got = load(mock, "--rate", "400/s", "--requests", 200, "--answer", 5, "--json", "report.json",
               "--html", "report.html", "--threads", 2, cwd=tmp_path)
    assert got.returncode == 0 and "first token" in got.stdout and "status 503" in got.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["requests"] == 200 and report["whole"] + report["failed"] == 200
    assert report["errors"]["status 503"] == report["failed"] == mock.stats()["faults"]["503"]
    assert report["answer_tokens"] == 5 * report["whole"] and report["first_token"]["p50"] > 0
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 3 and "<script" not in page and "http-equiv" not in page
    assert load(mock, "--rate", "400/s", "--requests", 50, "--min-success", "0.99", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize("fault, args, code", [
    ("none", [], 0),
    ("503:0.5", [], 0),
    ("503:0.5", ["--min-success", "0.9"], 1),
    ("503", [], 1),
    ("cut", [], 1),
    ("none", ["--json", "/dev/full"], 1),
    ("none", ["--requests", "0"], 1),
])
def test_the_exit_status_of_load(house, tmp_path, fault, args, code):
    got = load(house.mock(faults=[fault]), "--rate", "500/s", "--requests", 40, *args, cwd=tmp_path)
    assert got.returncode == code, got.stdout + got.stderr


def test_load_says_how_many_streams_were_open_at_once(house, tmp_path):
    for slots, words in ((20, "streams 12 wanted at once, 12 reached\n"),
                         (5, "streams 12 wanted at once, 5 reached: never all of them\n")):
        mock = house.mock(f"slots-{slots}", "--slots", slots, "--queue", 0)
        got = load(mock, "--streams", 12, "--ramp", "0s", "--duration", "200ms", "--answer", 300, "--threads", 2,
                   cwd=tmp_path)
        assert words in got.stdout, got.stdout


def test_mock_and_load_meet_over_ipv6(house, tmp_path):
    mock = house.program("six", [UNBUSY, "mock", "--listen", "[::1]:0", "--profile", "instant"])
    url = mock.await_line(r"listening on (http://\[::1\]:\d+)").group(1)
    got = subprocess.run([str(UNBUSY), "load", "--url", url + "/v1/", "--rate", "100/s", "--requests", "5"],
                         cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert got.returncode == 0 and "whole 5 " in got.stdout, got.stderr


def test_load_replays_a_trace(house, tmp_path):
    mock = house.mock()
    got = load(mock, "--trace", TRACE, "--speedup", 20,
               "--requests", 200, "--json", "-", cwd=tmp_path)
    report = json.loads(got.stdout)
    assert got.returncode == 0 and report["whole"] == 200
    rows = gzip.decompress(TRACE.read_bytes()).decode().splitlines()[1:201]
    assert report["answer_tokens"] == sum(int(row.split(",")[2]) for row in rows)


def test_blocks_of_a_trace_reach_the_prefix_cache(house, tmp_path):
    mock = house.mock()
    got = load(mock, "--trace", ROOT / "tests/data/llm/mooncake_600.jsonl.gz", "--speedup", 20,
               "--requests", 100, "--json", "-", cwd=tmp_path)
    assert json.loads(got.stdout)["whole"] == 100
    stats = mock.stats()
    assert 0.02 < stats["cached_tokens"] / stats["prompt_tokens"] < 0.9


def test_load_stops_at_a_signal_and_reports_all_the_same(house, tmp_path):
    mock = house.mock("slow", faults=["drip;every=100ms"])
    program = house.program("load", [UNBUSY, "load", "--url", mock.url, "--streams", 20, "--ramp", "0s",
                                     "--duration", "60s"])
    wait_for("20 streams", lambda: mock.stats()["in_flight"] == 20)
    program.signal(signal.SIGINT)
    assert program.wait() == 130
    program.stop()
    assert any("stopped early: 20 were still running" in line for line in program.lines)
    wait_for("the mock to see them gone", lambda: mock.stats()["in_flight"] == 0)


def test_metrics_have_vllms_names(house):
    mock = house.mock("good", "--model", "m")
    request(mock.port, "POST", "/v1/chat/completions", CHAT)
    text = get(mock.port, "/metrics").body.decode()
    for line in ('vllm:num_requests_running{engine="0",model_name="m"} 0',
                 'vllm:generation_tokens_total{engine="0",model_name="m"} 5',
                 'vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 1',
                 'vllm:request_queue_time_seconds_bucket{engine="0",model_name="m",le="+Inf"} 1'):
        assert line in text.splitlines(), line


def test_https_on_both_sides(house, tmp_path):
    cert, key = certificate(tmp_path, "IP:127.0.0.1")
    mock = house.mock("secure", secure=(cert, key))
    for ca, whole in ((["--ca", cert], 20), ([], 0)):
        got = load(mock, "--rate", "200/s", "--requests", 20, "--json", "-", *ca, cwd=tmp_path)
        report = json.loads(got.stdout)
        assert report["whole"] == whole and report["requests"] == 20, report["errors"]
        assert got.returncode == (0 if whole else 1)
    assert all(name.startswith("tls_failed") for name in report["errors"])


def test_the_walk_through_the_tools_works_as_it_is_written(tmp_path):
    # Its ports are fixed, so it gets a network of its own.
    alone = ["unshare", "-rnpf", "--kill-child"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespace for it here")
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "TOOLS.md").read_text(), re.M | re.S)
    assert len(blocks) == 4
    for port in (8001, 8002):
        blocks[0] += f"curl -sf --retry 20 --retry-delay 1 --retry-connrefused http://127.0.0.1:{port}/health\n"
    script = ("ip link set lo up\nunbusy() { \"$UNBUSY\" \"$@\"; }\n"
              + "".join(f"{block}printf '\\n--- %s\\n' $?\n" for block in blocks)
              + "kill $(jobs -p)\nwait\n")
    got = subprocess.run([*alone, "bash", "-c", script], cwd=tmp_path, capture_output=True, text=True,
                         timeout=60, env={"PATH": os.environ["PATH"], "UNBUSY": str(UNBUSY)})
    assert got.stdout.count("\n--- 0\n") == len(blocks), got.stdout + got.stderr
    _, direct, through, changed, _ = got.stdout.split("\n--- 0\n")
    share = [float(re.search(r"whole \d+ \(([\d.]+) %\)", one).group(1)) for one in (direct, through, changed)]
    assert 50 < share[0] < 80 and share[1:] == [100, 100], got.stdout + got.stderr
    assert "status 503" in direct and "streams 20 wanted at once, 20 reached\n" in changed
    assert '"faults":{"503":' in changed and '"drip":' in changed
