"""A gateway at work: two tenants, a boosted route each, one of them out of money, a provider that sometimes fails."""

import base64
import hashlib
import http.client
import http.server
import itertools
import json
import os
import random
import struct
import subprocess
import threading
import time

from cluster import Failure
from soak.programs import Program, free_port, wait_for_port

# Embedding length of the demo model, that the head below is for.
WIDTH = 576
# (tenant, dollars a month, dollars a month of a single key): the second one's money is gone at once.
TENANTS = (("acme", "500", "50"), ("broke", "0.004", "0.004"))
MODELS = (("sim/sim-large", "10", "30"), ("sim/sim-small", "0.15", "0.60"), ("spare/sim-small", "0.15", "0.60"),
          ("spare/sim-large", "10", "30"))
# Questions with these words are answered by an error 500.
FAILING = "please fail"


def demo_model():
    home = os.environ.get("GBOOST_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", "/root"), ".cache"), "gboost")
    path = os.environ.get("GBOOST_DEMO_SLM") or os.path.join(home, "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
    if not os.path.exists(path):
        raise Failure(f"the demo model is not at {path}: run ops/setup")
    return path


def write_head(path, model):
    """A reward head that has learned nothing: it doubts some steps and believes others, as chance has it."""
    with open(model, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    dice = random.Random(7)

    def floats(values):
        return base64.b64encode(struct.pack(f"<{WIDTH}f", *values)).decode()

    with open(path, "w", encoding="utf-8") as file:
        json.dump({
            "format": "GBHEAD1", "kind": "linear", "base_sha256": digest, "n_embd": WIDTH, "bias": 0.5, "metrics": {},
            "weights": floats([dice.gauss(0, 0.05) for _ in range(WIDTH)]), "mean": floats([0.0] * WIDTH),
            "scale": floats([1.0] * WIDTH), "calibration": [], "seed": 7}, file)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes every event."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Installation:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.port, self.provider_port = free_port(), free_port()
        self.configuration = os.path.join(directory, "gateway.yaml")
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(f"""
server:    {{ host: 127.0.0.1, port: {self.port}, instance: dashboards }}
database:  {{ embedded: {directory}/postgres }}
ledger:    {{ journal: {directory}/journal, migrations: {options.migrations} }}
providers:
  - {{ name: sim, kind: openai, base_url: "http://127.0.0.1:{self.provider_port}/v1" }}
  - {{ name: spare, kind: openai, base_url: "http://127.0.0.1:{self.provider_port}/v1" }}
model_groups:
  - {{ name: small, model: sim/sim-small, deployments: "sim/sim-small", fallbacks: "spare/sim-small",
      mirror: "spare/sim-large", mirror_percent: 20 }}
""")
        self.provider = Program("provider", [
            options.gboost, "simulate-provider", "--port", str(self.provider_port), "--latency", "20", "--fault",
            f"500@{FAILING}"], directory)
        self.gateway = Program("gateway", [options.gboost, "serve", "--config", self.configuration], directory)
        self.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.keys = {}

    def gboost(self, *arguments):
        result = subprocess.run(
            [self.options.gboost, *arguments, "--config", self.configuration], cwd=self.directory, text=True,
            capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise Failure(f"gboost {' '.join(arguments[:3])}: {result.stderr.strip()}")
        return result.stdout

    def start(self):
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()
        self.provider.start()
        self.gateway.start()
        wait_for_port(self.provider_port)
        wait_for_port(self.port, 120)

    def set_up(self):
        model, head = demo_model(), os.path.join(self.directory, "steps.head")
        write_head(head, model)
        secret = os.path.join(self.directory, "webhook.secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("s" * 40)
        self.gboost("destination", "add", "hook", "--kind", "webhook", "--target",
                    f"http://127.0.0.1:{self.receiver.server_port}/", "--secret", f"file:{secret}")
        for name, inward, outward in MODELS:
            self.gboost("price", "set", name, "--input-usd-per-mtok", inward, "--output-usd-per-mtok", outward)
        for tenant, limit, of_key in TENANTS:
            of = ("--tenant", tenant)
            self.gboost("tenant", "create", tenant)
            self.gboost("team", "create", "maths", *of)
            self.gboost("budget", "set", *of, "--limit-usd", limit, "--alert-at", "50,80,95")
            self.gboost("budget", "set", *of, "--limit-usd", limit, "--window", "day", "--team", "maths")
            key = json.loads(self.gboost("key", "create", *of, "--team", "maths", "--json"))
            self.keys[tenant] = key["key"]
            self.gboost("budget", "set", *of, "--limit-usd", of_key, "--key", str(key["id"]))
            self.gboost("model", "add", "slm", *of, "--kind", "slm", "--file", model)
            self.gboost("model", "add", "prm", *of, "--kind", "prm", "--file", head, "--base", "slm")
            self.gboost(
                "route", "add", "math", *of, "--slm", "slm", "--prm", "prm", "--llm", "sim/sim-large", "--set",
                "value_usd=0.004", "--set", "max_step_tokens=16", "--set", "max_answer_tokens=48", "--set",
                "max_resamples=1")

        self.wait_for_catalog()

    def wait_for_catalog(self):
        """A gateway sees a change within a second."""
        deadline = time.monotonic() + 30
        waiting = set(self.keys)
        while waiting:
            tenant = min(waiting)
            answer = self.get("/v1/models", {"Authorization": f"Bearer {self.keys[tenant]}"})
            if '"math"' in answer and '"sim/sim-small"' in answer:
                waiting.discard(tenant)
            elif time.monotonic() > deadline:
                raise Failure(f"the gateway does not see {tenant}'s models: {answer}")
            else:
                time.sleep(0.1)

    def stop(self):
        self.gateway.stop()
        self.provider.stop()
        self.receiver.shutdown()

    def get(self, path, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers=headers or {})
            return connection.getresponse().read().decode()
        finally:
            connection.close()


class Traffic:
    """Clients that ask one question after the other, of every kind that a dashboard tells apart."""

    # (tenant, model, whether it streams, what is asked); each client does all of them in turn.
    KINDS = (
        ("acme", "math", False, "Anna has {} apples and buys {} more. How many apples does she have?"),
        ("acme", "sim/sim-large", True, "What is {} plus {}?"),
        ("broke", "math", False, "What is {} plus {}?"),
        ("acme", "math", True, "What is {} times {}?"),
        ("broke", "sim/sim-large", False, "What is {} plus {}?"),
        ("acme", "sim/sim-small", False, "What is {} plus {}?"),
        ("acme", "sim/sim-small", False, FAILING + " {} {}"),
    )

    def __init__(self, installation, clients):
        self.installation = installation
        self.statuses = {}
        self.lock = threading.Lock()
        self.end = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(number,)) for number in range(clients)]

    def run(self, seconds):
        for thread in self.threads:
            thread.start()
        time.sleep(seconds)
        self.end.set()
        for thread in self.threads:
            thread.join()
        return dict(sorted(self.statuses.items()))

    def client(self, number):
        dice = random.Random(number)
        kinds = itertools.islice(itertools.cycle(self.KINDS), number % len(self.KINDS), None)
        while not self.end.is_set():
            tenant, model, streams, words = next(kinds)
            text = words.format(dice.randint(2, 90), dice.randint(2, 90))
            status = self.ask(tenant, model, streams, text)
            with self.lock:
                name = f"{tenant} {model}: {status}"
                self.statuses[name] = self.statuses.get(name, 0) + 1

    def ask(self, tenant, model, streams, text):
        body = json.dumps({
            "model": model, "stream": streams, "max_tokens": 48, "messages": [{"role": "user", "content": text}]})
        connection = http.client.HTTPConnection("127.0.0.1", self.installation.port, timeout=120)
        try:
            connection.request("POST", "/v1/chat/completions", body, {
                "Authorization": f"Bearer {self.installation.keys[tenant]}", "Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()
