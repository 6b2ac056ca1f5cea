"""Load for the proxies: closed loops by wrk, and a rate that does not wait for answers."""

import asyncio
import json
import os
import subprocess

from bench import open_loop
from cluster import Failure

SECONDS = 4
SSE_EVENTS = 200
WARM_UPS = 10
OPEN_LOOP_SECONDS = 10
QUESTION = "Say in one sentence what a gateway between a client and a language model is good for. " * 8
SCRIPT = """
local keys = {%s}
local body = %s
local n = 0
request = function()
  n = n + 1
  return wrk.format("POST", "%s", {
    ["content-type"] = "application/json", ["authorization"] = "Bearer " .. keys[n %% #keys + 1]}, body)
end
done = function(summary, latency, requests)
  local e = summary.errors
  print(string.format('\\n{"requests": %%d, "us": %%d, "p50": %%d, "p99": %%d, "status": %%d, "errors": %%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), e.status,
    e.connect + e.read + e.write + e.timeout))
end
"""


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Load:
    """One kind of request, its keys in turn."""

    def __init__(self, scene, model, path, keys, stream=False):
        self.scene, self.path, self.keys = scene, path, keys
        self.body = json.dumps({
            "model": model, "max_tokens": 64, "messages": [{"role": "user", "content": QUESTION}],
            **({"stream": True, "stream_options": {"include_usage": True}} if stream else {})})
        name = f"{model.replace('/', '-')}-{path.strip('/').split('/', maxsplit=1)[0]}"
        self.script = os.path.join(scene.directory, name + ".lua")
        with open(self.script, "w", encoding="utf-8") as file:
            quoted = ", ".join(json.dumps(key) for key in keys)
            file.write(SCRIPT % (quoted, json.dumps(json.dumps(json.loads(self.body))), path))

    def warm_up(self, process, connections):
        """LiteLLM takes seconds for its first answer."""
        for _ in range(WARM_UPS):
            found = self.wrk(process, connections, 2)
            if found["requests"] and not found["status"] and not found["errors"]:
                return
        raise Failure(f"{process.name} does not answer: {found}")

    def run(self, process, connections, seconds=SECONDS):
        found = self.wrk(process, connections, seconds)
        if found["status"] or found["errors"] or not found["requests"]:
            raise Failure(f"not every request to {process.name} was answered with 200: {found}")
        return {"requests": found["requests"], "per_second": found["requests"] * 1e6 / found["us"],
                "p50_ms": found["p50"] / 1000, "p99_ms": found["p99"] / 1000}

    def wrk(self, process, connections, seconds):
        result = subprocess.run(
            [self.scene.wrk, "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s", "-s",
             self.script, f"http://127.0.0.1:{process.port}{self.path}"], text=True, capture_output=True, check=False,
            stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise Failure(f"wrk: {result.stderr.strip() or result.stdout.strip()}")
        return json.loads(result.stdout.splitlines()[-1])

    def open_loop(self, process, rate):
        body = self.body.encode()
        requests = [
            (f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
             f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n").encode() + body
            for key in self.keys]
        times = asyncio.run(open_loop.run(process.port, requests, rate, OPEN_LOOP_SECONDS))
        return {f"open_loop_p{name}_ms": percentile(times, share)
                for name, share in (("50", 0.5), ("99", 0.99), ("99.9", 0.999))}
