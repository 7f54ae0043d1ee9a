"""Measures unbusy beside HAProxy and nginx, on this machine, in one go.

In every round each proxy is started anew, in an order that changes, does the same work on loopback,
and is stopped. What counts is the CPU time of its own processes (user + system, from /proc) for
each unit of work, and its ratio to HAProxy's in the same round: absolute times do not travel, and
on a busy machine they do not even stay.

  W1    1,000 streams, one event of 180 bytes every 40 ms each     CPU per event
  W2    2 KB POST, 1 KB answer, 64 connections, closed loop        CPU per request
  W2r   the same at a steady rate, open loop                       latency
  idle  connections that made one request and are kept             memory
  many  10,000 streams (or as many as the limit of open files      slowest event
        allows) with one event every 400 ms each

The origin (source.c) and the client (sink.c) check what they get: a wrong byte ends the run.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import time

import chart
from process import cpu_seconds, free_port, machine, memory_kib, say, started, tree, wait_for_port

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
OUT = ROOT / "out" / "bench"
KEY = "ub-bench-0123456789abcdef"
REFERENCE = "haproxy"


@dataclasses.dataclass
class Proxy:
    """One that stands between sink and origin. Another one is another entry in PROXIES."""

    name: str
    template: str  # in bench/proxies; @PORT@ and so on are filled in
    command: list  # @CONFIG@ is the file made from the template
    program: str = ""  # what must be there, else it is left out


PROXIES = [
    Proxy("unbusy", "unbusy.yaml", [str(BUILD / "unbusy"), "serve", "--config", "@CONFIG@"],
          str(BUILD / "unbusy")),
    Proxy("haproxy", "haproxy.cfg", ["haproxy", "-db", "-f", "@CONFIG@"], "haproxy"),
    Proxy("nginx", "nginx.conf", ["nginx", "-c", "@CONFIG@"], "nginx"),
]


# The proxy has a core of its own, and the origin and the client share another one: what the
# scheduler makes of three busy processes on two cores is no property of a proxy.
PROXY_CORE, REST_CORE = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))


def on_core(core, command):
    return ["taskset", "-c", str(core), *command]


def file_limit():
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 60000)


def many_streams():
    """A proxy holds two connections for each stream."""
    return min(10000, file_limit() // 2 - 100)


@contextlib.contextmanager
def proxy_running(proxy, origin, slots=4096):
    port = free_port()
    words = {"@PORT@": port, "@ORIGIN@": origin, "@DIR@": OUT, "@ADMIN@": free_port(),
             "@CONNECTIONS@": file_limit() // 2 - 100, "@SLOTS@": slots,
             "@KEY_SHA256@": hashlib.sha256(KEY.encode()).hexdigest()}
    text = (ROOT / "bench" / "proxies" / proxy.template).read_text()
    for word, value in words.items():
        text = text.replace(word, str(value))
    config = OUT / proxy.template
    config.write_text(text)
    command = [part.replace("@CONFIG@", str(config)) for part in proxy.command]
    with started(on_core(PROXY_CORE, command), OUT / f"{proxy.name}.log", cwd=OUT) as process:
        wait_for_port(process, port)
        yield process.pid, port


# --- work -----------------------------------------------------------------------------------------


def work(kind, port, pid, **options):
    """Runs the sink; returns what it says, with the CPU time of `pid` while it measured."""
    command = [str(BUILD / "bench" / "bench_sink"), kind, "--port", str(port), "--key", KEY]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    sink = subprocess.Popen(on_core(REST_CORE, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    before, after, memory, result = 0, 0, None, None
    for line in sink.stdout:
        if line == "begin\n":
            pids = tree(pid)
            before = cpu_seconds(pids)
        elif line == "end\n":
            after = cpu_seconds(pids)
            memory = memory_kib(pids)
        else:
            result = json.loads(line)
    errors = sink.stderr.read()
    if sink.wait() != 0 or result is None:
        raise RuntimeError(f"{kind}: {errors.strip() or 'no result'}")
    result["cpu_seconds"] = round(after - before, 3)
    result["cpu_us"] = (after - before) * 1e6 / result["units"] if result["units"] else None
    result["memory"] = memory
    return result


def measure(port, pid, options):
    seconds = options.seconds
    found = {"start": {"memory": memory_kib(tree(pid))}}
    if "w2" in options.work:
        found["w2"] = work("w2", port, pid, seconds=seconds)
    if "w2r" in options.work:
        found["w2r"] = work("w2", port, pid, seconds=seconds, rate=options.rate)
    # Memory of connections counts from here: what is touched once (rings, tables) is touched now.
    time.sleep(0.5)  # for the closed connections to be noticed
    found["rest"] = {"memory": memory_kib(tree(pid))}
    if "idle" in options.work:
        found["idle"] = work("idle", port, pid, seconds=1, connections=options.streams)
        time.sleep(0.5)
    if "w1" in options.work:
        found["w1"] = work("w1", port, pid, seconds=seconds, connections=options.streams)
    return found


@contextlib.contextmanager
def origin_running(name, *words):
    """The process's pid and its port."""
    log = OUT / f"{name}.log"
    command = on_core(REST_CORE, [str(BUILD / "bench" / "bench_source"), *words])
    with started(command, log, cwd=OUT) as source:
        deadline = time.monotonic() + 5
        while not (text := log.read_text()).startswith("listening"):
            if time.monotonic() > deadline:
                raise RuntimeError("the origin does not start")
            time.sleep(0.02)
        yield source.pid, int(text.split()[1])


