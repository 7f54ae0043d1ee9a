"""What the platform engineer does: start, check, reload, drain, look."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import threading

import pytest

from harness import MESSAGES, UNBUSY, certificate, get, model, request, wait_for

CHAT = {"model": "m", "messages": MESSAGES, "max_tokens": 20, "temperature": 0}


def run(*args, cwd, env=None, patience=30):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "DEEPSEEK_"))}
    return subprocess.run([str(UNBUSY), *map(str, args)], cwd=cwd, capture_output=True, text=True,
                          timeout=patience, env={**clean, **(env or {})}, stdin=subprocess.DEVNULL)


def test_version_and_help(tmp_path):
    got = run("--version", cwd=tmp_path)
    assert got.returncode == 0 and got.stdout.startswith("unbusy ")
    got = run("--help", cwd=tmp_path)
    assert got.returncode == 0
    for command in ("serve", "check", "mock"):
        assert command in got.stdout
        one = run(command, "--help", cwd=tmp_path)
        assert one.returncode == 0 and one.stdout, command


@pytest.mark.parametrize("args", [["no-such-command"], ["serve", "--no-such-option"], ["check", "--config"]])
def test_wrong_usage_is_2(tmp_path, args):
    got = run(*args, cwd=tmp_path)
    assert got.returncode == 2 and got.stderr and not got.stdout


def test_check(tmp_path):
    good = tmp_path / "good.yaml"
    good.write_text("listen: 127.0.0.1:8080\n"
                    "upstreams: [{name: a, url: \"http://127.0.0.1:9/v1\"}]\n"
                    "models: [{name: m, tiers: [[a]]}]\n")
    assert run("check", "--config", good, cwd=tmp_path).returncode == 0
    bad = tmp_path / "bad.yaml"
    bad.write_text("listen: 127.0.0.1:8080\n"
                   "upstreams: [{name: a, url: \"http://127.0.0.1:9/v1\"}]\n"
                   "models:\n  - name: m\n    tiers: [[b]]\n    patiense: 3s\n")
    got = run("check", "--config", bad, cwd=tmp_path)
    said = got.stdout + got.stderr
    assert got.returncode == 2
    assert "bad.yaml:5:" in said and "bad.yaml:6:5:" in said


DEMO = """
ip link set lo up 2>/dev/null || ifconfig lo up
"$1" serve &
demo=$!
for _ in $(seq 300); do curl -sf http://127.0.0.1:9090/readyz && break; sleep 0.1; done
curl -sS http://127.0.0.1:8080/v1/models
for _ in 1 2 3 4 5 6; do
    curl -sS -w ' %{http_code}\\n' http://127.0.0.1:8080/v1/chat/completions \\
        -d '{"model":"demo","messages":[{"role":"user","content":"Hello"}],"max_tokens":10}'
