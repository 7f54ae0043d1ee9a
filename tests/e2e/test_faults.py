"""Every fault of the mock, seen by the official SDK through unbusy: streamed and not, at the only
upstream, and with a good one in the tier behind.

A row says what the application sees in each of the four cases. They run at the same time, each with
an upstream entry and a model of its own: what the gateway learns in one tells it nothing in another.
"""

import concurrent.futures
import dataclasses
import http.client
import re
import subprocess
import time

import pytest

from harness import MESSAGES, UNBUSY, model, request, takes_connections, wait_for

CHAT = {"messages": MESSAGES, "max_tokens": 12, "temperature": 0}

# Quick, so that silence is noticed within the patience of a test.
POLICY = {"first_token": {"min": "400ms", "max": "1500ms"}, "stall": "800ms", "total": "2500ms",
          "retry": {"attempts": 3, "ride_out": "0s", "base": "5ms", "cap": "20ms"}}


@dataclasses.dataclass(frozen=True)
class Sees:
    error: str = ""            # the SDK's exception
    status: int = 0
    code: str = ""
    returns: bool = False      # is it told when to come back?
    text: str = "whole"        # or "part", "none"
    upstream: str = None       # as the header says
    attempts: tuple = ()       # (upstream, error) of each, as the access log says


def answered(text="whole", error="ok"):
    return Sees(text=text, upstream="bad", attempts=(("bad", error),))


def rescued(error, times=1):
    """The good one answers, and the application notices nothing."""
    return Sees(upstream="good", attempts=(("bad", error),) * times + (("good", "ok"),))


def refused(status, code, *errors, returns=True, upstream=None):
    """Nothing was forwarded: a status of our own choice, which the SDK knows how to take."""
    name = {400: "BadRequestError", 404: "NotFoundError"}.get(status, "InternalServerError")
    return Sees(name, status, code, returns, "none", upstream, tuple(("bad", e) for e in errors))


def busy(error):
    return refused(503, "all_busy", *[error] * 3)


def failed(error):
    return refused(502, error, *[error] * 3)


def broken(error):
    """It had begun, and nobody can go on: an error in the stream, never a clean end."""
    return Sees("APIError", 0, "stream_broken", False, "part", "bad", (("bad", error),) * 3)


def continued(error, times=1):
    """It had begun, and the good one goes on; the head still names the first."""
    return Sees(upstream="bad", attempts=(("bad", error),) * times + (("good", "ok"),))


def row(fault, alone, behind):
    """`alone`, `behind`: one for both, or (whole, streamed)."""
    four = [case for both in (alone, behind)
            for case in (both if isinstance(both, tuple) else (both, both))]
    return pytest.param(fault, four, id=fault)


def harmless(fault):
    return row(fault, answered(), answered())


def instead(fault, error, outcome=failed):
    return row(fault, outcome(error), rescued(error))


LATE = (refused(504, "deadline", "deadline"), refused(504, "late", "late"))


def never(fault):
    """No payload ever comes. A stream is given up at the first-token deadline, or later when there
    is nobody else; an answer that is not streamed at half of the time, or all of it."""
    return row(fault, LATE, rescued("late"))


def midway(fault, error, whole=None, outcome=failed):
    """What is not streamed is held back, and so is rescued also midway; what is streamed goes on."""
    whole = whole or error
    return row(fault, (outcome(whole), broken(error)), (rescued(whole), continued(error)))


OUT_OF_TIME = refused(504, "deadline", "deadline")

