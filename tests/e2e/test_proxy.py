"""Upstreams behind a real CONNECT proxy, as HTTPS_PROXY and NO_PROXY say."""

import base64
import socket
import threading

import pytest

from harness import MESSAGES, certificate, model, wait_for

CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 12, "temperature": 0}
POLICY = {"first_token": {"min": "1s", "max": "2s"}, "total": "4s",
          "retry": {"attempts": 2, "base": "5ms", "cap": "20ms"}}


class Proxy:
    """Takes CONNECT, for names that only it can resolve, and carries bytes."""

    def __init__(self, status="200 Connection established", hosts=()):
        self.status = status  # None: says nothing
        self.hosts = dict(hosts)
        self.heads, self.first_bytes, self.sockets = [], [], []
        self.carried = 0  # bytes, both ways
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            got = client.recv(4096)
            if not got:
                return
            head += got
        self.heads.append(head.decode())
        if self.status is None:
            return
        if not self.status.startswith("2"):
            client.sendall(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        host, port = head.split()[1].decode().rsplit(":", 1)
        there = socket.create_connection((self.hosts.get(host, host), int(port)))
        self.sockets.append(there)
        client.sendall(f"HTTP/1.1 {self.status}\r\n\r\n".encode())
        threading.Thread(target=self._carry, args=(there, client), daemon=True).start()
        self.first_bytes.append(client.recv(1, socket.MSG_PEEK))
        self._carry(client, there)

    def _carry(self, source, target):
        try:
            while data := source.recv(65536):
                self.carried += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # cut

    @property
    def targets(self):
        return [head.split()[1] for head in self.heads]

    def cut(self):
        """Everything that runs through it."""
        for one in self.sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes its accept, which would hold it open
        except OSError:
            pass  # closed before
        self.listener.close()
        self.cut()


@pytest.fixture
def proxies():
    all_of_them = []

    def start(*args, **more):
        all_of_them.append(Proxy(*args, **more))
        return all_of_them[-1]

    yield start
    for proxy in all_of_them:
        proxy.close()


@pytest.fixture
def secure(house, tmp_path):
    """A mock behind TLS, in a certificate as upstream.test and as 127.0.0.1."""
    files = certificate(tmp_path, "DNS:upstream.test,IP:127.0.0.1")
    return lambda **more: house.mock("secure", secure=files, **more)


def environment(proxy, spared="", user=""):
    url = f"http://{user}127.0.0.1:{proxy.port}"
    return {"HTTPS_PROXY": url, "NO_PROXY": spared, "https_proxy": "", "no_proxy": ""}


def gateway_to(house, mock, host, env, *more, **policy):
    upstream = {"name": "secure", "url": f"https://{host}:{mock.port}/v1", "ca": "cert.pem"}
    tiers = [["secure"]] + [[one.name] for one in more]
    return house.gateway({"upstreams": [upstream] + [one.upstream() for one in more],
                          "models": [model(*tiers, **{**POLICY, **policy})]}, env=env)


def test_an_upstream_behind_the_proxy(house, python_sdk, proxies, secure):
    mock, proxy = secure(), proxies(hosts={"upstream.test": "127.0.0.1"})
    gateway = gateway_to(house, mock, "upstream.test", environment(proxy))
    for streamed in (False, True):
        got = python_sdk.call(gateway.base, "chat", {**CHAT, "stream": streamed}, max_retries=0)
        assert got.error == "" and got.text and got.finish
    assert set(proxy.targets) == {f"upstream.test:{mock.port}"}
    assert set(proxy.first_bytes) == {b"\x16"}, "a TLS handshake: the proxy reads nothing"
    assert "Proxy-Authorization" not in proxy.heads[0]
    last = mock.stats()["last"]["headers"]
    assert {name.lower(): value for name, value in last.items()}["host"] == f"upstream.test:{mock.port}"


def test_the_proxys_own_credentials(house, python_sdk, proxies, secure):
    mock, proxy = secure(), proxies(hosts={"upstream.test": "127.0.0.1"})
    gateway = gateway_to(house, mock, "upstream.test", environment(proxy, user="me:se%40cret@"))
    assert python_sdk.call(gateway.base, "chat", CHAT, max_retries=0).error == ""
    words = base64.b64encode(b"me:se@cret").decode()
    assert f"Proxy-Authorization: Basic {words}\r\n" in proxy.heads[0]
    assert "cret" not in gateway.log.read_text() + gateway.access_log.read_text()
    headers = {name.lower() for name in mock.stats()["last"]["headers"]}
    assert "proxy-authorization" not in headers, "they are for the proxy alone"


def test_no_proxy_and_plain_http_go_straight(house, python_sdk, proxies, secure):
    mock, good, proxy = secure(), house.mock("good"), proxies()
    spared = gateway_to(house, mock, "127.0.0.1", environment(proxy, spared="example.org, 127.0.0.1"))
    assert python_sdk.call(spared.base, "chat", CHAT, max_retries=0).error == ""
    plain = house.gateway({"upstreams": [good.upstream()], "models": [model(["good"])]}, name="plain",
                          env=environment(proxy))
    assert python_sdk.call(plain.base, "chat", CHAT, max_retries=0).error == ""
    assert proxy.targets == []
    asked = house.gateway({"upstreams": [{"name": "secure", "url": mock.url,
                                          "ca": "cert.pem"}], "models": [model(["secure"])]},
                          name="asked", env=environment(proxy, spared="example.org"))
    assert python_sdk.call(asked.base, "chat", CHAT, max_retries=0).error == ""
    assert proxy.targets == [f"127.0.0.1:{mock.port}"], "and who is not spared does not"


@pytest.mark.parametrize("status, error", [
    ("403 Forbidden", "connect_failed"),
    ("407 Proxy Authentication Required", "connect_failed"),
    ("502 Bad Gateway", "connect_failed"),
    (None, "late"),
], ids=["403", "407", "502", "silent"])
def test_a_proxy_that_refuses(house, python_sdk, proxies, secure, status, error):
    mock, good, proxy = secure(), house.mock("good"), proxies(status)
    gateway = gateway_to(house, mock, "upstream.test", environment(proxy), good)
    got = python_sdk.call(gateway.base, "chat", {**CHAT, "stream": True}, max_retries=0)
    assert got.error == "" and got.headers["x-unbusy-upstream"] == "good"
    errors = [attempt["error"] for attempt in gateway.records(1)[0]["attempts"]]
    assert set(errors[:-1]) == {error} and errors[-1] == "ok"
    assert set(proxy.targets) == {f"upstream.test:{mock.port}"} and mock.stats()["requests"] == 0


def test_a_proxy_that_is_not_there(house, python_sdk, proxies, secure):
    mock, proxy = secure(), proxies()
    proxy.close()
    gateway = gateway_to(house, mock, "upstream.test", environment(proxy))
    got = python_sdk.call(gateway.base, "chat", CHAT, max_retries=0)
    assert (got.error, got.status, got.code) == ("InternalServerError", 502, "connect_refused")


def test_a_proxy_that_dies_midway(house, python_sdk, proxies, secure):
    mock, proxy = secure(faults=["drip;every=50ms"]), proxies(hosts={"upstream.test": "127.0.0.1"})
    gateway = gateway_to(house, mock, "upstream.test", environment(proxy), resume=False)

    def cut_when_it_talks():
        wait_for("some events", lambda: proxy.carried > 8000)
        proxy.cut()

    threading.Thread(target=cut_when_it_talks, daemon=True).start()
    got = python_sdk.call(gateway.base, "chat", {**CHAT, "stream": True, "max_tokens": 400}, max_retries=0)
    assert got.chunks and (got.error, got.code) == ("APIError", "stream_broken") and got.finish is None
