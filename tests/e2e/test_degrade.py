"""Less than was asked for, in the order of the model's ladder and labelled, when nobody can answer."""

import json

import pytest

from harness import MESSAGES, events, request, wait_for

CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 20, "temperature": 0}
WORDS = 'We are full right now, "please" ask again in a minute. 请稍后再试。'
RETRY = {"attempts": 2, "base": "10ms", "cap": "20ms"}


def ladder(house, big, little, degrade, **more):
    """m is served by big, and its ladder may lead to "small", which is served by little as "tiny"."""
    return house.gateway({
        "upstreams": [big.upstream(models={"m": "m"}, **more), little.upstream(models={"small": "tiny"})],
        "models": [{"name": "m", "retry": RETRY, "total": "5s", "degrade": degrade},
                   {"name": "small", "retry": RETRY}]})


@pytest.mark.parametrize("stream", [False, True])
def test_another_model_answers_and_says_so(house, sdk, stream):
    big, little = house.mock("big", faults=["503"]), house.mock("little")
    gateway = ladder(house, big, little, ["stale", {"model": "small"}, {"message": WORDS}])
    got = sdk.call(gateway.base, "chat", {**CHAT, "stream": stream}, max_retries=0)
    assert got.error == "" and got.headers["x-unbusy-degraded"] == "model=small"
    assert got.headers["x-unbusy-upstream"] == "little"
    assert json.loads(little.stats()["last"]["body"])["model"] == "tiny"
    assert gateway.records(1)[0]["degraded"] == "model=small"
    assert gateway.count("unbusy_degraded_total", model="m", step="model") == 1
    assert gateway.count("unbusy_degrade_level", model="m") == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_message_is_an_answer_like_any_other(house, sdk, stream):
    gateway = ladder(house, house.mock("big", faults=["503"]), house.mock("little", faults=["429"]),
                     [{"model": "small"}, {"max_tokens": 10}, {"message": WORDS}])
    got = sdk.call(gateway.base, "chat", {**CHAT, "stream": stream}, max_retries=0)
    assert got.error == "" and got.text == WORDS and got.finish == "stop"
    assert got.headers["x-unbusy-degraded"] == "message"
    assert "x-unbusy-upstream" not in got.headers
    record = gateway.records(1)[0]
    assert record["status"] == 200 and record["outcome"] == "ok" and record["degraded"] == "message"
    assert record["tokens_in"] == record["tokens_out"] == 0
    assert gateway.count("unbusy_degraded_total", model="m") == 1
    assert gateway.count("unbusy_degraded_total", model="m", step="message") == 1


def test_the_message_where_it_fits(house):
    gateway = ladder(house, house.mock("big", faults=["503"]), house.mock("little"), [{"message": WORDS}])

    def ask(path, body):
        return request(gateway.port, "POST", path, {"model": "m", **body})

    whole = ask("/v1/completions", {"prompt": "Hello"})
    assert whole.status == 200 and whole.json()["choices"][0]["text"] == WORDS
    assert whole.json()["usage"]["total_tokens"] == 0 and whole.json()["model"] == "m"
    streamed = events(ask("/v1/completions", {"prompt": "Hello", "stream": True}).body)
    assert json.loads(streamed[0])["choices"][0]["text"] == WORDS and streamed[-1] == "[DONE]"
    usage = events(ask("/v1/chat/completions", {"messages": MESSAGES, "stream": True,
                                                "stream_options": {"include_usage": True}}).body)
    assert json.loads(usage[-2])["usage"]["total_tokens"] == 0 and json.loads(usage[-2])["choices"] == []
    for body in ({"messages": MESSAGES, "response_format": {"type": "json_object"}},
                 {"messages": MESSAGES, "n": 2}, {"messages": MESSAGES, "logprobs": True}):
        refused = ask("/v1/chat/completions", body)
        assert refused.status == 503 and "x-unbusy-degraded" not in refused.headers, body
    assert ask("/v1/embeddings", {"input": "Hello"}).status == 503


def test_shorter_for_all_while_it_is_needed(house, sdk):
    big = house.mock("big", faults=["503"])
    gateway = ladder(house, big, house.mock("little"), [{"max_tokens": 7}, {"message": WORDS}])
    assert sdk.call(gateway.base, "chat", CHAT, max_retries=0).text == WORDS
    request(big.port, "POST", "/mock/faults", {"faults": []})

    def answered():
        got = sdk.call(gateway.base, "chat", CHAT, max_retries=0)
        return got if got.headers["x-unbusy-degraded"] == "max_tokens=7" else None

    got = wait_for("its breaker to close", answered)
    assert got.error == "" and got.finish == "length"
    assert json.loads(big.stats()["last"]["body"])["max_tokens"] == 7


def test_what_is_the_clients_own_is_left_to_it(house):
    gateway = ladder(house, house.mock("big", faults=["refused"]), house.mock("little"),
                     [{"model": "small"}, {"message": WORDS}])
    answer = request(gateway.port, "POST", "/v1/chat/completions", CHAT)
    assert answer.status == 400 and "x-unbusy-degraded" not in answer.headers
    assert gateway.count("unbusy_degrade_level", model="m") == 0


def test_a_label_that_comes_after_the_head(house):
    big = house.mock("big", faults=["silence"])
    gateway = house.gateway({
        "upstreams": [big.upstream(models={"m": "m"}), house.mock("little").upstream(models={"small": "tiny"})],
        "models": [{"name": "m", "retry": {**RETRY, "attempts": 1}, "first_token": {"min": "400ms", "max": "400ms"},
                    "heartbeat": {"after": "100ms", "every": "100ms"}, "degrade": [{"model": "small"}]},
                   {"name": "small"}]})
    answer = request(gateway.port, "POST", "/v1/chat/completions", {**CHAT, "stream": True})
    assert answer.status == 200 and "x-unbusy-degraded" not in answer.headers
    before, label, after = answer.body.partition(b"\n: degraded: model=small\n")
    assert label and b"still waiting" in before and b"data:" not in before
    assert events(after)[-1] == "[DONE]"


def test_an_unknown_model_on_the_ladder_changes_nothing(house):
    gateway = ladder(house, house.mock("big", faults=["503"]), house.mock("little"), [{"message": "one"}])
    config = json.loads(gateway.config_file.read_text())

    def reload(degrade):
        config["models"][0]["degrade"] = degrade
        gateway.config_file.write_text(json.dumps(config))
        return request(gateway.admin_port, "POST", "/admin/reload")

    def said():
        return request(gateway.port, "POST", "/v1/chat/completions", CHAT).json()["choices"][0]["message"]["content"]

    refused = reload([{"model": "smal"}])
    assert refused.status != 200 and b"did you mean 'small'?" in refused.body
    assert said() == "one"
    assert reload([{"message": "two"}]).status == 200 and said() == "two"
