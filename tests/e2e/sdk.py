"""The official SDKs behind one small interface, so that a test is written once and runs with both.

The SDKs are unmodified and keep their defaults (two retries, their own backoff); what they raise is
told as it is. The Node side is node/driver.mjs, one process for the whole run.
"""

import dataclasses
import json
import pathlib
import subprocess
import threading

import openai

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE_MODULES = ROOT / ".cache" / "node" / "node_modules"


@dataclasses.dataclass
class Outcome:
    """What the application sees."""
    error: str = ""        # class of the exception: "APIConnectionError", "" = none
    status: int = 0        # its HTTP status
    code: str = ""         # of the error object
    message: str = ""
    result: dict = None    # the whole answer, not streamed
    chunks: list = None    # the events of a stream, as far as they came
    headers: dict = dataclasses.field(default_factory=dict)

    @property
    def text(self):
        if self.result is not None:
            choice = self.result["choices"][0]
            return choice.get("text") or (choice.get("message") or {}).get("content") or ""
        return "".join(self._pieces("content"))

    @property
    def reasoning(self):
        if self.result is not None:
            return self.result["choices"][0]["message"].get("reasoning_content") or ""
        return "".join(self._pieces("reasoning_content"))

    def _pieces(self, field):
        for chunk in self.chunks or []:
            for choice in chunk.get("choices") or []:
                yield (choice.get("delta") or {}).get(field) or (
                    choice.get("text") if field == "content" else None) or ""

    @property
    def finish(self):
        if self.result is not None:
            return self.result["choices"][0]["finish_reason"]
        reasons = [choice.get("finish_reason") for chunk in self.chunks or []
                   for choice in chunk.get("choices") or [] if choice.get("finish_reason")]
        return reasons[-1] if reasons else None

    @property
    def usage(self):
        if self.result is not None:
            return self.result.get("usage")
        usages = [chunk["usage"] for chunk in self.chunks or [] if chunk.get("usage")]
        return usages[-1] if usages else None

    @property
    def tool_call(self):
        """(name, arguments as text) of the first tool call, put together from the pieces."""
        if self.result is not None:
            function = self.result["choices"][0]["message"]["tool_calls"][0]["function"]
            return function["name"], function["arguments"]
        name, arguments = "", ""
        for chunk in self.chunks or []:
            for choice in chunk.get("choices") or []:
                for call in (choice.get("delta") or {}).get("tool_calls") or []:
                    name += call["function"].get("name") or ""
                    arguments += call["function"].get("arguments") or ""
        return name, arguments


class PythonSdk:
    name = "python"

    def close(self):
        pass

    def call(self, base, what, params, key="none", headers=None, **options):
        client = openai.OpenAI(base_url=base, api_key=key, default_headers=headers or {}, **options)
        outcome = Outcome()
        try:
            with client:
                self._call(client, what, params, outcome)
        except openai.APIError as error:
            outcome.error = type(error).__name__
            outcome.status = getattr(error, "status_code", 0) or 0
            outcome.code = error.code or ""
            outcome.message = error.message
            if getattr(error, "response", None) is not None:
                outcome.headers = dict(error.response.headers)
        return outcome

    @staticmethod
    def _call(client, what, params, outcome):
        if what == "models":
            outcome.result = client.models.list().to_dict()
            return
        place = {"chat": client.chat.completions, "completions": client.completions,
                 "embeddings": client.embeddings}[what]
        raw = place.with_raw_response.create(**params)
        outcome.headers = dict(raw.headers)
        if not params.get("stream"):
            # As it came: packed embeddings are text where the SDK's own type says numbers.
            outcome.result = raw.parse().to_dict(warnings=False)
            return
        outcome.chunks = []
        for chunk in raw.parse():
            outcome.chunks.append(chunk.to_dict())


class NodeSdk:
    name = "node"

    def __init__(self):
        node = next(NODE_MODULES.glob("node-linux-*/bin/node"))
        driver = pathlib.Path(__file__).parent / "node" / "driver.mjs"
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [str(node), str(driver), str(NODE_MODULES)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def call(self, base, what, params, key="none", headers=None, **options):
        if "max_retries" in options:
            options["maxRetries"] = options.pop("max_retries")
        if "timeout" in options:
            options["timeout"] = int(options["timeout"] * 1000)
        command = {"base": base, "what": what, "params": params, "key": key,
                   "headers": headers or {}, "options": options}
        with self._lock:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        assert line, "the Node driver is gone"
        return Outcome(**json.loads(line))
