"""Upstreams that come and go, streams that break, clients that leave. What each single fault looks
like to the application is in test_faults.py."""

import http.client
import json
import socket
import statistics
import struct
import threading
import time

import openai
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


# --- clients that leave ---------------------------------------------------------------------------


class Watch:
    """Looks at a mock again and again, over one connection: a look takes a fraction of a millisecond."""

    def __init__(self, mock):
        self.connection = http.client.HTTPConnection("127.0.0.1", mock.port, timeout=20)

    def stats(self):
        self.connection.request("GET", "/mock/stats")
        return json.loads(self.connection.getresponse().read())

    def await_more(self, than, count):
        end = time.monotonic() + 20
        while count(self.stats()) <= than:
            assert time.monotonic() < end, "it never came"


def ended(stats):
    return sum(stats["outcomes"].values())


def socket_that_asked(gateway, streamed, reads):
    body = json.dumps({**CHAT, "stream": streamed}).encode()
    sock = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
    sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    if reads:
        assert sock.recv(10)
    return sock


def raw_client(fault, streamed, reads, linger=None):
    def begin(gateway):
        sock = socket_that_asked(gateway, streamed, reads)
        if linger is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", *linger))
        return sock.close
    return fault, begin


def sdk_client(fault):
    def begin(gateway):
        client = openai.OpenAI(base_url=gateway.base, api_key="none", max_retries=0)
        answer = client.chat.completions.create(**CHAT, stream=True)
        next(answer)
        return answer.close
    return fault, begin


@pytest.mark.parametrize("fault, begin", [
    raw_client("silence", streamed=False, reads=False),
    raw_client("silence", streamed=True, reads=False),
    raw_client("queued;every=50ms", streamed=True, reads=False),
    raw_client("late;delay=60s", streamed=False, reads=False),
    raw_client("stall;after=2", streamed=False, reads=False),
    raw_client("stall;after=2", streamed=True, reads=True),
    raw_client("stall;after=2", streamed=True, reads=True, linger=(1, 0)),
    raw_client("drip;every=200ms", streamed=True, reads=True),
    sdk_client("drip;every=200ms"),
], ids=["silence-whole", "silence", "keep-alives", "late-whole", "stall-whole", "stall", "reset", "drip", "sdk"])
def test_the_upstream_is_left_within_ten_milliseconds_of_the_client(house, fault, begin):
    mock = house.mock("mock", faults=[fault])
    gateway = house.over(mock)
    watch, took = Watch(mock), []
    for _ in range(20):
        before = watch.stats()
        leave = begin(gateway)
        watch.await_more(before["requests"], lambda stats: stats["requests"])
        left_at = time.monotonic()
        leave()
        watch.await_more(ended(before), ended)
        took.append(1000 * (time.monotonic() - left_at))
    assert statistics.median(took) <= 10, sorted(took)
    assert {record["outcome"] for record in gateway.records(20)} == {"client_gone"}
    assert gateway.count("unbusy_requests_total", outcome="client_gone") == 20
    assert gateway.count("unbusy_requests_running") == 0
    assert mock.stats()["in_flight"] == 0


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
