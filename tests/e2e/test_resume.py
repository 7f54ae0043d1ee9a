"""A chat that breaks midway goes on at another upstream, in each dialect's way; to the official SDK it is
one stream with one id, and the whole answer."""

import json

import pytest

from harness import MESSAGES, model

CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 40, "stream": True,
        "stream_options": {"include_usage": True}}
DIALECTS = ["openai", "deepseek", "vllm", "sglang", "llama"]
QUICK = {"stall": "800ms", "retry": {"attempts": 4, "base": "5ms", "cap": "20ms"}}


def two(house, dialect, first, second=(), to=None, **policy):
    """The first breaks, the second goes on; both would say the same."""
    a = house.mock("a", "--dialect", dialect, faults=[first])
    b = house.mock("b", "--dialect", to or dialect, faults=second)
    return house.gateway({
        "upstreams": [a.upstream(dialect=dialect), b.upstream(dialect=to or dialect)],
        "models": [model(["a"], ["b"], **{**QUICK, **policy})]}), a, b


def whole_answer(house, sdk, dialect, params):
    """What one says that does not break."""
    mock = house.mock("whole", "--dialect", dialect)
    gateway = house.gateway({"upstreams": [mock.upstream(dialect=dialect)], "models": [model(["whole"])]},
                            name="calm")
    return sdk.call(gateway.base, "chat", params, max_retries=0)


def attempts(gateway):
    return [(one["upstream"], one["error"]) for one in gateway.records(1)[0]["attempts"]]


def assert_one_stream(got, want):
    assert got.error == "" and got.text == want.text and got.finish == want.finish
    assert len({chunk["id"] for chunk in got.chunks}) == 1
    assert len({chunk["created"] for chunk in got.chunks}) == 1
    assert sum((chunk["choices"] or [{}])[0].get("delta", {}).get("role") is not None
               for chunk in got.chunks) == 1


def broken(got, want):
    """An honest end of less than all: what came is right, and no more is claimed."""
    return (got.error == "APIError" and got.code == "stream_broken" and got.finish is None
            and want.text.startswith(got.text) and got.text != want.text)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_rest_comes_from_another_one(house, sdk, dialect):
    gateway, _, b = two(house, dialect, "cut;after=20")
    got = sdk.call(gateway.base, "chat", CHAT, max_retries=0)
    want = whole_answer(house, sdk, dialect, CHAT)
    assert_one_stream(got, want)
    assert attempts(gateway) == [("a", "truncated"), ("b", "ok")]
    asked = json.loads(b.stats()["last"]["body"])
    assert (asked["messages"] == MESSAGES) == (dialect == "openai")
    if dialect != "openai":
        begun = asked["messages"][-1]
        assert begun["role"] == "assistant" and want.text.startswith(begun["content"])
        assert asked["max_tokens"] == CHAT["max_tokens"] - 20
        assert got.usage["completion_tokens"] == want.usage["completion_tokens"]
        assert got.usage["unbusy"] == {"resumed": True, "estimated_tokens": 20}
        assert gateway.count("unbusy_upstream_tokens_estimated_total", upstream="a", kind="output") >= 20
    if dialect == "deepseek":
        assert begun["prefix"] is True and begun["reasoning_content"] == want.reasoning
        assert b.stats()["last"]["target"] == "/beta/chat/completions"


@pytest.mark.parametrize("fault", ["stall;after=20", "malformed;after=20", "no-resource;after=20",
                                   "cut-event;after=20", "cut-clean;after=20", "drip;after=20;every=9s"])
def test_however_it_breaks(house, python_sdk, fault):
    gateway, _, _ = two(house, "vllm", fault)
    got = python_sdk.call(gateway.base, "chat", CHAT, max_retries=0)
    assert_one_stream(got, whole_answer(house, python_sdk, "vllm", CHAT))


@pytest.mark.parametrize("second, error", [("no-prefill;times=1", "bad_request"),
                                           ("diverge;times=1", "diverged"), ("cut;after=5;times=1", "truncated")])
def test_when_the_other_one_does_not_the_first_one_may(house, python_sdk, second, error):
    gateway, _, _ = two(house, "sglang", "cut;after=20;times=1", [second])
    got = python_sdk.call(gateway.base, "chat", CHAT, max_retries=0)
    assert_one_stream(got, whole_answer(house, python_sdk, "sglang", CHAT))
    assert attempts(gateway)[:2] == [("a", "truncated"), ("b", error)] and len(attempts(gateway)) == 3


def test_other_words_are_not_mixed_in(house, python_sdk):
    gateway, _, _ = two(house, "openai", "cut;after=20", ["diverge"])
    got = python_sdk.call(gateway.base, "chat", CHAT, max_retries=0)
    assert broken(got, whole_answer(house, python_sdk, "openai", CHAT))
    assert ("b", "diverged") in attempts(gateway)


@pytest.mark.parametrize("bar, fault, params, config", [
    ("reasoning", "cut;after=3", {}, {}),
    ("choices", "cut;after=20", {"n": 2}, {}),
    ("logprobs", "cut;after=20", {"logprobs": True}, {}),
    ("grammar", "cut;after=20", {"response_format": {"type": "json_object"}}, {}),
    ("tools", "cut;after=2", {"tools": [{"type": "function", "function": {"name": "weather"}}],
                              "messages": [{"role": "user", "content": "call:weather"}]}, {}),
    ("too_long", "cut;after=20", {}, {"resume_buffer": "30B"}),
    ("off", "cut;after=20", {}, {"models": [model(["a"], ["b"], resume=False)]}),
])
def test_what_is_not_resumed(house, python_sdk, bar, fault, params, config):
    a = house.mock("a", "--dialect", "deepseek", faults=[fault])
    b = house.mock("b", "--dialect", "deepseek")
    gateway = house.gateway({"upstreams": [a.upstream(dialect="deepseek"), b.upstream(dialect="deepseek")],
                             "models": [model(["a"], ["b"])], **config})
    got = python_sdk.call(gateway.base, "chat", {**CHAT, **params}, max_retries=0)
    assert got.error == "APIError" and got.code == "stream_broken"
    assert attempts(gateway) == [("a", "truncated")]
    assert b.stats()["last"] is None, "nobody else was asked"
    assert gateway.count("unbusy_broken_streams_total", bar=bar) == 1
