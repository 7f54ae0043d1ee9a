"""Three gateways that share one account through Redis: the sum holds, whatever happens to one of them
or to Redis. The account is a mock that counts its peak."""

import hashlib
import os
import pathlib
import shutil
import signal
import socket
import threading
import time

import pytest

import harness
from harness import wait_for

LIMIT = 30
SERVER = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(SERVER is None, reason="there is no redis-server")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Redis:
    """A redis-server of our own that can be frozen, killed and started again at the same port."""

    def __init__(self, house):
        self.house = house
        self.port = free_port()
        self.start()

    def start(self):
        folder = pathlib.Path(self.house.folder)
        self.program = self.house.program("redis", [
            SERVER, "--port", self.port, "--bind", "127.0.0.1", "--dir", folder, "--save", "",
            "--appendonly", "no"])
        self.program.await_line("Ready to accept connections")

    def signal(self, number):
        self.program.signal(number)

    def kill(self):
        self.program.signal(signal.SIGKILL)
        self.program.wait()


def config(mock, redis_port, **share):
    return {"upstreams": [mock.upstream(concurrency=LIMIT)],
            "models": [harness.model([mock.name], total="60s", patience="0ms")],
            "queue": {"size": 1000, "wait": "60s"},
            "share": {"redis": f"redis://127.0.0.1:{redis_port}/1", "nodes": 3, **share}}


def account(house):
    """Answers take 0.2 s; one that comes above the limit is counted in the peak."""
    return house.mock("account", "--first-token", "200ms", "--answer", "10", "--slots", "500")


def three(house, mock, redis_port):
    return [house.gateway(config(mock, redis_port, node=f"g{i}"), name=f"g{i}") for i in range(3)]


def load(house, gateway, streams, name, seconds=60):
    return house.program(name, [
        harness.UNBUSY, "load", "--url", gateway.url, "--model", "m", "--streams", streams, "--ramp",
        "0s", "--answer", "10", "--prompt", "20", "--duration", f"{seconds}s", "--quiet", "--json",
        "-"])


def part(gateway):
    return gateway.count("unbusy_upstream_part")


def parts(gateways):
    return [part(gateway) for gateway in gateways]


def alone(gateway):
    return gateway.count("unbusy_share_alone") == 1


def running(mock):
    return mock.stats()["in_flight"]


def peak(mock):
    return mock.stats()["in_flight_max"]


def settled(gateways):
    wait_for("leases for all", lambda: sum(parts(gateways)) >= LIMIT - 3
             and not any(alone(g) for g in gateways)
             and all(g.count("unbusy_share_gateways") == 3 for g in gateways))


def test_the_sum_holds_and_parts_follow_the_need(house):
    mock, redis = account(house), Redis(house)
    gateways = three(house, mock, redis.port)
    settled(gateways)
    busy = load(house, gateways[0], 60, "load0")
    began = time.monotonic()
    wait_for("the busy one to have nearly all", lambda: part(gateways[0]) >= LIMIT - 2)
    took = time.monotonic() - began
    wait_for("all of it in use", lambda: running(mock) >= LIMIT - 2)
    load(house, gateways[1], 60, "load1")
    load(house, gateways[2], 60, "load2")
    wait_for("a third each", lambda: all(9 <= p <= 11 for p in parts(gateways)))
    wait_for("all of it in use", lambda: running(mock) >= LIMIT - 2)
    assert peak(mock) <= LIMIT
    # From here on the mock may count more: it takes a moment to see that cancelled ones are closed.
    busy.signal(signal.SIGKILL)
    wait_for("the rest to go to the others",
             lambda: part(gateways[0]) <= 2 and part(gateways[1]) >= 13 and part(gateways[2]) >= 13)
    assert took < 1.5, f"the busy one had to wait {took:.2f} s"


def test_the_part_of_a_dead_gateway_is_used_by_the_others(house):
    mock, redis = account(house), Redis(house)
    gateways = three(house, mock, redis.port)
    settled(gateways)
    loads = [load(house, g, 40, f"load{i}") for i, g in enumerate(gateways)]
    wait_for("a third each", lambda: all(9 <= p <= 11 for p in parts(gateways)))
    gateways[0].signal(signal.SIGKILL)
    loads[0].signal(signal.SIGKILL)
    began = time.monotonic()
    wait_for("half each", lambda: sum(parts(gateways[1:])) == LIMIT)
    took = time.monotonic() - began
    assert took < 2, f"its part was free after {took:.2f} s"
    wait_for("all of it in use", lambda: running(mock) >= LIMIT - 2)
    assert peak(mock) <= LIMIT


@pytest.mark.parametrize("what", ["killed", "frozen"])
def test_without_redis_each_has_a_fair_part(house, what):
    mock, redis = account(house), Redis(house)
    gateways = three(house, mock, redis.port)
    settled(gateways)
    load(house, gateways[0], 60, "load0")
    load(house, gateways[1], 3, "load1")
    wait_for("uneven parts", lambda: part(gateways[0]) >= 20)
    if what == "killed":
        redis.kill()
    else:
        redis.signal(signal.SIGSTOP)
    wait_for("all to say that they are alone", lambda: all(alone(g) for g in gateways))
    assert part(gateways[0]) == LIMIT / 3
    assert sum(parts(gateways)) <= LIMIT
    before = mock.stats()["requests"]
    wait_for("answers all the same", lambda: mock.stats()["requests"] > before + 50)
    assert any("fair part" in line for line in gateways[0].lines)
    errors = "lost" if what == "killed" else "timeout"
    assert gateways[0].count("unbusy_redis_errors_total", error=errors) > 0
    assert gateways[0].count("unbusy_redis_up") == 0
    if what == "killed":
        redis.start()
    else:
        redis.signal(signal.SIGCONT)
    wait_for("the busy one to have most again", lambda: part(gateways[0]) >= 20)
    assert not any(alone(g) for g in gateways)
    wait_for("it to be in use", lambda: running(mock) >= 20)
    assert peak(mock) <= LIMIT


