"""Starts the real programs for a test, waits for what they say, and ends them by their pid.

Every program listens on a port that the kernel chose, lives in the test's own folder, and leaves its
output there; conftest.py shows it when the test fails.
"""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNBUSY = pathlib.Path(os.environ.get("UNBUSY", ROOT / "build" / "unbusy"))

# A busy two-core machine is slow to start things; nothing waits this long when all is well.
PATIENCE = float(os.environ.get("E2E_PATIENCE", "30"))


def wait_for(what, condition, patience=PATIENCE):
    """Returns the first true value of condition(); raises when there is none in time."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:g} s in vain for {what}")
        time.sleep(0.01)


class Program:
    """A child process whose output is read line by line."""

    def __init__(self, name, args, folder, env=None):
        self.name = name
        self.lines = []
        self.log = pathlib.Path(folder) / f"{name}.log"
        full_env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "DEEPSEEK_"))}
        full_env.update(env or {})
        self.process = subprocess.Popen(
            [str(a) for a in args], cwd=folder, env=full_env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", bufsize=1)
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with open(self.log, "w", encoding="utf-8") as log:
            for line in self.process.stdout:
                self.lines.append(line.rstrip("\n"))
                log.write(line)
                log.flush()

    def await_line(self, pattern, patience=PATIENCE):
        """The match of the first line that has the pattern, also when it was said before."""
        seen = 0

        def look():
            nonlocal seen
            while seen < len(self.lines):
                found = re.search(pattern, self.lines[seen])
                seen += 1
                if found:
                    return found
            if self.process.poll() is not None and not self._reader.is_alive():
                raise AssertionError(
                    f"{self.name} ended with {self.process.returncode} before it said {pattern!r}:\n"
                    + "\n".join(self.lines[-20:]))
            return None

        return wait_for(f"{self.name} to say {pattern!r}", look, patience)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, patience=PATIENCE):
        return self.process.wait(timeout=patience)

    def stop(self):
        """Ends it, well if it can, and returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(timeout=5)
        return self.process.returncode


# What programs say when they listen; the gateway has two doors.
LISTENING = r"listening on (https?)://127\.0\.0\.1:(\d+)"
API = r"API +https?://127\.0\.0\.1:(\d+)"
ADMIN = r"admin +http://127\.0\.0\.1:(\d+)"


class Mock(Program):
    """`unbusy mock`. `faults` are rules as in `unbusy mock --fault list`; `secure` are the files of
    certificate() for https."""

    def __init__(self, name, folder, *args, faults=(), seed=1, profile="instant", secure=None):
        command = [UNBUSY, "mock", "--listen", "127.0.0.1:0", "--seed", seed, "--profile", profile]
        for fault in faults:
            command += ["--fault", fault]
        if secure is not None:
            command += ["--cert", secure[0], "--cert-key", secure[1]]
        super().__init__(name, command + list(args), folder)
        scheme, port = self.await_line(LISTENING).groups()
        self.port = int(port)
        self.url = f"{scheme}://127.0.0.1:{port}"

    def upstream(self, **more):
        return {"name": self.name, "url": self.url + "/v1", **more}

    def stats(self):
        return get_json(self.port, "/mock/stats", tls=self.url.startswith("https:"))


class Gateway(Program):
    """`unbusy serve` with a configuration given as a dict (JSON is YAML)."""

    def __init__(self, folder, config, name="unbusy", env=None):
        self.config_file = pathlib.Path(folder) / f"{name}.yaml"
        self.access_log = pathlib.Path(folder) / f"{name}.access.log"
        self.write_config(config)
        super().__init__(name, [UNBUSY, "serve", "--config", self.config_file], folder, env)
        self.admin_port = int(self.await_line(ADMIN).group(1))
        self.port = int(self.await_line(API).group(1))
        self.url = f"http://127.0.0.1:{self.port}"
        self.base = self.url + "/v1"
        wait_for("/readyz", lambda: get(self.admin_port, "/readyz").status == 200)

    def write_config(self, config):
        full = {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "threads": 2,
                "access_log": str(self.access_log), **config}
        self.config_file.write_text(json.dumps(full, indent=1))

    def metrics(self):
        """{"unbusy_requests_total{model=\"m\",outcome=\"ok\"}": 3.0, ...}"""
        answer = get(self.admin_port, "/metrics")
        assert answer.status == 200
        values = {}
        for line in answer.body.decode().splitlines():
            if line and not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                values[series] = float(value)
        return values

    def count(self, metric, **labels):
        """Sum over the series of a metric that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for series, value in self.metrics().items()
                   if series.split("{")[0] == metric and all(w in series for w in wanted))

    def records(self, least=0):
        """The access log's records, when there are at least so many."""
        def read():
            if not self.access_log.exists():
                return [] if least == 0 else None
            lines = self.access_log.read_text().splitlines()
            return [json.loads(line) for line in lines] if len(lines) >= least else None

        if least == 0:
            return read()
        return wait_for(f"{least} lines in the access log", read)


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = body

    def json(self):
        return json.loads(self.body)


def certificate(folder, names):
    """The files of a certificate that signs itself and of its key."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=test", "-addext",
                    f"subjectAltName={names}"], cwd=folder, check=True, capture_output=True)
    return pathlib.Path(folder) / "cert.pem", pathlib.Path(folder) / "key.pem"


def takes_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    except ConnectionRefusedError:
        return False


def connect(port, tls=False, timeout=PATIENCE):
    if tls:  # whose certificate it is, is not the question here
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout,
                                           context=ssl._create_unverified_context())
    return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)


def request(port, method, path, body=None, headers=None, timeout=PATIENCE, tls=False):
    """One request over a connection of its own. Dicts are sent as JSON."""
    connection = connect(port, tls, timeout)
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        headers.setdefault("content-type", "application/json")
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return Answer(response, response.read())
    finally:
        connection.close()


def get(port, path, **more):
    return request(port, "GET", path, **more)


def get_json(port, path, **more):
    answer = get(port, path, **more)
    assert answer.status == 200, (path, answer.status, answer.body)
    return answer.json()


def events(body):
    """The data of each SSE event of a whole body, comments left out."""
    found = []
    for block in re.split(rb"\r\n\r\n|\n\n|\r\r", body):
        data = [line[5:].lstrip() for line in re.split(rb"\r\n|\n|\r", block)
                if line.startswith(b"data:")]
        if data:
            found.append(b"\n".join(data).decode())
    return found


MESSAGES = [{"role": "user", "content": "Say something about autumn."}]


def ask(text):
    return [{"role": "user", "content": text}]


def model(*tiers, name="m", **more):
    """A model over tiers of upstream names."""
    return {"name": name, "tiers": [list(tier) for tier in tiers], **more}
