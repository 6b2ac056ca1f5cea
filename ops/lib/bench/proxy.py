"""The gateway on a direct route, with everything on, against LiteLLM's proxy and nginx: one upstream, one machine."""

import json
import os
import subprocess
import time

from bench.ledger import SETTINGS, fdatasync_milliseconds, median
from bench.proxy_load import SSE_EVENTS, Load
from cluster import Cluster, Failure
from soak.programs import free_port, wait_for_port

TENANTS = 20
TICKS = os.sysconf("SC_CLK_TCK")
REPLY = {
    "id": "chatcmpl-mock", "object": "chat.completion", "created": 1700000000, "model": "plain",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": "A short answer, as a model would give it to a short question. " * 4}}],
    "usage": {"prompt_tokens": 210, "completion_tokens": 52, "total_tokens": 262}}


def event(delta, **more):
    chunk = {"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1700000000, "model": "stream",
             "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **more}
    return f"data: {json.dumps(chunk, separators=(',', ':'))}"


def stream_commands():
    """An upstream that writes each of its events by itself, as a model does."""
    events = [event({"content": " word"}) for _ in range(SSE_EVENTS - 2)]
    usage = {"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1700000000, "model": "stream",
             "choices": [], "usage": REPLY["usage"]}
    events += [f"data: {json.dumps(usage, separators=(',', ':'))}", "data: [DONE]"]
    return "\n".join(f"echo '{line}'; echo ''; echo_flush;" for line in events)


class Process:
    """One that is measured: its time on a processor and its memory."""

    def __init__(self, name, command, directory, port, environment=None):
        self.name, self.port = name, port
        self.log = os.path.join(directory, name + ".log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=directory, env={**os.environ, **(environment or {})}, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)
        try:
            wait_for_port(port, 120)
        except Failure as failure:
            self.stop()
            raise Failure(f"{name} did not start: {failure}") from failure

    def seconds(self):
        return processor_seconds([self.process.pid])

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def processor_seconds(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


class Scene:
    """The upstream, the three that stand before it, and the gateway's database."""

    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        script = os.path.join(options.checkout, "ops/lib/bench/peers.sh")
        found = subprocess.run([script], text=True, stdout=subprocess.PIPE, check=False, stdin=subprocess.DEVNULL)
        if found.returncode != 0:
            raise Failure("the peers could not be installed")
        self.nginx_root, self.wrk, self.litellm_program = found.stdout.split()
        self.cluster = Cluster(directory, "postgres", 5432, SETTINGS)
        self.processes = []

    def start(self):
        self.cluster.make()
        self.cluster.start()
        self.cluster.query("create database soak", "postgres")
        self.upstream = self.nginx("upstream", f"""
            location /v1/chat/completions {{ default_type application/json; return 200 '{json.dumps(REPLY)}'; }}
            location /stream/v1/chat/completions {{ default_type text/event-stream;
            {stream_commands()} }}""")
        self.floor = self.nginx("nginx", """
            location / { proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection "";
                         proxy_buffering off; }""", f"""
        upstream upstream {{ server 127.0.0.1:{self.upstream.port}; keepalive 256; keepalive_requests 1000000000; }}""")
        self.gateway = self.start_gateway()
        self.litellm = self.start_litellm()

    def add(self, name, command, port, environment=None):
        process = Process(name, command, self.directory, port, environment)
        self.processes.append(process)
        return process

    def nginx(self, name, server, http=""):
        port, root = free_port(), os.path.join(self.directory, name)
        os.makedirs(root)
        temporary = "\n".join(
            f"{kind}_temp_path {root}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
        with open(os.path.join(root, "nginx.conf"), "w", encoding="utf-8") as file:
            file.write(f"""
load_module {self.nginx_root}/usr/lib/nginx/modules/ngx_http_echo_module.so;
daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; tcp_nodelay on;
    {temporary}
    {http}
    server {{ listen 127.0.0.1:{port} backlog=4096; {server} }}
}}""")
        command = [os.path.join(self.nginx_root, "usr/sbin/nginx"), "-p", root, "-c", os.path.join(root, "nginx.conf"),
                   "-e", os.path.join(root, "error.log")]
        return self.add(name, command, port)

    def gboost(self, *arguments):
        result = subprocess.run(
            [self.options.gboost, *arguments, "--config", self.config], cwd=self.directory, text=True,
            capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise Failure(f"gboost {' '.join(arguments[:3])}: {result.stderr.strip()}")
        return result.stdout

    def start_gateway(self):
        port, directory = free_port(), self.directory
        self.config, pepper = os.path.join(directory, "gboost.yaml"), os.path.join(directory, "pepper")
        with open(pepper, "w", encoding="utf-8") as file:
            file.write("p" * 40)
        key, upstream = os.path.join(directory, "signing.key"), f"http://127.0.0.1:{self.upstream.port}"
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"""
server:    {{ host: 127.0.0.1, port: {port}, instance: bench }}
database:  {{ url: "postgresql://postgres@/soak?host={self.cluster.root}&port={self.cluster.port}", pool: 4 }}
ledger:    {{ journal: {directory}/journal, migrations: {self.options.migrations} }}
secrets:   {{ key_pepper: "file:{pepper}" }}
providers:
  - {{ name: mock, kind: openai, base_url: "{upstream}/v1" }}
  - {{ name: streams, kind: openai, base_url: "{upstream}/stream/v1" }}
audit:     {{ signing_key: "file:{key}" }}
""")
        subprocess.run([self.options.gboost, "audit", "make-key", "bench/1", "--output", key], check=True,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        self.gboost("migrate")
        for model in ("mock/plain", "streams/stream"):
            self.gboost("price", "set", model, "--input-usd-per-mtok", "1", "--output-usd-per-mtok", "4")
        self.keys = [self.tenant(f"tenant{number}") for number in range(TENANTS)]
        return self.add("gateway", [self.options.gboost, "serve", "--config", self.config], port)

    def tenant(self, name):
        self.gboost("tenant", "create", name)
        for window in ("month", "day"):
            self.gboost("budget", "set", "--tenant", name, "--limit-usd", "1000000", "--window", window)
        return json.loads(self.gboost("key", "create", "--tenant", name, "--json"))["key"]

    def start_litellm(self):
        """Its best case: one worker as it starts by itself, no database, no keys to check, no callbacks."""
        port, path = free_port(), os.path.join(self.directory, "litellm.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"""
model_list:
  - model_name: mock/plain
    litellm_params:
      {{ model: openai/plain, api_base: "http://127.0.0.1:{self.upstream.port}/v1", api_key: none }}
""")
        environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_LOG": "ERROR",
                       "LITELLM_MODE": "PRODUCTION", "NO_DOCS": "True",
                       "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
        return self.add("litellm", [self.litellm_program, "--config", path, "--host", "127.0.0.1", "--port", str(port)],
                        port, environment)

    def backends(self):
        return processor_seconds(self.cluster.children())

    def stop(self):
        for process in reversed(self.processes):
            process.stop()
        self.cluster.stop()


def measured(scene, process, load, connections):
    """One run of wrk and what it cost. The database's time is the gateway's, too."""
    before = process.seconds(), scene.backends()
    result = load.run(process, connections)
    cpu = process.seconds() - before[0]
    database = scene.backends() - before[1]
    answers = max(result["requests"], 1)
    return {"per_second": result["per_second"], "p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"],
            "cpu_us": cpu * 1e6 / answers, "database_cpu_us": database * 1e6 / answers}


def rounds(scene, options):
    plain = Load(scene, "mock/plain", "/v1/chat/completions", scene.keys)
    stream = Load(scene, "streams/stream", "/v1/chat/completions", scene.keys, stream=True)
    stream_floor = Load(scene, "streams/stream", "/stream/v1/chat/completions", scene.keys, stream=True)
    plan = [("direct10", scene.upstream, plain, 10), ("nginx10", scene.floor, plain, 10),
            ("gateway10", scene.gateway, plain, 10), ("litellm10", scene.litellm, plain, 10),
            ("nginx100", scene.floor, plain, 100), ("gateway100", scene.gateway, plain, 100),
            ("nginx_sse", scene.floor, stream_floor, 50), ("gateway_sse", scene.gateway, stream, 50)]
    # Both orders, so that a machine whose speed drifts treats all alike.
    for _, process, load, connections in plan:
        load.warm_up(process, connections)
    runs = []
    for number in range(options.rounds):
        run = {}
        for name, process, load, connections in plan if number % 2 == 0 else reversed(plan):
            run |= {f"{name}_{key}": value for key, value in measured(scene, process, load, connections).items()}
        runs.append(run)
        print("==> " + json.dumps({key: round(value, 2) for key, value in run.items()
                                   if not key.startswith(("direct", "nginx")) or key.endswith("second")}), flush=True)
    return runs


def ratio(name, target, better, value):
    return {"name": name, "target": target, "better": better, "value": value}


def run(options, directory):
    scene = Scene(options, directory)
    try:
        scene.start()
        flush = fdatasync_milliseconds(directory)
        runs = rounds(scene, options)
        rate = 0.7 * median(runs, lambda r: r["gateway100_per_second"])
        open_loop = Load(scene, "mock/plain", "/v1/chat/completions", scene.keys).open_loop(scene.gateway, rate)
        memory = scene.gateway.resident_mib()
        check_books(scene)
    finally:
        scene.stop()

    def against(ours, theirs):
        return median(runs, lambda r: r[f"{ours}_per_second"] / r[f"{theirs}_per_second"])
    ratios = [
        ratio("requests/s at 10 / LiteLLM", 40, "higher", against("gateway10", "litellm10")),
        ratio("requests/s at 10 / nginx", 0.12, "higher", against("gateway10", "nginx10")),
        ratio("requests/s at 100 / nginx", 0.20, "higher", against("gateway100", "nginx100")),
        ratio("added p50 at 10, ms", 2, "lower", median(runs, lambda r: r["gateway10_p50_ms"] - r["direct10_p50_ms"])),
        ratio("added p99 at 10, ms", 8, "lower", median(runs, lambda r: r["gateway10_p99_ms"] - r["direct10_p99_ms"])),
        ratio("SSE, 50 streams of 200 events / nginx", 0.8, "higher", against("gateway_sse", "nginx_sse")),
        ratio("resident MiB of the gateway after the run", 143, "lower", round(memory, 1))]
    runs.append({"open_loop_rate": rate, **open_loop})
    conditions = {name: median(runs[:-1], lambda r, name=name: r[name]) for name in
                  ("gateway10_cpu_us", "gateway100_cpu_us", "gateway100_database_cpu_us", "litellm10_cpu_us")}
    return {"name": "proxy", "fdatasync_ms": round(flush, 3), **conditions, "ratios": ratios, "runs": runs}


def check_books(scene):
    """A run whose calls were not charged would measure something else."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        still_open = int(scene.cluster.query("select count(*) from holds where state in ('r', 'd')")[0][0])
        if still_open == 0:
            break
        time.sleep(0.2)
    settled, = scene.cluster.query("select count(*) from ledger_entries where outcome = 'completed'")[0]
    if still_open or int(settled) == 0:
        raise Failure(f"{settled} calls were settled, and {still_open} holds are open")

