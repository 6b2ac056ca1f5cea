"""What a month's budget buys by each strategy: a tenant's small model on generated sums, a simulated paid model.

The small model is the demo's with an adapter that has learned such sums, as tenants bring one along. A reward head is
made for it first, by the product's own commands, from sums of other seeds. Then every strategy answers the same sums
through the gateway, each under a hard budget of its own of the same size; what that refuses is not answered, and not
right. What a right answer is worth is tried at several values, and each strategy is credited with the best of them: the
comparison is about strategies, not about how well a price was guessed.

A hold is the most that a call can cost, here ten times what it does: a budget has to be many holds large, so that what
is held and not spent decides nothing.
"""

import http.client
import json
import os
import re
import subprocess

from bench.concurrent_requests import ask_all
from bench.ledger import SETTINGS
from bench.proxy import Process
from cluster import Cluster, Failure
from soak.programs import free_port

SEED = 20261130
ACCURACY = 0.95
SHARE = 0.25
# The paid model's output costs eight times its input, in USD a million tokens.
LLM, INPUT, OUTPUT = "sim/sim-frontier", "1.25", "10"
# What a right answer is worth, in answers of the paid model.
VALUES = [1.5, 3]
AT_ONCE = 2
MAX_TOKENS = 200
# Of the paid model, which takes fewer for the same text: what a call holds is what these could cost.
LLM_TOKENS = 64
# λ is fixed: what the router would learn of a month would depend on the day that the benchmark is run on.
COMMON = {"max_steps": 12, "max_step_tokens": 24, "max_answer_tokens": MAX_TOKENS, "expected_step_tokens": 5,
          "expected_rest_tokens": 45, "max_llm_step_tokens": 12, "max_llm_rest_tokens": LLM_TOKENS, "shadow_price": 1,
          "target": "price", "llm_success_prior": ACCURACY, "latency_usd_per_second": 0.000001, "max_resamples": 2,
          "tree_nodes": 24}
ROUTES = {
    "slm-only": ("stepwise", {"escalation_forbidden": "true", "max_resamples": 0}),
    "llm-only": ("direct", {}),
    "cascade": ("cascade", {}),
    # Accepts a step where its reward is 0.7 or more, else has the paid model write it.
    "rsd-0.7": ("stepwise", {
        "llm_success_prior": 0.7, "step_gain_share": 1, "shadow_price": 0, "max_resamples": 0,
        "latency_usd_per_second": 0, "expected_rest_tokens": 4}),
    "best-of-n": ("best-of-n", {}),
    "stepwise": ("stepwise", {}),
    "tree": ("tree", {}),
}


