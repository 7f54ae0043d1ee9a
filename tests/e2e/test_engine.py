"""A real llama.cpp server behind unbusy: alive, killed and frozen in the middle of its answer."""

import json
import pathlib
import re
import signal
import socket
import sys

import pytest

import engine
from harness import MESSAGES, Program, get, request, wait_for

ENGINE = pathlib.Path(__file__).parent / "engine.py"
CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 40, "temperature": 0}
# Long enough to be met in the middle: some seconds at the pace of one core.
LONG = {**CHAT, "max_tokens": 1800, "stream": True}


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    engine.write(path)
    return path


class Engine(Program):
    def __init__(self, name, folder, model_file):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        super().__init__(name, [sys.executable, ENGINE, "serve", model_file, self.port], folder)
        wait_for(f"{name} to be healthy", self.is_healthy)

    def is_healthy(self):
        assert self.process.poll() is None, "\n".join(self.lines[-20:])
        try:
            return get(self.port, "/health").status == 200
        except OSError:
            return False

    def upstream(self):
        return {"name": self.name, "url": f"http://127.0.0.1:{self.port}/v1", "dialect": "llama"}


@pytest.fixture
def start(house, model_file):
    return lambda name: house._keep(Engine(name, house.folder, model_file))


def test_a_real_engine_answers(house, sdk, start):
    one = start("llama")
    gateway = house.over(one)
    whole = sdk.call(gateway.base, "chat", CHAT)
    assert whole.error == "" and whole.text and whole.finish in ("stop", "length")
    streamed = sdk.call(gateway.base, "chat", {**CHAT, "stream": True})
    assert streamed.error == "" and streamed.finish == whole.finish
    # A character cut by the end of the answer is U+FFFD in both, maybe written differently.
    assert streamed.text.rstrip("\ufffd") == whole.text.rstrip("\ufffd")
    direct = request(one.port, "POST", "/v1/chat/completions", CHAT).json()
    assert whole.text == direct["choices"][0]["message"]["content"]
    assert whole.usage["completion_tokens"] == direct["usage"]["completion_tokens"]


def read_until_midway(gateway):
    """An open stream of which something has come: (socket file, bytes so far)."""
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
    body = json.dumps(LONG).encode()
    connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                       b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                       % (len(body), body))
    data = b""
    while data.count(b'"content":"') < 5:
        piece = connection.recv(4096)
        assert piece, data
        data += piece
    return connection, data


def finish(connection, data):
    with connection:
        while piece := connection.recv(65536):
            data += piece
    return data.decode(errors="replace")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
@pytest.mark.parametrize("second", [False, True], ids=["alone", "with-another"])
def test_midway(house, start, how, second):
    engines = [start("first")] + ([start("second")] if second else [])
    gateway = house.over(*engines, stall="2s", first_token={"min": "2s", "max": "5s"})
    connection, data = read_until_midway(gateway)
    engines[0].signal(how)
    text = finish(connection, data)
    whole = '"finish_reason":"length"' in text or '"finish_reason":"stop"' in text
    assert whole == second, "another one goes on, and nobody else can"
    if whole:
        assert "data: [DONE]" in text
        assert len(set(re.findall(r'"id":"([^"]+)"', text))) == 1, "one stream"
    else:
        assert '"error"' in text, "a cut answer must not look whole"
        assert "[DONE]" not in text
    record = gateway.records(1)[0]
    assert (record["outcome"] == "ok") == whole


def test_frozen_before_it_begins(house, sdk, start):
    first, second = start("first"), start("second")
    gateway = house.over(first, second, first_token={"min": "1s", "max": "2s"})
    first.signal(signal.SIGSTOP)
    got = sdk.call(gateway.base, "chat", {**CHAT, "stream": True}, max_retries=0)
    assert got.error == "" and got.text
    assert got.headers["x-unbusy-upstream"] == "second"
