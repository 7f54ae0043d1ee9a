"""Who takes part in `./do bench busy-hour`, and how each is started. The configurations, with the
reason for each setting, are in proxies/busy-hour; Portkey takes its own with each request, so that
is here."""

import dataclasses
import json
import os
import pathlib
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[1]
PEERS = ROOT / ".cache" / "peers"
UNBUSY = ROOT / "build" / "unbusy"
CORES = len(os.sched_getaffinity(0))


@dataclasses.dataclass
class Contestant:
    name: str
    words: str
    command: list = dataclasses.field(default_factory=list)  # @CONFIG@, @PORT@ are filled in
    template: str = ""  # in proxies/busy-hour
    needs: str = ""  # a program or file that must be there, else it is left out
    headers: object = None  # of each request: a function of the ports of the upstreams
    environment: dict = dataclasses.field(default_factory=dict)
    start_s: float = 10  # for it to listen


def node():
    bundled = sorted((ROOT / ".cache" / "node" / "node_modules").glob("node-linux-*/bin/node"))
    return shutil.which("node") or (str(bundled[0]) if bundled else "node")


PORTKEY_RETRIES = [408, 429, 500, 502, 503, 504]


def portkey_headers(ports):
    """A third of the requests begins at each upstream and falls back to the other two, and then to
    where it began: load balancing and fallback as its documentation combines them."""

    def target(port, **more):
        # Silence before the head is given up after so long; as for the others.
        return {"provider": "openai", "api_key": "none", "request_timeout": 15000,
                "custom_host": f"http://127.0.0.1:{port}/v1", **more}

    def chain(first):
        turn = ports[first:] + ports[:first]
        # Its retries are at the same upstream, with pauses: worth while only as the last thing.
        last = target(turn[0], retry={"attempts": 2, "on_status_codes": PORTKEY_RETRIES})
        return {"weight": 1,
                "strategy": {"mode": "fallback", "on_status_codes": PORTKEY_RETRIES},
                "targets": [target(port) for port in turn] + [last]}

    config = {"strategy": {"mode": "loadbalance"},
              "targets": [chain(i) for i in range(len(ports))]}
    return {"x-portkey-config": json.dumps(config, separators=(",", ":"))}


PORTKEY = PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
LITELLM = PEERS / "litellm" / "bin" / "litellm"

CONTESTANTS = [
    Contestant("bare", "a bare client at one upstream"),
    Contestant("haproxy", "HAProxy", ["haproxy", "-db", "-f", "@CONFIG@"], "haproxy.cfg", "haproxy"),
    Contestant("nginx", "nginx", ["nginx", "-c", "@CONFIG@"], "nginx.conf", "nginx"),
    Contestant("portkey", "Portkey gateway",
               [node(), str(PORTKEY), "--port=@PORT@", "--headless"], needs=str(PORTKEY),
               headers=portkey_headers, environment={"NODE_ENV": "production"}, start_s=30),
    # It asks nobody on the net for its price list; the local one is good.
    Contestant("litellm", "LiteLLM proxy",
               [str(LITELLM), "--config", "@CONFIG@", "--host", "127.0.0.1", "--port", "@PORT@",
                "--num_workers", str(CORES), "--telemetry", "False"],
               "litellm.yaml", str(LITELLM),
               environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR",
                            "LITELLM_MODE": "PRODUCTION", "NO_DOCS": "True"}, start_s=120),
    Contestant("unbusy", "unbusy", [str(UNBUSY), "serve", "--config", "@CONFIG@"], "unbusy.yaml",
               str(UNBUSY)),
]


def missing(contestant):
    return bool(contestant.needs) and shutil.which(contestant.needs) is None \
        and not pathlib.Path(contestant.needs).exists()