def measure_many(port, pid, options):
    return work("w1", port, pid, seconds=options.seconds, connections=many_streams())


def run_rounds(proxies, options):
    rounds = []
    slow = ["--interval-us", "400000"]
    with origin_running("source") as (source, origin), \
            origin_running("source_many", *slow) as (many_source, many_origin):
        for number in range(options.rounds):
            shift = number % len(proxies)
            results = {}
            direct = argparse.Namespace(**{**vars(options), "work": set(options.work) - {"idle"}})
            results["direct"] = measure(origin, source, direct)
            if "many" in options.work:
                results["direct"]["many"] = measure_many(many_origin, many_source, options)
            for proxy in proxies[shift:] + proxies[:shift]:
                with proxy_running(proxy, origin) as (pid, port):
                    results[proxy.name] = measure(port, pid, options)
                if "many" in options.work:
                    with proxy_running(proxy, many_origin, 2 * file_limit()) as (pid, port):
                        results[proxy.name]["many"] = measure_many(port, pid, options)
            rounds.append(results)
            print_round(number, results)
    return rounds


# --- figures --------------------------------------------------------------------------------------


def print_round(number, results):
    for name, found in results.items():
        if name == "direct":
            continue
        words = [f"round {number + 1}  {name:8}"]
        for kind, unit in (("w1", "event"), ("w2", "request")):
            if kind in found:
                words.append(f"{kind} {found[kind]['cpu_us']:6.2f} us/{unit}")
        if "many" in found:
            words.append(f"many {found['many']['max_us'] / 1000:4.0f} ms")
        say("  ".join(words))


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarise(rounds, names, options):
    """For each proxy: medians over the rounds, ratios to the reference of the same round."""
    figures = {}
    for name in names:
        mine = figures[name] = {}
        for kind in ("w1", "w2"):
            if kind not in options.work:
                continue
            mine[f"{kind}_cpu_us"] = spread([r[name][kind]["cpu_us"] for r in rounds])
            if REFERENCE in names:
                mine[f"{kind}_ratio"] = spread(
                    [r[name][kind]["cpu_us"] / r[REFERENCE][kind]["cpu_us"] for r in rounds])
        for kind in ("w1", "w2r"):
            if kind in options.work:
                for q in ("p50", "p99"):
                    mine[f"{kind}_added_{q}_us"] = spread(
                        [r[name][kind][f"{q}_us"] - r["direct"][kind][f"{q}_us"] for r in rounds])
        if "many" in options.work:
            mine["many_max_ms"] = spread([r[name]["many"]["max_us"] / 1000 for r in rounds])
            mine["many_added_max_ms"] = spread(
                [(r[name]["many"]["max_us"] - r["direct"]["many"]["max_us"]) / 1000 for r in rounds])
            mine["many_rss_kib"] = spread([r[name]["many"]["memory"]["rss"] for r in rounds])
        mine["start_rss_kib"] = spread([r[name]["start"]["memory"]["rss"] for r in rounds])
        for kind, key in (("idle", "idle_bytes_per_connection"), ("w1", "w1_bytes_per_stream")):
            if kind in options.work:
                mine[key] = spread([1024 / options.streams * (r[name][kind]["memory"]["rss"]
                                                              - r[name]["rest"]["memory"]["rss"])
                                    for r in rounds])
        if "w1" in options.work:
            mine["w1_rss_kib"] = spread([r[name]["w1"]["memory"]["rss"] for r in rounds])
    return figures


