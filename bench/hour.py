"""The busy hour: who still gets answers when three upstreams have the articles' bad peak.

Three `unbusy mock` have bad times of their own, 28 % each and never all at once, and a capacity for
which one alone gives a bare client 72 % whole answers and 8.7 s to the first token. Azure's
conversation trace goes to each contestant in turn, with the same seed, schedule and fresh upstreams.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import threading
import time
import urllib.request

import chart
import hour_report
import hour_waits
import peak
import peers
from process import cpu_seconds, free_port, machine, memory_kib, say, started, tree, wait_for_port

ROOT = peers.ROOT
OUT = ROOT / "out" / "bench"
ACCESS_LOG = OUT / "busy-hour-access.log"  # as proxies/busy-hour/unbusy.yaml has it
TRACE = ROOT / "tests" / "data" / "llm" / "azure2023_conv.csv.gz"
UPSTREAMS = ("a", "b", "c")
SECONDS = 135


# --- upstreams ------------------------------------------------------------------------------------


def fetch(port, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=10) as answer:
        return json.load(answer)


def port_in(log, process):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())
        if found:
            return int(found.group(1))
        time.sleep(0.02)
    raise RuntimeError(f"a mock does not start: {log.read_text().strip()}")


@contextlib.contextmanager
def upstreams_running(options):
    """Their ports. Good times only, until `begin`."""
    with contextlib.ExitStack() as stack:
        ports = []
        for number, name in enumerate(UPSTREAMS):
            log = OUT / f"mock-{name}.log"
            command = [str(peers.UNBUSY), "mock", "--listen", "127.0.0.1:0", "--model", "chat",
                       "--dialect", "vllm", "--profile", "8b", "--speed", str(options.mock_speed),
                       "--slots", str(peak.SLOTS), "--queue", str(options.mock_queue),
                       "--seed", str(options.seed + number)]
            process = stack.enter_context(started(command, log, cwd=OUT))
            ports.append(port_in(log, process))
        yield ports


def begin(ports, schedule):
    for port, episodes in zip(ports, schedule):
        fetch(port, "/mock/faults", {"faults": peak.fault_rules(episodes)})


# --- contestants ----------------------------------------------------------------------------------


class Watch(threading.Thread):
    """The most memory of a process and its children, looked at twice a second."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.over, self.most_kib = pid, threading.Event(), 0

    def run(self):
        while not self.over.wait(0.5):
            with contextlib.suppress(OSError):
                self.most_kib = max(self.most_kib, memory_kib(tree(self.pid))["rss"])


@contextlib.contextmanager
def contestant_running(one, ports):
    """Its process, or None for the bare client, and the port to ask."""
    if not one.command:
        yield None, ports[0]
        return
    port = free_port()
    words = {"@PORT@": port, "@ADMIN@": free_port(), "@DIR@": OUT}
    words |= {f"@{name.upper()}@": p for name, p in zip(UPSTREAMS, ports)}
    config = OUT / f"busy-hour-{one.template or one.name}"
    if one.template:
        text = (ROOT / "bench" / "proxies" / "busy-hour" / one.template).read_text()
        for word, value in words.items():
            text = text.replace(word, str(value))
        config.write_text(text)
    command = [part.replace("@CONFIG@", str(config)).replace("@PORT@", str(port))
               for part in one.command]
    with started(command, OUT / f"busy-hour-{one.name}.log", cwd=OUT,
                 env={**os.environ, **one.environment}) as process:
        wait_for_port(process, port, one.start_s)
        yield process, port


def send_load(one, port, ports, options):
    report = OUT / f"busy-hour-{one.name}-load.json"
    command = [str(peers.UNBUSY), "load", "--url", f"http://127.0.0.1:{port}/v1", "--model", "chat",
               "--trace", str(TRACE), "--speedup", str(options.speed),
               "--duration", f"{options.seconds * 1000:.0f}ms", "--seed", str(options.seed),
               "--timeout", f"{peak.TIMEOUT_S:.0f}s", "--json", str(report), "--quiet"]
    for name, value in (one.headers(ports) if one.headers else {}).items():
        command += ["--header", f"{name}: {value}"]
    # Exit status 1 says that no answer was whole; the report says it better.
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text())


def ask_once(port, one, ports):
    """One short question before the clock runs: what starts lazily has started then."""
    headers = {"content-type": "application/json", **(one.headers(ports) if one.headers else {})}
    body = {"model": "chat", "max_tokens": 2, "messages": [{"role": "user", "content": "hello"}]}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions",
                                     json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        json.load(answer)


def run_one(one, schedule, options):
    with upstreams_running(options) as ports, contestant_running(one, ports) as (process, port):
        ask_once(port, one, ports)
        before = [fetch(p, "/mock/stats") for p in ports]
        cpu_before = cpu_seconds(tree(process.pid)) if process else 0.0
        watch = Watch(process.pid) if process else None
        if watch:
            watch.start()
        begin(ports, schedule)
        began_at = time.time()
        load = send_load(one, port, ports, options)
        gateway = {}
        if process:
            watch.over.set()
            watch.join()
            gateway = {"cpu_s": cpu_seconds(tree(process.pid)) - cpu_before,
                       "rss_kib": watch.most_kib}
        mocks = [fetch(p, "/mock/stats") for p in ports]
    for mock, earlier in zip(mocks, before):
        for key in ("requests", "answer_tokens", "prompt_tokens"):
            mock[key] -= earlier[key]
        del mock["last"]
    found = hour_report.figures(load, mocks, gateway, options.seconds)
    found["began_at"] = began_at
    found["mocks"] = mocks
    found["seconds"] = load["seconds"]
    return found


