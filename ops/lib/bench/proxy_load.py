"""Load for the proxies: closed loops by wrk, a fixed rate by h2load."""

import json
import os
import subprocess

from cluster import Failure

SECONDS = 4
SSE_EVENTS = 200
# Each connection of the open loop has to be free when its turn comes, or the rate is not what was asked for.
OPEN_LOOP_CONNECTIONS = 200
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

    def run(self, process, connections, seconds=SECONDS):
        result = subprocess.run(
            [self.scene.wrk, "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s", "-s",
             self.script, f"http://127.0.0.1:{process.port}{self.path}"], text=True, capture_output=True, check=False,
            stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise Failure(f"wrk: {result.stderr.strip() or result.stdout.strip()}")
        found = json.loads(result.stdout.splitlines()[-1])
        if found["status"] or found["errors"] or not found["requests"]:
            raise Failure(f"not every request to {process.name} was answered with 200: {found}")
        return {"requests": found["requests"], "per_second": found["requests"] * 1e6 / found["us"],
                "p50_ms": found["p50"] / 1000, "p99_ms": found["p99"] / 1000}

    def open_loop(self, process, rate):
        """At a rate that does not wait for answers: the latencies that users of a busy gateway see."""
        body, log = (os.path.join(self.scene.directory, "open-loop." + kind) for kind in ("json", "log"))
        with open(body, "w", encoding="utf-8") as file:
            file.write(self.body)
        command = [
            self.scene.h2load, "--h1", "-t", "1", "-c", str(OPEN_LOOP_CONNECTIONS), "-D", str(OPEN_LOOP_SECONDS),
            "--warm-up-time", "1", "--rps", f"{rate / OPEN_LOOP_CONNECTIONS:.3f}", "-d", body, "--log-file", log,
            "-H", "content-type: application/json", "-H", f"authorization: Bearer {self.keys[0]}",
            f"http://127.0.0.1:{process.port}{self.path}"]
        result = subprocess.run(command, text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise Failure(f"h2load: {result.stderr.strip() or result.stdout.strip()}")
        with open(log, encoding="utf-8") as file:
            rows = [line.split("\t") for line in file]
        bad = sum(row[1] != "200" for row in rows)
        if bad or not rows:
            raise Failure(f"{bad} of {len(rows)} requests at a fixed rate were not answered with 200")
        times = sorted(int(row[2]) / 1000 for row in rows)
        return {"open_loop_answered_per_second": len(times) / OPEN_LOOP_SECONDS,
                **{f"open_loop_p{name}_ms": percentile(times, share)
                   for name, share in (("50", 0.5), ("99", 0.99), ("99.9", 0.999))}}