ROWS = [
    ("w1_ratio", "W1: CPU per event, HAProxy = 1", "{:.2f}"),
    ("w1_cpu_us", "W1: CPU per event, us", "{:.2f}"),
    ("w1_added_p50_us", "W1: added latency, median, us", "{:.0f}"),
    ("w1_added_p99_us", "W1: added latency, p99, us", "{:.0f}"),
    ("w2_ratio", "W2: CPU per request, HAProxy = 1", "{:.2f}"),
    ("w2_cpu_us", "W2: CPU per request, us", "{:.2f}"),
    ("w2r_added_p50_us", "W2 steady: added latency, median, us", "{:.0f}"),
    ("w2r_added_p99_us", "W2 steady: added latency, p99, us", "{:.0f}"),
    ("many_max_ms", f"{many_streams():,} streams: slowest event, ms", "{:.0f}"),
    ("many_added_max_ms", f"{many_streams():,} streams: beyond direct, ms", "{:.0f}"),
    ("many_rss_kib", f"{many_streams():,} streams: memory, KiB", "{:.0f}"),
    ("start_rss_kib", "memory after start, KiB", "{:.0f}"),
    ("idle_bytes_per_connection", "memory per idle connection, bytes", "{:.0f}"),
    ("w1_bytes_per_stream", "memory per open stream, bytes", "{:.0f}"),
    ("w1_rss_kib", "memory with all streams open, KiB", "{:.0f}"),
]


def print_table(figures):
    names = list(figures)
    print(f"{'median (least to most)':38}" + "".join(f"{name:>26}" for name in names))
    for key, title, form in ROWS:
        if all(key in figures[name] for name in names):
            cells = []
            for name in names:
                value = figures[name][key]
                median, low, high = (form.format(value[k]) for k in ("median", "min", "max"))
                cells.append(f"{f'{median} ({low} to {high})':>26}")
            print(f"{title:38}" + "".join(cells))


def micro():
    """The benchmarks of single parts; their words go out as they are."""
    for name in ("bench_http1", "bench_openai", "bench_brain"):
        program = BUILD / "bench" / name
        if program.exists():
            print(f"\n{name}")
            sys.stdout.flush()
            subprocess.run([str(program)], check=True)


def arguments():
    parser = argparse.ArgumentParser(prog="./do bench", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5, help="for each measurement")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=3000, help="of W2 at a steady rate")
    parser.add_argument("--work", default="idle,w2,w2r,w1,many",
                        help="which of idle, w2, w2r, w1, many")
    parser.add_argument("--proxies", default=",".join(p.name for p in PROXIES))
    parser.add_argument("--chart", type=pathlib.Path,
                        help="write the chart here; default docs/bench.svg when nothing is left out")
    parser.add_argument("--no-micro", action="store_true", help="leave out single parts")
    options = parser.parse_args()
    options.work = set(options.work.split(","))
    return options


def main():
    options = arguments()
    OUT.mkdir(parents=True, exist_ok=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    proxies = []
    for proxy in PROXIES:
        if proxy.name in options.proxies.split(","):
            if shutil.which(proxy.program) is None:
                say(f"{proxy.name} is not there, so it is left out")
            else:
                proxies.append(proxy)
    facts = machine()
    if facts["load_before"] > 0.5:
        say(f"the machine is busy with other work (load {facts['load_before']:.1f}): expect wide spreads")
    rounds = run_rounds(proxies, options)
    figures = summarise(rounds, [proxy.name for proxy in proxies], options)
    report = {"machine": facts, "rounds": rounds, "figures": figures,
              "options": {k: str(v) for k, v in vars(options).items()}}
    (OUT / "bench.json").write_text(json.dumps(report, indent=1) + "\n")
    if REFERENCE in figures:
        whole = len(proxies) == len(PROXIES) and {"w1", "w2"} <= options.work
        path = options.chart or (ROOT / "docs" if whole else OUT) / "bench.svg"
        path.write_text(chart.ratios(figures, facts))
        say(f"chart: {path}")
    print_table(figures)
    if not options.no_micro:
        micro()
    return 0


if __name__ == "__main__":
    sys.exit(main())
