"""The queue in front of full upstreams, as clients meet it."""

import threading
import time

from harness import MESSAGES, request, wait_for

CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 5}
PATH = "/v1/chat/completions"


def ask_at_once(gateway, params):
    """One request for each of `params` = (body, headers), begun together: (answer, seconds)."""
    answers = [None] * len(params)

    def ask(index, body, headers):
        began = time.monotonic()
        answers[index] = (request(gateway.port, "POST", PATH, body, headers),
                          time.monotonic() - began)

    threads = [threading.Thread(target=ask, args=(index, *each)) for index, each in enumerate(params)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_who_cannot_be_served_in_time_is_refused_at_once(house, sdk):
    gateway = house.over(house.mock("slow", "--first-token", "500ms"),
                         upstream={"concurrency": 2}, config={"queue": {"wait": "1100ms"}})
    assert request(gateway.port, "POST", PATH, CHAT).status == 200, "how long it takes is known"
    answers = ask_at_once(gateway, [(CHAT, {})] * 16)
    good = [answer for answer, _ in answers if answer.status == 200]
    refused = [(answer, took) for answer, took in answers if answer.status == 503]
    # Two slots at once, and those that become free within a second; the last may be late on a busy
    # machine, but those who were refused at once were not.
    assert 4 <= len(good) <= 6 and len(good) + len(refused) == 16
    at_once = [answer for answer, took in refused if took < 0.45]
    assert len(at_once) == 10
    for answer in at_once:
        assert answer.headers["x-should-retry"] == "true"
        assert 1000 <= float(answer.headers["retry-after-ms"]) <= 60000
    assert gateway.count("unbusy_refusals_total", reason="no slot in sight in time") == 10
    # An SDK comes back when it was told.
    running = threading.Thread(target=ask_at_once, args=(gateway, [(CHAT, {})] * 8))
    running.start()
    wait_for("a full line", lambda: gateway.count("unbusy_requests_waiting") >= 2)
    got = sdk.call(gateway.base, "chat", CHAT, timeout=30)
    running.join()
    assert got.error == "" and got.text


def test_a_waiting_stream_hears_its_place(house):
    gateway = house.over(house.mock("slow", "--first-token", "500ms"), upstream={"concurrency": 1},
                         heartbeat={"after": "200ms", "every": "200ms"})
    assert request(gateway.port, "POST", PATH, CHAT).status == 200
    streams = ask_at_once(gateway, [({**CHAT, "stream": True}, {})] * 3)
    places = sorted(answer.headers.get("x-unbusy-queue-position", "0") for answer, _ in streams)
    assert places == ["0", "1", "2"]
    last = next(answer for answer, _ in streams
                if answer.headers.get("x-unbusy-queue-position") == "2")
    assert 0 < int(last.headers["x-unbusy-queue-wait-ms"]) < 2500
    comments = [line for line in last.body.split(b"\n") if line.startswith(b":")]
    assert comments[0].startswith(b": waiting, position 2, about ")
    assert any(line.startswith(b": waiting, position 1, about ") for line in comments)
    assert last.body.rstrip().endswith(b"data: [DONE]")


def test_the_important_ones_go_first(house):
    gateway = house.over(house.mock("slow", "--first-token", "300ms"), upstream={"concurrency": 1})
    runs = threading.Thread(target=ask_at_once, args=(gateway, [(CHAT, {})]))
    runs.start()
    wait_for("the slot to be taken", lambda: gateway.count("unbusy_attempts_running") == 1)
    batch = threading.Thread(target=ask_at_once,
                             args=(gateway, [(CHAT, {"x-unbusy-class": "batch"})] * 3))
    batch.start()
    wait_for("three to wait", lambda: gateway.count("unbusy_requests_waiting", **{"class": "batch"}) == 3)
    [(answer, _)] = ask_at_once(gateway, [(CHAT, {})])
    assert answer.status == 200
    assert gateway.count("unbusy_requests_waiting", **{"class": "batch"}) >= 2, "before nearly all"
    batch.join()
    runs.join()