RUDE = {
    "loading": (b"-LOADING Redis is loading the dataset in memory\r\n", "loading"),
    "readonly": (b"-READONLY You can't write against a read only replica.\r\n", "readonly"),
    "moved": (b"-MOVED 12182 127.0.0.1:1\r\n", "moved"),
    "garbage": (b"\x00\xff not a protocol\r\n\r\n", "nonsense"),
    "another type": (b":1\r\n", "unexpected"),
    "silence": (b"", "timeout"),
    "endless": (b"$1000000000\r\n" + b"x" * 200000, "too_large"),
}


class RudeRedis:
    """Greets well, and says the same to every other command."""

    def __init__(self, answer):
        self.answer = answer
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection:
            try:
                while said := connection.recv(65536):
                    for word, answer in ((b"SELECT", b"+OK\r\n"), (b"PING", b"+PONG\r\n"),
                                         (b"EVAL", self.answer)):
                        if word in said:
                            connection.sendall(answer)
            except OSError:
                pass

    def close(self):
        self.socket.close()


@pytest.mark.parametrize("kind", RUDE)
def test_whatever_redis_says_requests_are_answered(house, kind):
    answer, error = RUDE[kind]
    rude = RudeRedis(answer)
    mock = account(house)
    try:
        gateway = house.gateway(config(mock, rude.port))
        wait_for("the error to be counted",
                 lambda: gateway.count("unbusy_redis_errors_total", error=error) > 0)
        wait_for("a fair part", lambda: alone(gateway) and part(gateway) == LIMIT / 3)
        reply = harness.request(gateway.port, "POST", "/v1/chat/completions",
                                {"model": "m", "messages": [{"role": "user", "content": "hi"}]})
        assert reply.status == 200
        assert os.path.exists(f"/proc/{gateway.pid}")
    finally:
        rude.close()


RATE = 40  # requests a second of one tenant, at all gateways together


def with_tenant(house, mock, redis):
    key = hashlib.sha256(b"sk-web").hexdigest()
    shared = {**config(mock, redis.port), "tenants": [
        {"name": "web", "keys": [{"sha256": key}], "requests": {"rate": f"{RATE}/s", "burst": RATE}}]}
    shared["upstreams"][0]["concurrency"] = "off"
    return [house.gateway(shared, name=f"g{i}") for i in range(3)]


def ask(house, gateway, rate, name):
    return house.program(name, [
        harness.UNBUSY, "load", "--url", gateway.url, "--model", "m", "--key", "sk-web", "--rate",
        f"{rate}/s", "--answer", "5", "--prompt", "20", "--duration", "60s", "--quiet", "--json", "-"])


def let_in(mock, seconds):
    """Requests a second that came through."""
    before, began = mock.stats()["requests"], time.monotonic()
    time.sleep(seconds)  # what is measured is a rate
    return (mock.stats()["requests"] - before) / (time.monotonic() - began)


def test_a_tenants_rate_holds_for_the_sum_and_follows_the_need(house):
    mock, redis = house.mock("account"), Redis(house)
    gateways = with_tenant(house, mock, redis)
    wait_for("all to be there", lambda: all(g.count("unbusy_share_gateways") == 3 for g in gateways))
    began = time.monotonic()
    ask(house, gateways[0], 3 * RATE, "load0")
    wait_for("the first burst to be used", lambda: mock.stats()["requests"] >= RATE / 3)
    time.sleep(2)
    alone_rate = let_in(mock, 3)
    ask(house, gateways[1], 3 * RATE, "load1")
    ask(house, gateways[2], 3 * RATE, "load2")
    time.sleep(2)
    all_rate = let_in(mock, 4)
    redis.kill()
    time.sleep(2)
    without_rate = let_in(mock, 3)
    total, took = mock.stats()["requests"], time.monotonic() - began
    print(f"alone {alone_rate:.1f}/s, all {all_rate:.1f}/s, without Redis {without_rate:.1f}/s, "
          f"{total} in {took:.1f} s")
    assert sum(g.count("unbusy_tenant_part_ratio", tenant="web") for g in gateways) <= 1
    assert 0.85 * RATE <= alone_rate <= 1.05 * RATE
    assert 0.9 * RATE <= all_rate <= 1.05 * RATE
    assert without_rate <= 1.05 * RATE
    assert total <= RATE * (took + 1) * 1.02


def test_reload_takes_sharing_up_and_gives_it_up(house):
    mock, redis = account(house), Redis(house)
    with_share = config(mock, redis.port)
    without = {key: value for key, value in with_share.items() if key != "share"}
    gateway = house.gateway(without)
    assert "unbusy_share_alone" not in " ".join(gateway.metrics())
    gateway.write_config(with_share)
    gateway.signal(signal.SIGHUP)
    wait_for("a lease of all of it", lambda: part(gateway) == LIMIT)
    assert gateway.count("unbusy_redis_up") == 1
    gateway.write_config(without)
    gateway.signal(signal.SIGHUP)
    wait_for("no part", lambda: "unbusy_upstream_part" not in " ".join(gateway.metrics()))
    reply = harness.request(gateway.port, "POST", "/v1/chat/completions",
                            {"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    assert reply.status == 200