done
kill -TERM $demo
wait $demo
echo "ended with $?"
"""


def test_the_demo_needs_no_file(tmp_path):
    # Its ports are fixed, so it gets a network of its own.
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespace for it here")
    got = subprocess.run(["unshare", "-rn", "bash", "-c", DEMO, "demo", str(UNBUSY)], cwd=tmp_path,
                         capture_output=True, text=True, timeout=60)
    assert '"id":"demo"' in got.stdout
    assert got.stdout.count(" 200\n") == 6, got.stdout + got.stderr
    assert "ended with 0" in got.stdout
    assert "curl -N http://127.0.0.1:8080/v1/chat/completions" in got.stderr, "what to type"


def test_what_to_type_works_as_it_stands_with_tls(house, tmp_path):
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    cert, key = certificate(folder, "IP:127.0.0.1")
    mock = house.mock()
    gateway = house.gateway({"tls": {"cert": str(cert), "key": str(key)}, **config_of(mock)})
    gateway.await_line(r"-d '\{\"model\"")
    typed = "\n".join(gateway.lines).split("Try:\n")[1]
    got = subprocess.run(["bash", "-c", typed], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert got.returncode == 0 and got.stdout.rstrip().endswith("data: [DONE]"), typed + got.stderr


def test_the_metrics_please_promtool(house):
    gateway = house.over(house.mock())
    request(gateway.port, "POST", "/v1/chat/completions", CHAT)
    request(gateway.port, "POST", "/v1/nothing", {})
    page = get(gateway.admin_port, "/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here")
    checked = subprocess.run([promtool, "check", "metrics"], input=page.body, capture_output=True,
                             timeout=30)
    assert checked.returncode == 0 and not checked.stdout + checked.stderr


def test_an_unknown_path_is_an_error_object(house):
    gateway = house.over(house.mock())
    answer = get(gateway.port, "/v1/nothing")
    assert answer.status == 404 and set(answer.json()["error"]) >= {"message", "type", "param", "code"}


# --- drain ----------------------------------------------------------------------------------------


def open_stream(gateway, tokens=40):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request("POST", "/v1/chat/completions",
                       json.dumps({**CHAT, "stream": True, "max_tokens": tokens}))
    response = connection.getresponse()
    assert response.status == 200 and response.read(10)
    return response


def test_sigterm_lets_open_streams_end(house):
    gateway = house.over(house.mock("slow", faults=["drip;every=50ms"]))
    response = open_stream(gateway)
    gateway.signal(signal.SIGTERM)
    wait_for("/readyz to say no", lambda: is_not_ready(gateway))
    assert response.read().rstrip().endswith(b"data: [DONE]")
    assert gateway.wait() == 0
    assert gateway.records(1)[0]["outcome"] == "ok"


def is_not_ready(gateway):
    try:
        return get(gateway.admin_port, "/readyz").status == 503
    except OSError:
        return True


# --- reload ---------------------------------------------------------------------------------------


def config_of(*mocks):
    return {"upstreams": [mock.upstream() for mock in mocks],
            "models": [model([mock.name for mock in mocks])]}


def reload(gateway, config=None, text=None):
    before = gateway.count("unbusy_config_reloads_total")
    if text is not None:
        gateway.config_file.write_text(text)
    elif config is not None:
        gateway.write_config(config)
    gateway.signal(signal.SIGHUP)
    return before


def test_a_bad_file_changes_nothing_and_says_why(house):
    mock = house.mock()
    gateway = house.gateway(config_of(mock))
    reload(gateway, text="listen: 127.0.0.1:0\nnonsense: 1\n")
    gateway.await_line(r"unbusy\.yaml:2:1: .*nonsense")
    assert request(gateway.port, "POST", "/v1/chat/completions", CHAT).status == 200
    wait_for("the metric", lambda: gateway.count("unbusy_config_last_reload_successful") == 0)


def test_a_reload_keeps_open_streams_and_connections(house):
    slow, other = house.mock("slow", faults=["drip;every=50ms"]), house.mock("other")
    gateway = house.gateway(config_of(slow))
    response = open_stream(gateway)
    idle = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    idle.request("GET", "/v1/models")
    idle.getresponse().read()
    socket_before = idle.sock
    before = reload(gateway, config_of(other))
    wait_for("the reload", lambda: gateway.count("unbusy_config_reloads_total") > before)
    idle.request("POST", "/v1/chat/completions", json.dumps(CHAT))
    answer = idle.getresponse()
    assert answer.status == 200 and answer.getheader("x-unbusy-upstream") == "other"
    answer.read()
    assert idle.sock is socket_before, "the connection stayed"
    assert response.read().rstrip().endswith(b"data: [DONE]"), "the stream drained"


def test_a_hundred_reloads_under_load_lose_nothing(house):
    a, b = house.mock("a"), house.mock("b")
    gateway = house.gateway(config_of(a, b))
    stop = threading.Event()
    problems, done = [], [0, 0, 0]

    def client(kind):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        while not stop.is_set():
            try:
                body = json.dumps({**CHAT, "stream": kind == 2, "max_tokens": 10})
                connection.request("POST", "/v1/chat/completions", body)
                response = connection.getresponse()
                data = response.read()
                if response.status != 200 or (kind == 2 and b"[DONE]" not in data):
                    problems.append((kind, response.status, data[-200:]))
                done[kind] += 1
            except (OSError, http.client.HTTPException) as error:
                problems.append((kind, repr(error)))
            if kind == 0:
                connection.close()

    threads = [threading.Thread(target=client, args=(kind,)) for kind in (0, 1, 1, 2, 2)]
    for thread in threads:
        thread.start()
    try:
        configs = [config_of(a), config_of(a, b), config_of(b)]
        for number in range(100):
            before = reload(gateway, configs[number % 3])
            wait_for("the reload", lambda: gateway.count("unbusy_config_reloads_total") > before)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not problems[:5]
    assert min(done) > 10, done
    assert gateway.count("unbusy_requests_total", outcome="ok") == sum(done)
