"""What applications see: the official SDKs, unmodified, over unbusy, over mock model servers."""

import base64
import hashlib
import json
import struct

import pytest

from harness import MESSAGES, ask, get, model, request, wait_for

CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 20, "temperature": 0}
TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]


def stream(params):
    return {**params, "stream": True}


def test_a_whole_answer(house, sdk):
    gateway = house.over(house.mock())
    got = sdk.call(gateway.base, "chat", CHAT)
    assert got.error == ""
    assert got.text and got.finish in ("stop", "length")
    assert got.result["model"] == "m"
    assert got.usage["completion_tokens"] > 0
    assert got.headers["x-unbusy-upstream"] == "good"
    assert got.headers["x-unbusy-attempts"] == "1"
    assert got.headers["x-request-id"]


def test_a_stream_says_the_same(house, sdk):
    gateway = house.over(house.mock())
    whole = sdk.call(gateway.base, "chat", CHAT)
    got = sdk.call(gateway.base, "chat", stream(CHAT))
    assert got.error == ""
    assert got.text == whole.text and got.finish == whole.finish
    assert len(got.chunks) > 3, "it came in pieces"
    assert got.usage is None, "usage is only for those who asked for it"


def test_usage_of_a_stream_for_those_who_ask(house, sdk):
    gateway = house.over(house.mock())
    got = sdk.call(gateway.base, "chat", {**stream(CHAT), "stream_options": {"include_usage": True}})
    assert got.chunks[-1]["choices"] == [] and got.chunks[-1]["usage"]["completion_tokens"] > 0
    whole = sdk.call(gateway.base, "chat", CHAT)
    assert got.usage["completion_tokens"] == whole.usage["completion_tokens"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_tool_calls(house, sdk, streamed):
    gateway = house.over(house.mock())
    got = sdk.call(gateway.base, "chat", {
        **CHAT, "messages": ask("call:get_weather in Hangzhou"), "tools": TOOLS,
        "stream": streamed, "max_tokens": 200})
    assert got.error == "" and got.finish == "tool_calls"
    name, arguments = got.tool_call
    assert name == "get_weather"
    assert isinstance(json.loads(arguments), dict)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_reasoning_passes_untouched(house, sdk, streamed):
    gateway = house.over(house.mock("good", "--dialect", "deepseek"),
                         upstream={"dialect": "deepseek"})
    got = sdk.call(gateway.base, "chat", {**CHAT, "stream": streamed, "max_tokens": 200})
    assert got.error == ""
    assert got.reasoning and got.text


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_completions(house, sdk, streamed):
    gateway = house.over(house.mock())
    got = sdk.call(gateway.base, "completions", {
        "model": "m", "prompt": "Once upon a time", "max_tokens": 12, "stream": streamed})
    assert got.error == "" and got.text


def test_embeddings_as_base64_and_as_numbers(house, sdk):
    gateway = house.over(house.mock())
    texts = ["autumn", "winter", "autumn"]
    got = sdk.call(gateway.base, "embeddings", {"model": "m", "input": texts, "dimensions": 8})
    vectors = [item["embedding"] for item in got.result["data"]]
    assert [item["index"] for item in got.result["data"]] == [0, 1, 2]
    assert len(vectors[0]) == 8 and vectors[0] == vectors[2] != vectors[1]
    raw = sdk.call(gateway.base, "embeddings", {
        "model": "m", "input": texts, "dimensions": 8, "encoding_format": "base64"})
    packed = raw.result["data"][0]["embedding"]
    assert struct.unpack("<8f", base64.b64decode(packed)) == pytest.approx(vectors[0], rel=1e-5)


def test_models(house, sdk):
    mock = house.mock()
    gateway = house.gateway({"upstreams": [mock.upstream()],
                             "models": [model(["good"], name="a"), model(["good"], name="b")]})
    got = sdk.call(gateway.base, "models", {})
    assert sorted(item["id"] for item in got.result["data"]) == ["a", "b"]


def test_base_url_without_v1(house, sdk):
    gateway = house.over(house.mock())
    got = sdk.call(gateway.url, "chat", CHAT)
    assert got.error == "" and got.text


def test_the_upstream_sees_its_own_model_name_and_key(house, python_sdk):
    mock = house.mock("good", "--model", "inner", "--key", "sk-upstream")
    gateway = house.over(mock, upstream={"key": "sk-upstream", "models": {"m": "inner"}})
    got = python_sdk.call(gateway.base, "chat", stream(CHAT), key="sk-of-the-client",
                          headers={"cookie": "session=1", "x-private": "secret"})
    assert got.error == "" and got.text
    last = mock.stats()["last"]
    headers = {name.lower(): value for name, value in last["headers"].items()}
    assert headers["authorization"] == "Bearer sk-upstream"
    assert headers["accept-encoding"] == "identity"
    assert not {"cookie", "x-private"} & set(headers)
    body = json.loads(last["body"])
    assert body["model"] == "inner" and body["messages"] == MESSAGES
    assert body["stream_options"] == {"include_usage": True}, "asked for on behalf of the gateway"


# --- errors and what the SDKs make of them -------------------------------------------------------


def test_an_unknown_model_is_not_tried_again(house, sdk):
    gateway = house.over(house.mock())
    got = sdk.call(gateway.base, "chat", {**CHAT, "model": "nobody"})
    assert (got.error, got.status) == ("NotFoundError", 404)
    assert len(gateway.records(1)) == 1


def test_a_wrong_key_is_refused(house, sdk):
    mock = house.mock()
    digest = hashlib.sha256(b"sk-good").hexdigest()
    gateway = house.over(mock, config={
        "tenants": [{"name": "web", "keys": [{"sha256": digest}], "models": ["*"]}]})
    assert sdk.call(gateway.base, "chat", CHAT, key="sk-good").error == ""
    got = sdk.call(gateway.base, "chat", CHAT, key="sk-bad")
    assert (got.error, got.status) == ("AuthenticationError", 401)
    assert mock.stats()["requests"] == 1


def test_a_clients_fault_is_passed_on_and_tried_nowhere_else(house, sdk):
    first, second = house.mock("first", faults=["refused"]), house.mock("second")
    gateway = house.over(first, second)
    got = sdk.call(gateway.base, "chat", CHAT)
    assert (got.error, got.status) == ("BadRequestError", 400)
    assert "Content Exists Risk" in got.message
    assert second.stats()["requests"] == 0


def test_busy_everywhere_is_an_error_that_says_when_to_return(house, sdk):
    gateway = house.over(house.mock("busy", faults=["503"]), total="2s",
                         retry={"attempts": 2, "ride_out": "0s", "base": "10ms"})
    got = sdk.call(gateway.base, "chat", CHAT, max_retries=0)
    assert got.error == "InternalServerError" and got.status == 503
    assert 0 < float(got.headers["retry-after-ms"]) <= 60000
    assert 0 < float(got.headers["retry-after"]) <= 60


def test_the_sdk_retries_what_may_be_retried(house, sdk):
    # The only upstream refuses twice and then answers: the SDK's own retry finds it well again.
    mock = house.mock("moody", faults=["503;times=1"])
    gateway = house.over(mock, retry={"attempts": 1})
    got = sdk.call(gateway.base, "chat", CHAT)
    assert got.error == "" and got.text
    outcomes = [record["outcome"] for record in gateway.records(2)]
    assert len(outcomes) == 2 and outcomes[0] != "ok" and outcomes[1] == "ok"


# --- forms of streams that are legal and rare ----------------------------------------------------


@pytest.mark.parametrize("form", ["id-lines", "crlf", "comments", "inside", "split"])
def test_every_form_of_a_stream_says_the_same(house, sdk, form):
    plain = house.mock()
    odd = house.mock("odd", faults=[form])
    gateway = house.gateway({
        "upstreams": [plain.upstream(), odd.upstream()],
        "models": [model(["good"], name="plain"), model(["odd"], name="odd")]})
    want = sdk.call(gateway.base, "chat", stream({**CHAT, "model": "plain"}))
    got = sdk.call(gateway.base, "chat", stream({**CHAT, "model": "odd"}), timeout=20)
    assert got.error == ""
    assert got.finish == want.finish
    assert got.text == want.text


def test_an_event_beyond_all_bounds_is_an_error(house, sdk):
    gateway = house.over(house.mock("odd", faults=["huge"]))
    got = sdk.call(gateway.base, "chat", stream(CHAT))
    assert got.error == "APIError" and got.code == "stream_broken" and got.chunks


def test_keep_alives_after_a_complete_answer_do_not_hold_the_client(house, sdk):
    gateway = house.over(house.mock("odd", faults=["late-done;every=100ms"]), stall="1s")
    got = sdk.call(gateway.base, "chat", stream(CHAT), timeout=10)
    assert got.finish == "length", "the whole answer was there"
    assert got.error in ("", "APIError"), "and it ended, if not well"


def test_no_id_line_reaches_a_client(house):
    gateway = house.over(house.mock("odd", faults=["id-lines"]))
    answer = request(gateway.port, "POST", "/v1/chat/completions", stream(CHAT))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert b"\nid:" not in answer.body and not answer.body.startswith(b"id:")
    assert answer.body.rstrip().endswith(b"data: [DONE]")


def test_a_waiting_stream_hears_a_heartbeat_and_then_its_answer(house, sdk):
    gateway = house.over(house.mock("slow", faults=["late;delay=3s"]),
                         heartbeat={"after": "500ms", "every": "500ms"},
                         first_token={"min": "10s", "max": "20s"})
    got = sdk.call(gateway.base, "chat", stream(CHAT), timeout=20)
    assert got.error == "" and got.text and got.finish
    wait_for("heartbeats in the metrics", lambda: gateway.count("unbusy_heartbeats_total") >= 2)


def test_the_metrics_and_the_log_agree(house, sdk):
    gateway = house.over(house.mock())
    for _ in range(3):
        sdk.call(gateway.base, "chat", CHAT)
    sdk.call(gateway.base, "chat", stream(CHAT))
    sdk.call(gateway.base, "chat", {**CHAT, "model": "nobody"})
    records = gateway.records(5)
    assert [record["outcome"] for record in records].count("ok") == 4
    assert gateway.count("unbusy_requests_total", model="m", outcome="ok") == 4
    assert gateway.count("unbusy_requests_total", outcome="no_route") == 1
    assert gateway.count("unbusy_attempts_total", upstream="good", error="ok") == 4
    assert [record["usage"] for record in records].count("reported") == 4
    assert gateway.count("unbusy_tokens_total", kind="output") == sum(
        record["tokens_out"] for record in records)
    assert gateway.count("unbusy_requests_running") == 0
    assert get(gateway.admin_port, "/healthz").status == 200
