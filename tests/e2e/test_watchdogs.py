"""Streams that stop moving after their first token are continued elsewhere, by their own history."""

import time

from harness import MESSAGES, model, request

CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 30, "temperature": 0, "stream": True}


def ask(gateway, **more):
    return request(gateway.port, "POST", "/v1/chat/completions", {**CHAT, **more}, timeout=60)


def faults(mock, *rules):
    assert request(mock.port, "POST", "/mock/faults", {"faults": list(rules)}).status == 200


def house_of_two(house):
    """Two upstreams that can continue each other; the first is preferred. Ten answers of different
    lengths, a token each 20 ms or so, have taught what is usual."""
    near = house.mock("near", "--dialect", "vllm", profile="8b")
    far = house.mock("far", "--dialect", "vllm", profile="8b")
    gateway = house.gateway({
        "upstreams": [mock.upstream(dialect="vllm") for mock in (near, far)],
        "models": [model(["near"], ["far"])]})
    for tokens in range(20, 140, 10):
        assert ask(gateway, max_tokens=tokens).status == 200
    return near, gateway


def test_a_stall_is_noticed_by_what_is_usual(house):
    near, gateway = house_of_two(house)
    faults(near, "stall;after=5")
    began = time.monotonic()
    answer = ask(gateway)
    assert time.monotonic() - began < 10, "the model's stall is 30 seconds"
    assert b"[DONE]" in answer.body and b'"error"' not in answer.body
    tries = gateway.records(13)[-1]["attempts"]
    assert [(a["upstream"], a["error"]) for a in tries] == [("near", "stalled"), ("far", "ok")]


def test_a_crawl_with_comments_is_left(house):
    near, gateway = house_of_two(house)
    faults(near, "drip;every=2s")
    answer = ask(gateway)
    assert b"[DONE]" in answer.body and b'"error"' not in answer.body
    tries = gateway.records(13)[-1]["attempts"]
    assert [(a["upstream"], a["error"]) for a in tries] == [("near", "crawled"), ("far", "ok")]
    assert 9000 < tries[0]["ms"] < 20000
