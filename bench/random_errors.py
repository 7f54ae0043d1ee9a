"""5 % of all calls fail at random, half with 429 and half with 503: how many answers come, and at how
many calls? Nobody can do it with fewer calls than 1 / 0.95 = 1.053 for each request.

Three `unbusy mock` behind unbusy, 100,000 short plain answers, hedging off: a hedge is a call more.
"""

import argparse
import contextlib
import json
import subprocess
import sys

import hour
import hour_report
import peers
from process import free_port, say, started, wait_for_port

FLOOR = 1 / 0.95
WANTED_SHARE = 0.9998
WANTED_CALLS = 1.06

CONFIG = """\
listen: 127.0.0.1:@PORT@
upstreams:
  - {name: a, url: "http://127.0.0.1:@A@/v1", models: {chat: chat}}
  - {name: b, url: "http://127.0.0.1:@B@/v1", models: {chat: chat}}
  - {name: c, url: "http://127.0.0.1:@C@/v1", models: {chat: chat}}
models:
  - name: chat
    tiers: [[a, b, c]]
"""
NO_HEDGING = "    hedge: {budget: 0}\n"


def faults(share):
    """Half of `share` each; the second rule is asked only where the first did not fire."""
    half = share / 2
    return [f"429:{half:.6f}", f"503:{half / (1 - half):.6f}"]


def write_config(ports, port):
    words = {"@PORT@": port} | {f"@{n.upper()}@": p for n, p in zip(hour.UPSTREAMS, ports)}
    path = hour.OUT / "random-errors.yaml"
    text = CONFIG + NO_HEDGING
    for word, value in words.items():
        text = text.replace(word, str(value))
    path.write_text(text)
    return path


@contextlib.contextmanager
def mocks_running(seed):
    with contextlib.ExitStack() as stack:
        ports = []
        for number, name in enumerate(hour.UPSTREAMS):
            log = hour.OUT / f"mock-{name}.log"
            command = [str(peers.UNBUSY), "mock", "--listen", "127.0.0.1:0", "--model", "chat",
                       "--profile", "instant", "--seed", str(seed + number)]
            for fault in faults(0.05):
                command += ["--fault", fault]
            ports.append(hour.port_in(log, stack.enter_context(started(command, log, cwd=hour.OUT))))
        yield ports


def arguments():
    parser = argparse.ArgumentParser(prog="./do bench random-errors",
                                     description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--rate", type=float, default=1500, help="of requests, in one second")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    options = arguments()
    hour.OUT.mkdir(parents=True, exist_ok=True)
    report = hour.OUT / "random-errors-load.json"
    port = free_port()
    with mocks_running(options.seed) as ports:
        command = [str(peers.UNBUSY), "serve", "--config", str(write_config(ports, port))]
        with started(command, hour.OUT / "random-errors.log", cwd=hour.OUT) as process:
            wait_for_port(process, port)
            say(f"{options.requests} requests at {options.rate:g}/s ...")
            subprocess.run([str(peers.UNBUSY), "load", "--url", f"http://127.0.0.1:{port}/v1",
                            "--model", "chat", "--plain", "--rate", f"{options.rate:g}/s",
                            "--requests", str(options.requests), "--prompt", "20", "--answer", "4",
                            "--seed", str(options.seed), "--timeout", "60s", "--quiet",
                            "--json", str(report)], check=False, stdout=subprocess.DEVNULL)
            mocks = [hour.fetch(p, "/mock/stats") for p in ports]
    load = json.loads(report.read_text())
    found = hour_report.calls(load, mocks)
    good = found["success"] >= WANTED_SHARE and found["calls_per_request"] <= WANTED_CALLS
    print(f"{load['whole']} of {load['requests']} answered ({found['success']:.4%}, wanted "
          f"{WANTED_SHARE:.2%}), {found['calls_per_request']:.4f} calls for each (at most "
          f"{WANTED_CALLS}; the floor is {FLOOR:.4f})" + ("" if good else ": not good enough"))
    for words, count in load["errors"].items():
        print(f"{count:10}  {words}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