FAULTS = [
    # Busy: somebody else is asked, at last the client is told when to come back.
    instead("429", "throttled", busy),
    instead("503", "upstream_busy", busy),
    instead("529", "upstream_busy", busy),
    instead("flap;every=60s", "upstream_busy", busy),
    instead("busy-200", "upstream_busy", busy),
    instead("no-resource;after=0", "no_resource", busy),
    # The only upstream says when, and that is too late for this request.
    row("429-after;retry=60s", refused(503, "all_busy", "throttled"), rescued("throttled")),

    # Broken: once more in its tier, then the next one.
    row("500", failed("upstream_error"), rescued("upstream_error", 2)),
    row("502", failed("upstream_error"), rescued("upstream_error", 2)),
    row("reset", failed("reset"), rescued("reset", 2)),
    instead("refuse;delay=60s", "connect_refused"),

    # Nothing that waiting would change: no advice to come back.
    row("402", refused(502, "no_balance", "no_balance", returns=False), rescued("no_balance")),
    row("401", refused(502, "key_refused", "key_refused", returns=False), rescued("key_refused")),
    row("404", refused(404, "model_missing", "model_missing", returns=False),
        rescued("model_missing")),
    row("context", refused(400, "context_length_exceeded", "context_too_long", returns=False,
                           upstream="bad"), rescued("context_too_long")),
    # The client's own fault is nobody else's business.
    row("refused", *[refused(400, "invalid_request_error", "content_refused", returns=False,
                             upstream="bad")] * 2),

    # Answers that are none.
    row("empty-body", (failed("bad_answer"), failed("truncated")),
        (rescued("bad_answer"), rescued("truncated"))),
    instead("bad-head", "bad_answer"),
    instead("bad-length", "bad_answer"),
    instead("bad-chunk", "bad_answer"),
    instead("endless-head", "bad_answer"),
    instead("flood-1xx", "bad_answer"),
    # When everybody's answer is empty, it is passed on.
    row("empty", answered("none", "empty_answer"), rescued("empty_answer")),

    never("silence"),
    never("half-open"),
    never("late;delay=60s"),
    # Who says that it queues is not waited for: another one is asked beside it.
    row("queued;every=50ms", LATE, (rescued("outrun"), rescued("late"))),
    row("storm;delay=60s", LATE, (rescued("outrun"), rescued("late"))),
    harmless("late;delay=100ms"),
    harmless("storm;delay=100ms"),

    midway("truncated", "truncated"),
    midway("cut", "truncated"),
    midway("cut-event", "truncated"),
    midway("cut-clean", "truncated", whole="bad_answer"),
    midway("malformed", "bad_answer"),
    midway("no-resource", "no_resource", outcome=busy),
    row("error-event", (failed("upstream_error"), broken("upstream_error")),
        (rescued("upstream_error", 2), continued("upstream_error", 2))),
    row("stall", (OUT_OF_TIME, broken("stalled")), (rescued("late"), continued("stalled"))),
    row("stall-alive;every=50ms", (OUT_OF_TIME, broken("stalled")),
        (rescued("late"), continued("stalled"))),
    harmless("drip;every=50ms"),
    row("drip;every=5s", (OUT_OF_TIME, broken("stalled")), (rescued("late"), continued("stalled"))),
    row("huge", (answered(), broken("bad_answer")), (answered(), continued("bad_answer"))),

    # All of it was there, but nobody said so: the application has its answer, the upstream a mark.
    row("no-done", (answered(), answered(error="truncated")),
        (answered(), answered(error="truncated"))),
    row("late-done;every=50ms", (OUT_OF_TIME, answered(error="stalled")),
        (rescued("late"), answered(error="stalled"))),

    # Odd, and no harm: passed on as it is.
    *[harmless(fault) for fault in ("wrong-usage", "wrong-model", "diverge", "restart", "no-prefill",
                                    "id-lines", "crlf", "comments", "inside", "split")],
]

CASES = {"alone, whole": False, "alone, streamed": True, "behind, whole": False,
         "behind, streamed": True}


def build(house, bad, good):
    upstreams, models = [good.upstream()], []
    for number, case in enumerate(CASES):
        upstreams.append({**bad.upstream(), "name": f"bad{number}"})
        tiers = [[f"bad{number}"]] + ([["good"]] if case.startswith("behind") else [])
        models.append(model(*tiers, name=f"m{number}", **POLICY))
    return house.gateway({"upstreams": upstreams, "models": models})


def seen(got, record):
    """The outcome in the words of the table."""
    text = "none"
    if got.text:
        text = "whole" if got.finish in ("stop", "length") else "part"
    upstream = got.headers.get("x-unbusy-upstream")
    return Sees(got.error, got.status, got.code, "retry-after-ms" in got.headers, text,
                upstream and upstream.rstrip("0123456789"),
                tuple((one["upstream"].rstrip("0123456789"), one["error"])
                      for one in record["attempts"]))


@pytest.mark.parametrize("fault, wants", FAULTS)
def test_what_the_application_sees(house, python_sdk, fault, wants):
    bad, good = house.mock("bad", faults=[fault]), house.mock("good")
    if fault.split(";")[0] == "refuse":
        refuse_from_now_on(bad)
    gateway = build(house, bad, good)

    def call(number):
        params = {**CHAT, "model": f"m{number}", "stream": list(CASES.values())[number]}
        return python_sdk.call(gateway.base, "chat", params, max_retries=0, timeout=20)

    with concurrent.futures.ThreadPoolExecutor(len(CASES)) as pool:
        outcomes = list(pool.map(call, range(len(CASES))))
    records = sorted(gateway.records(len(CASES)), key=lambda record: record["model"])
    assert {case: seen(got, record) for case, got, record in zip(CASES, outcomes, records)} == dict(
        zip(CASES, wants))
    for got in outcomes:
        assert not got.error or got.message
        if "retry-after-ms" in got.headers:
            assert 0 < float(got.headers["retry-after-ms"]) <= 60000
            assert 0 < float(got.headers["retry-after"]) <= 60


def refuse_from_now_on(mock):
    """The first request is closed without an answer, and the listener with it."""
    with pytest.raises((OSError, http.client.HTTPException)):
        request(mock.port, "POST", "/v1/chat/completions", {**CHAT, "model": "m"})
    wait_for("connections to be refused", lambda: not takes_connections(mock.port))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_short_retry_after_is_waited_for(house, python_sdk, streamed):
    mock = house.mock("bad", faults=["429-after;retry=1s;times=1"])
    gateway = house.over(mock, **POLICY)
    began = time.monotonic()
    got = python_sdk.call(gateway.base, "chat", {**CHAT, "model": "m", "stream": streamed}, max_retries=0)
    assert seen(got, gateway.records(1)[0]) == Sees(
        upstream="bad", attempts=(("bad", "throttled"), ("bad", "ok")))
    assert time.monotonic() - began >= 1


def test_the_table_has_every_fault_of_the_mock():
    printed = subprocess.run([str(UNBUSY), "mock", "--fault", "list"], capture_output=True, text=True, timeout=30)
    known = re.findall(r"^(\S+) {2,}\S", printed.stdout.split("\n\n")[0], re.M)
    assert {one.values[0].split(";")[0] for one in FAULTS} == set(known)
