"""Engines that others use as well: what they say about their load counts in the choice."""

import contextlib
import http.client
import threading

from harness import MESSAGES, model, request, wait_for

CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 3, "stream": True}


def engines(house, **upstream):
    """Two engines with sixteen places each, and a gateway that may choose."""
    mocks = [house.mock(name, "--slots", 16, profile="8b") for name in ("a", "b")]
    gateway = house.gateway({
        "upstreams": [mock.upstream(dialect="vllm", **upstream) for mock in mocks],
        "models": [model(["a", "b"], affinity={"prefix": False})]})
    return mocks, gateway


def use_by_others(mock, count):
    """So many answers of some seconds, asked for without us."""
    body = {"model": "m", "messages": MESSAGES, "max_tokens": 400}

    def use():
        with contextlib.suppress(OSError, http.client.HTTPException):  # the test may end first
            request(mock.port, "POST", "/v1/chat/completions", body)

    for _ in range(count):
        threading.Thread(target=use, daemon=True).start()


def test_an_engine_that_others_use(house):
    (busy, _), gateway = engines(house)
    use_by_others(busy, 40)
    wait_for("the gateway to hear of it",
             lambda: gateway.count("unbusy_upstream_others_running", upstream="a") == 40)
    assert gateway.count("unbusy_upstream_engine_waiting", upstream="a") == 24
    assert gateway.count("unbusy_upstream_others_running", upstream="b") == 0
    answers = [request(gateway.port, "POST", "/v1/chat/completions", CHAT) for _ in range(10)]
    chosen = [answer.headers["x-unbusy-upstream"] for answer in answers]
    assert chosen == ["b"] * 10


def test_an_engine_that_does_not_tell(house):
    engine = house.mock("a")
    gateway = house.over(engine, upstream={"dialect": "sglang"})  # the mock has vLLM's names
    wait_for("failures to be counted",
             lambda: gateway.count("unbusy_upstream_load_failures_total", upstream="a") >= 3)
    gateway.await_line("an engine does not tell its load upstream=a")
    assert request(gateway.port, "POST", "/v1/chat/completions", CHAT).status == 200
    assert gateway.count("unbusy_upstream_others_running", upstream="a") == 0


def test_nobody_is_asked_when_it_is_off(house):
    _, gateway = engines(house, load="off")
    for _ in range(3):
        assert request(gateway.port, "POST", "/v1/chat/completions", CHAT).status == 200
    assert gateway.count("unbusy_upstream_load_reads_total") == 0
    assert gateway.count("unbusy_upstream_load_failures_total") == 0
