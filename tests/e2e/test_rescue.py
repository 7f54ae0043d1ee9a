"""Upstreams that come and go, streams that break, clients that leave. What each single fault looks
like to the application is in test_faults.py."""

import http.client
import json
import threading

import pytest

from harness import MESSAGES, UNBUSY, ask, events, request, wait_for

CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 20, "temperature": 0}

# Quick deadlines, so that silence is noticed within the patience of a test.
POLICY = {"first_token": {"min": "1s", "max": "2s"}, "stall": "2s", "total": "6s"}

BROKEN = ["cut", "cut-event", "cut-clean", "stall", "stall-alive", "malformed", "error-event",
          "no-resource"]


@pytest.mark.parametrize("fault", BROKEN)
def test_a_stream_cut_midway_is_an_error_and_never_a_clean_end(house, sdk, fault):
    gateway = house.over(house.mock("bad", faults=[fault + ";after=3"]), house.mock("good"),
                         **POLICY)
    got = sdk.call(gateway.base, "chat", {**CHAT, "stream": True}, timeout=20)
    assert got.chunks, "it began"
    if got.error == "":  # rescued: then it must be whole
        assert got.finish in ("stop", "length")
    else:
        assert got.error == "APIError" and got.message
        assert got.finish is None


@pytest.mark.parametrize("fault", BROKEN)
def test_the_bytes_of_a_cut_stream(house, fault):
    gateway = house.over(house.mock("bad", faults=[fault + ";after=3"]), **POLICY)
    answer = request(gateway.port, "POST", "/v1/chat/completions", {**CHAT, "stream": True})
    assert answer.status == 200
    last = events(answer.body)[-1]
    assert '"error"' in last and "[DONE]" not in last


def test_a_refused_connection_is_nobodys_problem(house, python_sdk):
    good = house.mock("good")
    gone = house.mock("gone")
    gateway = house.over(gone, good, **POLICY)
    gone.stop()
    got = python_sdk.call(gateway.base, "chat", CHAT, max_retries=0)
    assert got.error == "" and got.headers["x-unbusy-upstream"] == "good"


def test_a_client_that_leaves_frees_the_upstream(house, python_sdk):
    mock = house.mock("good", faults=["drip;every=200ms"])
    gateway = house.over(mock)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    connection.request("POST", "/v1/chat/completions",
                       json.dumps({**CHAT, "stream": True, "max_tokens": 1000}))
    response = connection.getresponse()
    assert response.read(10)
    connection.sock.close()
    response.close()
    wait_for("the mock to see it cancelled", lambda: mock.stats()["outcomes"]["cancelled"] == 1)
    record = gateway.records(1)[0]
    assert record["outcome"] == "client_gone"
    assert gateway.count("unbusy_requests_running") == 0


def test_an_upstream_that_comes_back_is_used_again(house):
    good, other = house.mock("good"), house.mock("other")
    gateway = house.gateway({
        "upstreams": [good.upstream(), other.upstream()],
        "models": [{"name": "m", "tiers": [["good", "other"]], **POLICY}]})
    stop = threading.Event()
    problems, used = [], []

    def client(number):
        while not stop.is_set():
            answer = request(gateway.port, "POST", "/v1/chat/completions",
                             {**CHAT, "messages": ask(f"I am {number}")})
            if answer.status != 200:
                problems.append(answer.body)
            used.append(answer.headers.get("x-unbusy-upstream"))

    clients = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for one in clients:
        one.start()
    try:
        wait_for("both to be used", lambda: {"good", "other"} <= set(used))
        other.stop()
        used.clear()
        wait_for("the other one to carry it", lambda: len(used) > 50)
        again = house.program("again", [UNBUSY, "mock", "--listen", f"127.0.0.1:{other.port}",
                                        "--profile", "instant"])
        again.await_line("listening")
        used.clear()
        wait_for("it to be used again", lambda: "other" in used, patience=10)
    finally:
        stop.set()
        for one in clients:
            one.join()
    assert not problems[:3]


def test_four_out_of_five_fail_and_all_is_answered(house, python_sdk):
    rude = [house.mock(name, faults=[fault]) for name, fault in (
        ("a", "503:0.5"), ("b", "reset:0.5"), ("c", "500:0.5"), ("d", "429:0.5"))]
    good = house.mock("good")
    gateway = house.gateway({
        "upstreams": [mock.upstream() for mock in rude + [good]],
        "models": [{"name": "m", "tiers": [["a", "b", "c", "d", "good"]], **POLICY,
                    # With five tries the good one is reached whatever the dice say.
                    "retry": {"attempts": 5, "budget": 5}}]})
    for number in range(60):
        got = python_sdk.call(gateway.base, "chat", {**CHAT, "stream": number % 2 == 0},
                              max_retries=0)
        assert got.error == "", number
        assert got.text and got.finish
    assert gateway.count("unbusy_requests_total", outcome="ok") == 60
    assert gateway.count("unbusy_extra_attempts_total") > 0