class Scene:
    """A gateway with the strategies' routes, its database, and the provider."""

    def __init__(self, options, directory):
        self.options, self.directory, self.processes = options, directory, []
        self.slm = os.environ.get("GBOOST_DEMO_SLM")
        if not self.slm or not os.path.isfile(self.slm):
            raise Failure("GBOOST_DEMO_SLM names no model: run ops/setup, then read the file env in its cache")
        self.cluster = Cluster(directory, "postgres", 5432, SETTINGS)
        self.config = os.path.join(directory, "gboost.yaml")
        self.bill = os.path.join(directory, "bill.jsonl")

    def gboost(self, *arguments, administers=True):
        result = subprocess.run(
            [self.options.gboost, *map(str, arguments), *(["--config", self.config] if administers else [])],
            cwd=self.directory, text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise Failure(f"gboost {' '.join(map(str, arguments[:3]))}: {result.stderr.strip()[-500:]}")
        return result.stdout

    def made(self, kind, name):
        """The path of what is made once and kept in the cache, beside the model."""
        directory = os.path.join(os.path.dirname(os.path.dirname(self.slm)), kind)
        os.makedirs(directory, exist_ok=True)
        return os.path.join(directory, name)

    def tuned(self):
        """The tenant's adapter."""
        path = self.made("adapters", f"sums-v1-{SEED}.gguf")
        if not os.path.isfile(path):
            print("==> training an adapter: a quarter of an hour", flush=True)
            script = os.path.join(self.options.checkout, "ops", "train-demo-adapter")
            if subprocess.run([script, path, str(SEED)], check=False, stdin=subprocess.DEVNULL).returncode != 0:
                raise Failure("the adapter could not be trained")
        return path

    def sums(self, seed, count):
        path = os.path.join(self.directory, f"sums-{seed}.jsonl")
        self.gboost("prm", "sample-data", "--sums", "--long", "--problems", count, "--seed", seed, "--out", path,
                    administers=False)
        return path

    def head(self, adapter):
        """Trained once, then kept in the cache beside the model."""
        path = self.made("heads", f"sums-v3-{SEED}-{self.options.training}.head")
        if os.path.isfile(path):
            return path
        model, count = ("--slm", self.slm, "--adapter", adapter), self.options.training

        def label(place, use):
            labelled = self.made("heads", f"sums-v3-{SEED}-{count}-{use}.jsonl")
            self.gboost("prm", "label", *model, "--data", self.sums(SEED + 1 + place, count),
                        "--out", labelled, "--completions", 2, "--max-tokens", MAX_TOKENS, administers=False)
            return labelled

        print(f"==> labelling {count} answers to learn from, and {count} to calibrate by", flush=True)
        labelled = ask_all(2, label, ["training", "calibration"])
        print("==> training a reward head", flush=True)
        made = os.path.join(self.directory, "made.head")
        print(self.gboost("prm", "train", *model, "--data", labelled[0], "--out", made, "--folds", 4,
                          administers=False), end="")
        self.gboost("prm", "calibrate", *model, "--data", labelled[1], "--head", made,
                    "--out", made, administers=False)
        print(self.gboost("prm", "evaluate", *model, "--data", labelled[1], "--head", made,
                          administers=False), end="", flush=True)
        os.replace(made, path)
        return path

    def start(self):
        adapter = self.tuned()
        head = self.head(adapter)
        self.cluster.make()
        self.cluster.start()
        self.cluster.query("create database soak", "postgres")
        upstream, port, directory = free_port(), free_port(), self.directory
        self.processes.append(Process(
            "provider", [self.options.gboost, "simulate-provider", "--port", str(upstream), "--accuracy",
                         str(ACCURACY), "--seed", str(SEED), "--bill", self.bill], directory, upstream))
        with open(os.path.join(directory, "pepper"), "w", encoding="utf-8") as file:
            file.write("p" * 40)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"""
server:    {{ host: 127.0.0.1, port: {port}, instance: bench }}
database:  {{ url: "postgresql://postgres@/soak?host={self.cluster.root}&port={self.cluster.port}", pool: 4 }}
ledger:    {{ journal: {directory}/journal, migrations: {self.options.migrations} }}
secrets:   {{ key_pepper: "file:{directory}/pepper" }}
providers:
  - {{ name: sim, kind: openai, base_url: "http://127.0.0.1:{upstream}/v1" }}
audit:     {{ signing_key: "file:{directory}/signing.key" }}
inference: {{ threads: {os.cpu_count() or 1} }}
""")
        self.gboost("audit", "make-key", "bench/1", "--output", f"{directory}/signing.key", administers=False)
        self.gboost("migrate")
        self.gboost("price", "set", LLM, "--input-usd-per-mtok", INPUT, "--output-usd-per-mtok", OUTPUT)
        self.gboost("tenant", "create", "sums")
        self.gboost("budget", "set", "--tenant", "sums", "--limit-usd", "1000")
        self.gboost("model", "add", "slm", "--tenant", "sums", "--kind", "slm", "--file", self.slm, "--pin")
        for name, kind, file, base in (("tuned", "adapter", adapter, "slm"), ("prm", "prm", head, "tuned")):
            self.gboost("model", "add", name, "--tenant", "sums", "--kind", kind, "--file", file, "--base", base)
        for name, (strategy, settings) in ROUTES.items():
            wanted = [part for pair in (COMMON | settings).items() for part in ("--set", "=".join(map(str, pair)))]
            self.gboost("route", "add", name, "--tenant", "sums", "--slm", "tuned", "--prm", "prm", "--llm",
                        LLM, "--strategy", strategy, *wanted)
        self.port = port
        self.processes.append(Process(
            "gateway", [self.options.gboost, "serve", "--config", self.config], directory, port))

    def stop(self):
        for process in reversed(self.processes):
            process.stop()
        self.cluster.stop()

    def key(self, name, limit):
        """A key with a month's budget of its own."""
        made = json.loads(self.gboost("key", "create", "--tenant", "sums", "--name", name, "--json"))
        if limit is not None:
            self.gboost("budget", "set", "--tenant", "sums", "--key", made["id"], "--limit-usd", f"{limit:.9f}")
        return made["key"]

    def ask(self, route, key, number, problem, value):
        body = {"model": route, "messages": [*problem["context"], {"role": "user", "content": problem["question"]}],
                "max_tokens": LLM_TOKENS if route == "llm-only" else MAX_TOKENS, "seed": number}
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        if value is not None:
            headers["x-gboost-value-usd"] = f"{value:.9f}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        if response.status == 429 and answer["error"]["code"] == "budget_exceeded":
            return {"right": False, "usd": 0.0, "text": "", "steps": 0, "refused": True}
        if response.status != 200:
            raise Failure(f"{route}: {response.status} {answer}")
        text = answer["choices"][0]["message"]["content"] or ""
        return {"right": is_right(text, problem["answer"]), "usd": float(answer["gboost"]["cost_usd"]),
                "text": text, "steps": answer["gboost"]["steps"]}