# --- the run --------------------------------------------------------------------------------------


def print_waits(row, schedule, options):
    """unbusy keeps an access log, so its own run can be explained."""
    rows = hour_waits.read_log(ACCESS_LOG, row["began_at"])
    if rows:
        print("\n" + hour_waits.text(rows, dict(zip(UPSTREAMS, schedule)), options.seconds))


def arguments():
    parser = argparse.ArgumentParser(prog="./do bench busy-hour", description=__doc__.split("\n")[0])
    parser.add_argument("--peers", default=",".join(c.name for c in peers.CONTESTANTS),
                        help="who takes part, in this order (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of load for each (%(default)s)")
    parser.add_argument("--speed", type=float, default=4,
                        help="the trace goes so many times as fast (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the schedule and the load")
    parser.add_argument("--chart", type=pathlib.Path,
                        help="write it here; default docs/busy-hour.svg when nothing is left out")
    options = parser.parse_args()
    known = {c.name: c for c in peers.CONTESTANTS}
    names = [name for name in options.peers.split(",") if name]
    if not names or any(name not in known for name in names):
        parser.error(f"--peers: of {', '.join(known)}")
    if not (10 <= options.seconds <= 3600 and 0 < options.speed <= 20):
        parser.error("--seconds 10 to 3600, --speed up to 20")
    options.contestants = [known[name] for name in names]
    return options


def describe(trace, schedule, options, predicted):
    print(f"{options.seconds:.0f} s of Azure's conversation trace at {options.speed:g} times its "
          f"speed, seed {options.seed}.")
    print("Bad episodes: " + "; ".join(
        f"{name} " + ", ".join(f"{b:.0f}-{e:.0f} s" for b, e in episodes)
        for name, episodes in zip(UPSTREAMS, schedule)))
    print("Bad at the same time: " + ", ".join(
        f"{n} for {peak.seconds_with(schedule, options.seconds, n):.0f} s"
        for n in range(len(UPSTREAMS) + 1)) + ".")
    print(f"Calibration on {UPSTREAMS[0]} alone, in virtual time: {peak.SLOTS} slots, a queue of "
          f"{options.mock_queue}, speed {options.mock_speed}: {predicted.success:.1%} whole, "
          f"{predicted.first_s:.1f} s to the first token ({predicted.refused:.1%} refused for want "
          f"of a place); wanted {peak.TARGET_SUCCESS:.0%} and {peak.TARGET_FIRST_S} s.")
    floor = peak.best_possible(trace, schedule, options.mock_speed)
    print(f"A gateway that knew all bad times beforehand: {floor:.2f} s to the first token.", flush=True)


def check_calibration(rows):
    """The bare client's own run shows whether it holds."""
    bare = rows.get("bare")
    if bare is None:
        return
    off = abs(bare["success"] - peak.TARGET_SUCCESS) > 0.03 or \
        bare["first_mean_s"] is None or abs(bare["first_mean_s"] - peak.TARGET_FIRST_S) > 1.5
    print(f"Calibration as the bare client saw it: {bare['success']:.1%} whole, "
          f"{bare['first_mean_s'] or 0:.1f} s to the first token"
          + (": too far off, the machine was too busy or the run too short." if off else "."))


def main():
    options = arguments()
    OUT.mkdir(parents=True, exist_ok=True)
    ACCESS_LOG.unlink(missing_ok=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    facts = machine()
    trace = peak.read_trace(TRACE, options.seconds, options.speed)
    schedule = peak.draw_schedule(options.seed, options.seconds, len(UPSTREAMS))
    options.mock_speed, options.mock_queue, predicted = \
        peak.calibrate(trace, schedule[0], options.seed)
    describe(trace, schedule, options, predicted)
    rows, left_out = {}, {}
    for one in options.contestants:
        if peers.missing(one):
            left_out[one.name] = "it is not installed"
        else:
            say(f"{one.words} ...")
            try:
                rows[one.name] = run_one(one, schedule, options)
            except (RuntimeError, OSError, json.JSONDecodeError) as error:
                left_out[one.name] = f"{error}; see out/bench/busy-hour-{one.name}.log"
                say(f"    left out: {error}")
            else:
                words = ", ".join(f"{n} {w}" for w, n in rows[one.name]["errors"].items())
                say(f"    {rows[one.name]['success']:.2%} whole; {words or 'no errors'}")
    names = {c.name: c.words for c in peers.CONTESTANTS}
    table = hour_report.markdown(rows, names)
    print("\n" + table + "\n")
    check_calibration(rows)
    for name, why in left_out.items():
        print(f"Left out: {names[name]} ({why}).")
    print("\n".join(hour_report.remarks(rows, names, peers.CORES)))
    if "unbusy" in rows:
        print_waits(rows["unbusy"], schedule, options)
    report = {"machine": facts, "seed": options.seed, "speed": options.speed,
              "seconds": options.seconds, "schedule": schedule, "slots": peak.SLOTS,
              "mock_speed": options.mock_speed, "mock_queue": options.mock_queue,
              "rows": rows, "left_out": left_out}
    (OUT / "busy-hour.json").write_text(json.dumps(report, indent=1) + "\n")
    (OUT / "busy-hour.md").write_text(table + "\n")
    whole = len(rows) == len(peers.CONTESTANTS) and options.seconds >= SECONDS
    path = options.chart or (ROOT / "docs" if whole else OUT) / "busy-hour.svg"
    if rows:
        path.write_text(chart.busy_hour(rows, names, facts))
        say(f"chart: {path}")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
