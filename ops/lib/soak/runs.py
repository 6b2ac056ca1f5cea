"""The two runs: chaos, and the failover of a synchronous pair."""

import asyncio
import json
import os
import random
import subprocess
import threading
import time

from . import audit, books
from cluster import Cluster, Failure
from .load import Load
from .programs import Program, free_port, wait_for_port

def tenants(count):
    """Names and limits. The first one's budgets overlap and never run out; the second's run out in the middle."""
    return [("rich", "100000"), ("poor", "2")][:count] + [
        (f"tenant{number:02}", "100000") for number in range(3, count + 1)]


class Installation:
    """Everything but PostgreSQL: tenants, the provider, and gateways that reach the database by `url`."""

    def __init__(self, options, directory, url, gateways):
        self.options, self.directory = options, directory
        self.bill = os.path.join(directory, "bill.jsonl")
        self.provider_port = free_port()
        self.ports = [free_port() for _ in range(gateways)]
        self.url = url
        with open(os.path.join(directory, "pepper"), "w", encoding="utf-8") as file:
            file.write("p" * 40)
        self.audit = audit.prepare(self)
        self.configurations = [self.configuration(number, url) for number in range(gateways)]
        self.provider = Program("provider", [
            options.gboost, "simulate-provider", "--port", str(self.provider_port), "--bill", self.bill, "--latency",
            "20"], directory)
        self.gateways = [
            Program(f"gateway{number}", [options.gboost, "serve", "--config", path], directory)
            for number, path in enumerate(self.configurations)]

    def configuration(self, number, url):
        path = os.path.join(self.directory, f"gateway{number}.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"""
server:    {{ host: 127.0.0.1, port: {self.ports[number]}, instance: gateway{number}, drain_seconds: 20 }}
database:  {{ url: "{url}", pool: 4 }}
ledger:    {{ journal: {self.directory}/journal{number}, migrations: {self.options.migrations} }}
secrets:   {{ key_pepper: "file:{self.directory}/pepper" }}
providers:
  - {{ name: sim, kind: openai, base_url: "http://127.0.0.1:{self.provider_port}/v1", first_byte_seconds: 20 }}
{self.audit}""")
        return path

    def gboost(self, *arguments, url=None):
        environment = {**os.environ, **({"GBOOST_DATABASE_URL": url} if url else {})}
        result = subprocess.run(
            [self.options.gboost, *arguments, "--config", self.configurations[0]], cwd=self.directory, text=True,
            capture_output=True, check=False, env=environment, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise Failure(f"gboost {' '.join(arguments[:3])}: {result.stderr.strip()}")
        return result.stdout

    def set_up(self):
        """The keys of all tenants."""
        keys = []
        self.gboost("price", "set", "sim/sim-large", "--input-usd-per-mtok", "10", "--output-usd-per-mtok", "30")
        for tenant, limit in tenants(self.options.tenants):
            self.gboost("tenant", "create", tenant)
            self.gboost("team", "create", "team", "--tenant", tenant)
            for window, amount in (("month", limit), ("day", limit), ("week", "100000")):
                self.gboost("budget", "set", "--tenant", tenant, "--limit-usd", amount, "--window", window)
            self.gboost("budget", "set", "--tenant", tenant, "--limit-usd", "100000", "--team", "team")
            for team in ((), ("--team", "team")):
                created = json.loads(self.gboost("key", "create", "--tenant", tenant, *team, "--json"))
                keys.append(created["key"])
        return keys

    def start(self):
        self.provider.start()
        wait_for_port(self.provider_port)
        for gateway, port in zip(self.gateways, self.ports):
            gateway.start()
            wait_for_port(port)

    def stop(self):
        statuses = [gateway.stop() for gateway in self.gateways]
        self.provider.stop()
        return statuses


def prepare(cluster):
    """As an operator would: an owner for the schema, and a login for gateways that may only do what they must."""
    cluster.query("create role soak_owner login createrole", "postgres")
    cluster.query("create role soak_gateway login", "postgres")
    cluster.query("create database soak owner soak_owner", "postgres")


def migrate(installation, cluster):
    installation.gboost(
        "migrate", url=f"postgresql://soak_owner@/soak?host={cluster.root}&port={cluster.port}")
    cluster.query("grant gboost_app to soak_gateway")


def until_quiet(cluster, seconds=120):
    """Waits until every hold is ended: journals replayed, dead gateways' holds recovered."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        count = int(cluster.query("select count(*) from holds where state in ('r', 'd')")[0][0])
        if count == 0:
            return
        time.sleep(0.2)


def chaos(options, directory):
    cluster = Cluster(directory, "postgres", 5432)
    cluster.make()
    cluster.start()
    try:
        prepare(cluster)
        url = f"postgresql://soak_gateway@/soak?host={cluster.root}&port=5432"
        installation = Installation(options, directory, url, 3)
        migrate(installation, cluster)
        # From here on every change of a period is in the log, whole rows.
        cluster.query("alter table budget_periods replica identity full")
        cluster.query("select pg_create_logical_replication_slot('soak', 'test_decoding')")
        keys = installation.set_up()
        installation.start()
        try:
            return chaos_of(options, cluster, installation, keys)
        finally:
            installation.stop()
    finally:
        cluster.stop()


def chaos_of(options, cluster, installation, keys):
    load = Load(installation.ports, keys, options.clients * len(installation.ports))
    is_over = threading.Event()
    killed = {"postgres": 0}
    gap = max(1.0, min(3.0, options.seconds / 12))
    thread = threading.Thread(target=strike, args=(is_over, cluster, installation, killed, gap))
    thread.start()
    late = asyncio.run(load.run(options.seconds, enough(options, cluster)))
    is_over.set()
    thread.join()
    wait_for_port(installation.provider_port)
    for port in installation.ports:
        wait_for_port(port)
    until_quiet(cluster)
    statuses = installation.stop()
    figures = {"seconds": round(load.seconds, 1), "clients": load.clients,
               "answers": dict(sorted(load.statuses.items()))}
    killed["gateways"] = sum(gateway.kills for gateway in installation.gateways)
    killed["provider"] = installation.provider.kills
    figures["killed"] = killed
    money, wrong = books.compare(cluster, installation.bill, load.acknowledged)
    commits, violations = books.watch_commits(cluster)
    figures.update(money)
    figures.update(commits)
    more, wrong_in_audit = audit.verify(cluster, installation)
    sealed = more.pop("sealed")
    # Before the bill is read again: from then on there is a record for each correction too.
    figures["by_tenant"] = [{"tenant": row["tenant"], "records": sealed.get(row["tenant"]), **row}
                            for row in money["by_tenant"]]
    again, wrong_in_bill = audit.resolve(cluster, installation)
    figures.update({name: value for name, value in {**more, **again}.items() if name != "sealed"})
    wrong += wrong_in_audit + wrong_in_bill
    figures["deadlocks"] = cluster.log_count("deadlock detected")
    if figures["deadlocks"]:
        wrong.append(f"{figures['deadlocks']} deadlocks (40P01)")
    if late:
        wrong.append(f"{late} clients never got their answer")
    if any(statuses):
        wrong.append(f"gateways ended with {statuses}")
    if load.statuses["200"] == 0 or commits["commits_of_money"] == 0 or not all(killed.values()):
        wrong.append("the run proves nothing: no answers, no commits, or nothing was killed")
    return figures, wrong + violations


def enough(options, cluster):
    """Whether so many escalations are recorded as were asked for; nil where time alone ends the run."""
    if not options.escalations:
        return None

    def ask():
        try:
            return int(cluster.query("select coalesce(sum(seq), 0) from escalation_counters")[0][0]) >= options.escalations
        except (Failure, IndexError):
            return False  # it is being killed
    return ask


def strike(is_over, cluster, installation, killed, gap):
    """Each in turn first, then at random; mostly the gap is long enough for all of it to come back. PostgreSQL comes
    last, since on a slow machine its recovery takes the rest of a short run."""
    dice = random.Random()
    victims = ["gateway", "provider", "postgres"]
    pause = gap
    while not is_over.wait(pause):
        victim = victims.pop(0) if victims else dice.choice(["gateway", "gateway", "provider", "postgres"])
        if victim == "gateway":
            dice.choice(installation.gateways).kill()
        elif victim == "provider":
            installation.provider.kill()
        else:
            cluster.kill()
            killed["postgres"] += 1
            is_over.wait(dice.uniform(0.1, gap / 2))
            cluster.start()
        pause = dice.uniform(gap / 2, gap * 3 / 2)


def failover(options, directory):
    primary = Cluster(directory, "primary", 5501)
    primary.make()
    primary.start()
    standby = None
    try:
        prepare(primary)
        standby = primary.copy("standby", 5502)
        standby.start()
        primary.query("alter system set synchronous_standby_names = 'standby'")
        primary.query("alter system set synchronous_commit = 'remote_apply'")
        primary.query("select pg_reload_conf()")
        deadline = time.monotonic() + 30
        while primary.query("select count(*) from pg_stat_replication where sync_state = 'sync'")[0][0] != "1":
            if time.monotonic() > deadline:
                raise Failure("the standby never became synchronous")
            time.sleep(0.1)
        url = (f"postgresql://soak_gateway@/soak?host={primary.root},{standby.root}&port=5501,5502"
               "&target_session_attrs=read-write")
        installation = Installation(options, directory, url, 2)
        migrate(installation, primary)
        keys = installation.set_up()
        installation.start()
        try:
            return failover_of(options, (primary, standby), installation, keys)
        finally:
            installation.stop()
    finally:
        primary.kill()
        if standby:
            standby.stop()


def failover_of(options, servers, installation, keys):
    primary, standby = servers
    load = Load(installation.ports, keys, options.clients * len(installation.ports))
    moments, acknowledged = {}, {}

    def turn():
        time.sleep(options.seconds / 3)
        acknowledged.update(load.acknowledged)
        moments["killed"] = time.monotonic()
        primary.kill()
        time.sleep(min(3, options.seconds / 5))
        moments["promoting"] = time.monotonic()
        standby.promote()
        moments["promoted"] = time.monotonic()

    thread = threading.Thread(target=turn)
    thread.start()
    late = asyncio.run(load.run(options.seconds))
    thread.join()
    until_quiet(standby)
    statuses = installation.stop()
    figures = {"seconds": options.seconds, "clients": load.clients, "answers": dict(sorted(load.statuses.items()))}
    after = [moment for moment in load.answered_at if moment > moments["promoted"]]
    during = [moment for moment in load.answered_at if moments["killed"] + 0.5 < moment < moments["promoting"]]
    money, wrong = books.compare(standby, installation.bill, load.acknowledged)
    figures.update(money)
    more, bad = audit.verify(standby, installation)
    del more["sealed"]
    figures.update(more)
    wrong += bad
    figures["acknowledged_before_the_kill"] = len(acknowledged)
    figures["answers_while_away"] = len(during)
    figures["answers_after"] = len(after)
    if after:
        figures["seconds_from_kill_to_next_answer"] = round(min(after) - moments["killed"], 3)
        figures["seconds_from_promotion_to_next_answer"] = round(min(after) - moments["promoted"], 3)
    if not acknowledged or not after or not load.statuses["503 ledger_unavailable"]:
        wrong.append("the run proves nothing: no answers before or after, or no pause")
    if any(gateway.starts != 1 for gateway in installation.gateways):
        wrong.append("a gateway was started again")
    if late:
        wrong.append(f"{late} clients never got their answer")
    if any(statuses):
        wrong.append(f"gateways ended with {statuses}")
    return figures, wrong