def is_right(text, answer):
    """By the last number of the last line that gives an answer, or else of the text."""
    marked = text.rsplit("Answer:", 1)[-1]
    numbers = re.findall(r"-?\d+", marked.splitlines()[0] if "Answer:" in text and marked.strip() else text)
    return bool(numbers) and numbers[-1] == answer


def run_route(scene, route, problems, value, limit):
    key = scene.key(f"{route}-{value}", limit)
    try:
        answers = ask_all(
            AT_ONCE, lambda number, problem: scene.ask(route, key, number, problem, value), problems)
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise Failure(f"{route}: {error}") from error
    found = {"strategy": route, "value_usd": value, "right": sum(answer["right"] for answer in answers),
             "usd": sum(answer["usd"] for answer in answers), "problems": len(problems),
             "paid": sum(answer["usd"] > 0 for answer in answers),
             "refused": sum("refused" in answer for answer in answers)}
    if scene.options.keep_answers:
        with open(scene.options.keep_answers, "a", encoding="utf-8") as file:
            for number, answer in enumerate(answers):
                file.write(json.dumps({"route": route, "value": value, "number": number, **answer}) + "\n")
    if limit is not None and found["usd"] > limit:
        raise Failure(f"{route} spent {found['usd']} of {limit}")
    print("==> " + json.dumps(found), flush=True)
    return found


def run(options, directory):
    scene = Scene(options, directory)
    try:
        scene.start()
        with open(scene.sums(SEED, options.problems), encoding="utf-8") as file:
            problems = [json.loads(line) for line in file]
        everything = run_route(scene, "llm-only", problems, None, None)
        mean, limit = everything["usd"] / len(problems), everything["usd"] * SHARE
        runs = [everything, run_route(scene, "slm-only", problems, None, limit)]
        for route in ("llm-only", "rsd-0.7"):
            runs.append(run_route(scene, route, problems, None, limit))
        for value in VALUES:
            for route in ("cascade", "best-of-n", "stepwise", "tree"):
                runs.append(run_route(scene, route, problems, value * mean, limit))
        check_bill(scene, runs)
    finally:
        scene.stop()
    best = {}
    for found in runs[1:]:
        known = best.get(found["strategy"])
        if known is None or (found["right"], -found["usd"]) > (known["right"], -known["usd"]):
            best[found["strategy"]] = found
    print(f"\n{len(problems)} sums, {everything['right']} right by the paid model for ${everything['usd']:.6f}; "
          f"a month's budget of ${limit:.6f} for each strategy:")
    for name, found in best.items():
        print(f"  {name:10} {found['right']:4} right  ${found['usd']:.6f}  {found['paid']} answers paid for, "
              f"{found['refused']} refused")
    ours = max(best[name]["right"] for name in ("stepwise", "tree"))
    theirs = max(found["right"] for name, found in best.items() if name not in ("stepwise", "tree"))
    return {"name": "router", "problems": len(problems), "budget_usd": round(limit, 9), "runs": runs,
        "strategies": best, "ratios": [{"name": "right answers, stepwise or tree / best other, equal dollars",
                                        "value": round(ours / max(theirs, 1), 3), "target": 1.0, "better": "higher"}]}


def check_bill(scene, runs):
    """What the answers say they cost is what the provider charged."""
    with open(scene.bill, encoding="utf-8") as file:
        billed = sum(json.loads(line)["nano_usd"] for line in file)
    said = round(sum(found["usd"] for found in runs) * 1e9)
    if billed != said:
        raise Failure(f"the provider charged {billed} nano-dollars, the answers say {said}")
