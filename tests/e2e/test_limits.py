"""Limits as the official SDKs meet them: turned away, told when to come again, and let in then."""

import hashlib
import threading
import time

import pytest

from harness import MESSAGES, request, wait_for

CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 20, "temperature": 0}


def tenant(name, **limits):
    digest = hashlib.sha256(f"sk-{name}".encode()).hexdigest()
    return {"name": name, "keys": [{"sha256": digest}], **limits}


def house_with(house, *tenants, **config):
    mock = house.mock()
    return mock, house.over(mock, config={"tenants": list(tenants), **config})


def call(sdk, gateway, name="web", params=CHAT, **more):
    return sdk.call(gateway.base, "chat", params, key=f"sk-{name}", **more)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_who_is_over_its_rate_is_let_in_when_told(house, sdk, streamed):
    mock, gateway = house_with(house, tenant("web", requests={"rate": "1/s", "burst": 1}),
                               tenant("other"))
    params = {**CHAT, "stream": streamed}
    first = call(sdk, gateway, params=params)
    assert first.error == ""
    assert first.headers["x-ratelimit-limit-requests"] == "1"
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert first.headers["x-ratelimit-reset-requests"] == "1s"

    refused = call(sdk, gateway, params=params, max_retries=0)
    assert (refused.error, refused.status) == ("RateLimitError", 429)
    assert refused.code == "rate_limit_exceeded"
    assert "requests of the owner of this API key" in refused.message
    assert refused.headers["x-should-retry"] == "true"
    assert 0 < float(refused.headers["retry-after-ms"]) <= 1250
    assert call(sdk, gateway, name="other", params=params, max_retries=0).error == ""

    began = time.monotonic()
    patient = call(sdk, gateway, params=params)  # with its two retries
    assert patient.error == "" and patient.text
    # It came behind the one that was told before it, and not much later.
    assert 0.5 < time.monotonic() - began < 5
    assert mock.stats()["requests"] == 3
    assert gateway.metrics()['unbusy_limited_total{tenant="web",limit="tenant_requests"}'] >= 2


def test_tokens_are_settled_by_what_was_used(house, sdk):
    _, gateway = house_with(house, tenant("web", tokens={"rate": "1/min", "burst": 1000}))
    first = call(sdk, gateway)
    used = first.usage["total_tokens"]
    second = call(sdk, gateway)
    left = int(second.headers["x-ratelimit-remaining-tokens"])
    estimate = 1000 - int(first.headers["x-ratelimit-remaining-tokens"])
    assert estimate >= used, "the reserve is what may come at most"
    assert 1000 - used - estimate <= left <= 1000 - used


def test_what_never_fits_is_not_tried_again(house, sdk):
    mock, gateway = house_with(house, tenant("web", tokens={"rate": "1000/s", "burst": 2}))
    got = call(sdk, gateway)
    assert (got.error, got.status, got.code) == ("RateLimitError", 429, "rate_limit_exceeded")
    assert got.headers["x-should-retry"] == "false" and "too large" in got.message
    assert len(gateway.records(1)) == 1 and mock.stats()["requests"] == 0


def test_a_tenants_requests_at_the_same_time(house, sdk):
    mock = house.mock("good", "--first-token", "2s")
    gateway = house.over(mock, config={"tenants": [tenant("web", concurrency=1)]})
    answers = []
    thread = threading.Thread(target=lambda: answers.append(request(
        gateway.port, "POST", "/v1/chat/completions", CHAT, {"authorization": "Bearer sk-web"})))
    thread.start()
    wait_for("the first request to run", lambda: gateway.count("unbusy_requests_running") == 1)
    refused = call(sdk, gateway, max_retries=0)
    thread.join()
    assert (refused.error, refused.status) == ("RateLimitError", 429)
    assert "same time" in refused.message
    assert answers[0].status == 200
    assert call(sdk, gateway, max_retries=0).error == "", "its place is free again"


def test_a_lower_class_can_be_asked_for_and_no_higher(house, sdk):
    _, gateway = house_with(house, tenant("web", **{"class": "interactive"}))
    for asked in ("batch", "critical", "nonsense"):
        assert call(sdk, gateway, headers={"x-unbusy-class": asked}).error == ""
    assert [r["class"] for r in gateway.records(3)] == ["batch", "interactive", "interactive"]
