"""Two upstreams at once: who queues a request, or is slower than usual, gets a rival."""

import threading
import time

import pytest

from harness import MESSAGES, request, wait_for

CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 20, "temperature": 0}
PRICE = {"input": 1.0, "output": 2.0}


def left(mock):
    return mock.stats()["outcomes"].get("client left", 0)


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
def test_an_upstream_that_only_says_that_it_waits_gets_a_rival(house, python_sdk, streamed):
    full = house.mock("full", faults=["queued;every=50ms"])
    free = house.mock("free")
    gateway = house.over(full, free, upstream={"price": PRICE})
    began = time.monotonic()
    got = python_sdk.call(gateway.base, "chat", {**CHAT, "stream": streamed}, max_retries=0, timeout=20)
    assert got.error == "" and got.headers["x-unbusy-upstream"] == "free"
    assert got.headers["x-unbusy-attempts"] == "2"
    assert time.monotonic() - began < 4, "the first token's deadline is five seconds"

    [record] = gateway.records(1)
    assert [(a["upstream"], a["error"]) for a in record["attempts"]] == [("full", "outrun"), ("free", "ok")]
    assert record["attempts"][1]["reason"] == "queued too long at the first one"
    wait_for("the loser's place to be given up", lambda: full.stats()["in_flight"] == 0)
    assert gateway.count("unbusy_upstream_tokens_estimated_total", upstream="full", kind="input") > 0
    assert gateway.count("unbusy_upstream_cost_total", upstream="full", usage="estimated") > 0
    assert gateway.count("unbusy_upstream_tokens_total", upstream="full") == 0


def test_without_a_hedge_budget_there_is_no_rival(house):
    full = house.mock("full", faults=["queued;every=50ms"])
    gateway = house.over(full, house.mock("free"), hedge={"budget": 0},
                         first_token={"min": "1s", "max": "1s"})
    answer = request(gateway.port, "POST", "/v1/chat/completions", {**CHAT, "stream": True})
    assert answer.status == 200
    [record] = gateway.records(1)
    assert [(a["upstream"], a["error"]) for a in record["attempts"]] == [("full", "late"), ("free", "ok")]


def test_the_wait_at_an_upstream_is_measured(house):
    full = house.mock("full", "--slots", "1", "--keep-alive", "50ms", profile="8b")
    gateway = house.over(full)
    occupier = threading.Thread(target=request, args=(full.port, "POST", "/v1/chat/completions",
                                                      {**CHAT, "max_tokens": 150}))
    occupier.start()
    wait_for("the only slot to be taken", lambda: full.stats()["in_flight"] == 1)
    answer = request(gateway.port, "POST", "/v1/chat/completions", {**CHAT, "stream": True})
    occupier.join()
    assert answer.status == 200 and answer.headers["x-unbusy-attempts"] == "1"
    assert gateway.count("unbusy_attempt_queued_seconds_count", upstream="full") == 1
    assert gateway.count("unbusy_attempt_queued_seconds_sum", upstream="full") > 0.3


def test_one_that_is_slower_than_usual_gets_a_rival_in_its_tier(house):
    near, far = house.mock("near"), house.mock("far", "--first-token", "300ms")
    gateway = house.gateway({
        "upstreams": [near.upstream(), far.upstream()],
        "models": [{"name": "m", "tiers": [["near", "far"]], "hedge": {"budget": 0.1}}]})
    for _ in range(80):
        assert request(gateway.port, "POST", "/v1/chat/completions", {**CHAT, "stream": True}).status == 200
    assert request(near.port, "POST", "/mock/faults", {"faults": ["late;delay=20s"]}).status == 200
    answers = [request(gateway.port, "POST", "/v1/chat/completions", {**CHAT, "stream": True}) for _ in range(2)]
    assert {answer.headers["x-unbusy-upstream"] for answer in answers} == {"far"}
    assert gateway.count("unbusy_attempt_starts_total", reason="slower than it usually is") >= 1
