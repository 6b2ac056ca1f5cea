"""The engine against llama-server: the same source, model, threads, prompts and greedy sampling, both over HTTP."""

import http.client
import json
import os
import random
import statistics
import subprocess
import time

from bench.concurrent_requests import ask_all
from cluster import Failure
from soak.programs import free_port

CONCURRENCY = [1, 4, 8, 16]
TOKENS = 64
CANDIDATES = 8
CANDIDATE_TOKENS = 24
STEPWISE_TOKENS = 96
# Of one sentence; a prompt of some 90 tokens has five.
WORDS = ("river stone lamp garden window thunder paper engine mirror copper bridge forest candle harbour silver "
         "morning letter pocket winter market").split()


def prompt(seed, sentences):
    chance = random.Random(seed)
    lines = [f"The {' '.join(chance.choice(WORDS) for _ in range(10))} is number {chance.randrange(10000)}."
             for _ in range(sentences)]
    return " ".join(lines) + " Write a long story about all of this."


class Server:
    """A process that answers chat completions on a port of its own."""

    def __init__(self, name, command, port=None):
        self.name = name
        # The engine lowers its own priority: its peer gets the same.
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE if port is None else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=(lambda: os.nice(5)) if port is not None else None)
        if port is None:
            line = self.process.stdout.readline()
            if not line.strip():
                raise Failure(f"{name} did not start")
            port = int(line)
        self.port = port
        self.wait()

    def wait(self):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.ask(prompt(0, 1), 2)["tokens"] > 0:
                    return
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.1)
        self.stop()
        raise Failure(f"{self.name} does not answer")

    def ask(self, text, tokens, **more):
        """One streamed answer: tokens, seconds to the first text and to the end."""
        body = json.dumps({
            "messages": [{"role": "user", "content": text}], "max_tokens": tokens, "temperature": 0, "stream": True,
            "stream_options": {"include_usage": True}, **more})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        start = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            response.read()
            raise http.client.HTTPException(f"status {response.status}")
        first, count = None, 0
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if "error" in event:
                raise Failure(f"{self.name}: {event['error']}")
            if first is None and any(choice["delta"].get("content") for choice in event.get("choices", [])):
                first = time.perf_counter() - start
            count = (event.get("usage") or {}).get("completion_tokens", count)
        connection.close()
        return {"tokens": count, "first": first, "seconds": time.perf_counter() - start}

    def many(self, prompts, count, tokens, **more):
        """All prompts, so many at a time; the answers, and the seconds that all took."""
        def ask(number, text):
            arguments = {key: value(number) if callable(value) else value for key, value in more.items()}
            return self.ask(text, tokens, **arguments)

        start = time.perf_counter()
        try:
            answers = ask_all(count, ask, prompts)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Failure(f"{self.name}: {error}") from error
        return answers, time.perf_counter() - start

    def stop(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(server, prompts, at_once):
    answers, seconds = server.many(prompts, at_once, TOKENS)
    firsts = [answer["first"] for answer in answers if answer["first"] is not None]
    if not firsts:
        raise Failure(f"{server.name} wrote nothing")
    return {"rate": sum(answer["tokens"] for answer in answers) / seconds,
            "p50": statistics.median(firsts), "p95": percentile(firsts, 0.95)}


def compare(ours, theirs, options):
    """In turn, and each first as often as the other, so that a machine whose speed drifts treats both alike."""
    runs = []
    for at_once in CONCURRENCY:
        for number in range(options.rounds):
            prompts = [prompt(f"{at_once} {number} {k}", 5) for k in range(max(4, at_once))]
            order = [ours, theirs] if number % 2 == 0 else [theirs, ours]
            found = {server.name: measure(server, prompts, at_once) for server in order}
            run = {"concurrent": at_once}
            for name, figures in found.items():
                run |= {f"{name}_tokens_per_second": figures["rate"], f"{name}_first_p50_ms": figures["p50"] * 1000,
                        f"{name}_first_p95_ms": figures["p95"] * 1000}
            runs.append(run)
            print("==> " + json.dumps({key: round(value, 1) for key, value in run.items()}), flush=True)
    return runs


def candidates(ours, options):
    """Candidates of one long prompt, against as many requests that find nothing of each other."""
    runs = []
    for number in range(options.rounds):
        text = prompt(f"candidates {number}", 26)
        together = ours.ask(text, CANDIDATE_TOKENS, n=CANDIDATES, tenant=1000 + number)["seconds"]
        first = 2000 + number * 2 * CANDIDATES
        apart = {}
        for name, at_once, tenant in [("in_turn", 1, first), ("at_once", CANDIDATES, first + CANDIDATES)]:
            apart[name] = ours.many(
                [text] * CANDIDATES, at_once, CANDIDATE_TOKENS, tenant=lambda k, base=tenant: base + k)[1]
        run = {"candidates_seconds": together, "separate_in_turn_seconds": apart["in_turn"],
               "separate_at_once_seconds": apart["at_once"]}
        runs.append(run)
        print("==> " + json.dumps({key: round(value, 2) for key, value in run.items()}), flush=True)
    return runs


def stepwise(ours, options):
    """An answer step by step with a reward for each, against the same answer in one go, greedy both."""
    runs = []
    for number in range(options.rounds):
        text = prompt(f"steps {number}", 5)
        found = {}
        order = [False, True] if number % 2 == 0 else [True, False]
        for steps in order:
            answer = ours.ask(text, STEPWISE_TOKENS, steps=steps, tenant=9000 + 2 * number + steps)
            found["stepwise" if steps else "plain"] = answer
        run = {f"{name}_seconds": answer["seconds"] for name, answer in found.items()}
        run |= {f"{name}_tokens": answer["tokens"] for name, answer in found.items()}
        runs.append(run)
        print("==> " + json.dumps({key: round(value, 3) for key, value in run.items()}), flush=True)
    return runs


def ratio(name, runs, value, target, better):
    return {"name": name, "value": round(statistics.median(value(run) for run in runs), 3), "target": target,
            "better": better}


def ratios(runs, apart, steps):
    found = []
    for at_once in CONCURRENCY:
        own = [run for run in runs if run["concurrent"] == at_once]
        for what, key, target, better in [
                ("tokens/s", "tokens_per_second", 1.05, "higher"), ("first token p50", "first_p50_ms", 0.95, "lower"),
                ("first token p95", "first_p95_ms", 0.95, "lower")]:
            found.append(ratio(
                f"{at_once} at once, {what}, engine / llama-server", own,
                lambda run, key=key: run[f"engine_{key}"] / run[f"server_{key}"], target, better))
    found.append(ratio(
        f"{CANDIDATES} separate requests in turn / {CANDIDATES} candidates, seconds", apart,
        lambda run: run["separate_in_turn_seconds"] / run["candidates_seconds"], 4.0, "higher"))
    found.append(ratio(
        f"{CANDIDATES} separate requests at once / {CANDIDATES} candidates, seconds", apart,
        lambda run: run["separate_at_once_seconds"] / run["candidates_seconds"], 1.0, "higher"))
    found.append(ratio(
        "step by step with a shared head / in one go, seconds a token", steps,
        lambda run: run["stepwise_seconds"] / run["stepwise_tokens"] / (run["plain_seconds"] / run["plain_tokens"]),
        1.05, "lower"))
    return found


def run(options, directory):
    checkout = options.checkout
    built = subprocess.run(
        ["bash", os.path.join(checkout, "ops/lib/bench/llama_server.sh")], text=True, stdout=subprocess.PIPE,
        check=False, stdin=subprocess.DEVNULL)
    if built.returncode != 0:
        raise Failure("llama-server could not be built")
    model = os.environ.get("GBOOST_DEMO_SLM")
    if not model or not os.path.isfile(model):
        raise Failure("GBOOST_DEMO_SLM names no model: run ops/setup, then read the file env in its cache")
    threads = str(max(1, (os.cpu_count() or 2) - 1))
    servers = []
    try:
        servers.append(Server("engine", [
            options.inference_bench, "serve", "--model", model, "--threads", threads, "--context", "8192",
            "--parallel", "16"]))
        port = free_port()
        servers.append(Server("server", [
            built.stdout.strip(), "-m", model, "--host", "127.0.0.1", "--port", str(port), "-t", threads, "-tb",
            threads, "-c", "8192", "-np", "16", "-kvu", "--jinja", "--no-webui"], port))
        ours, theirs = servers
        runs = compare(ours, theirs, options)
        apart = candidates(ours, options)
        steps = stepwise(ours, options)
    finally:
        for server in servers:
            server.stop()
    return {"name": "inference", "threads": int(threads), "ratios": ratios(runs, apart, steps),
            "runs": runs + apart + steps}
