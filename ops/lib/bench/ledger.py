"""The ledger against pgbench: the same server, the same disk, the same minutes."""

import json
import os
import re
import statistics
import subprocess
import time

from cluster import Cluster, Failure

ROUNDS = 3
SECONDS = 6
TASKS = 64
ABANDONED = 20_000
SETTINGS = """
wal_level = replica
shared_buffers = '512MB'
max_wal_size = '8GB'
"""


def fdatasync_milliseconds(directory):
    """Median of a page written and flushed, where the server's log of changes is."""
    path = os.path.join(directory, "flush")
    times = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, b"\0" * 1048576)
        for number in range(300):
            os.pwrite(descriptor, b"x" * 8192, number % 100 * 8192)
            start = time.perf_counter()
            os.fdatasync(descriptor)
            times.append((time.perf_counter() - start) * 1000)
    finally:
        os.close(descriptor)
        os.unlink(path)
    return statistics.median(times)


class Bench:
    def __init__(self, program, migrations, directory):
        self.program = program
        self.migrations = migrations
        self.cluster = Cluster(directory, "bench", 5432, SETTINGS)

    def start(self):
        self.cluster.make()
        self.cluster.start()
        for name in ["pgbench", "ledger", "reports"]:
            self.cluster.query(f"create database {name}", "postgres")
        self.pgbench("-i", "-q", "-s", "20")

    def pgbench(self, *arguments):
        command = [os.path.join(self.cluster.bin, "pgbench"), "-h", self.cluster.root, "-p", str(self.cluster.port),
                   "-U", "postgres", *arguments, "pgbench"]
        result = subprocess.run(command, text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise Failure(f"pgbench: {result.stderr.strip()}")
        return result.stdout

    def rate(self):
        out = self.pgbench("-n", "-N", "-c", str(TASKS), "-j", "1", "-M", "prepared", "-T", str(SECONDS))
        return float(re.search(r"^tps = ([0-9.]+)", out, re.M).group(1))

    def latency(self):
        out = self.pgbench("-n", "-N", "-c", "1", "-M", "prepared", "-T", str(SECONDS))
        return float(re.search(r"latency average = ([0-9.]+)", out).group(1))

    def ledger(self, command, *arguments, database="ledger"):
        url = f"postgresql://postgres@/{database}?host={self.cluster.root}&port={self.cluster.port}"
        result = subprocess.run(
            [self.program, command, "--url", url, "--migrations", self.migrations, *arguments], text=True,
            capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise Failure(f"LedgerBench {command}: {result.stderr.strip()}")
        return json.loads(result.stdout.splitlines()[-1])


def pairs(bench):
    """In turn, so that a machine whose speed drifts treats both alike."""
    runs = []
    bench.ledger("lone", "--count", "20")
    for _ in range(ROUNDS):
        run = {"pgbench_tps": bench.rate()}
        for name, options in [("tenants", []), ("one_lane", ["--lanes", "1"]), ("hot", ["--hot"])]:
            result = bench.ledger("pairs", "--tasks", str(TASKS), "--seconds", str(SECONDS), *options)
            run[f"{name}_pairs_per_second"] = result["pairs_per_second"]
            run[f"{name}_reserve_p50_ms"] = result["reserve_p50_ms"]
        run["pgbench_one_client_ms"] = bench.latency()
        run["lone_reserve_p50_ms"] = bench.ledger("lone")["reserve_p50_ms"]
        runs.append(run)
        print("==> " + json.dumps(run), flush=True)
    return runs


def recovery(bench, directory):
    """A gateway that was killed with ABANDONED calls under way, and how soon its successor serves and is done."""
    journal = os.path.join(directory, "abandoned")
    bench.ledger("abandon", "--count", str(ABANDONED), "--journal", journal)
    run = bench.ledger("recover", "--journal", journal)
    if run["recovered"] != ABANDONED:
        raise Failure(f"{run['recovered']} of {ABANDONED} holds were ended")
    print("==> " + json.dumps(run), flush=True)
    return run


def median(runs, value):
    return round(statistics.median(value(run) for run in runs), 3)


def run(options, directory):
    bench = Bench(options.ledger_bench, options.migrations, directory)
    try:
        bench.start()
        flush = fdatasync_milliseconds(directory)
        runs = pairs(bench)
        recovered = recovery(bench, directory)
        ratios = [
            {"name": "pairs over three scopes / pgbench -N -c 64", "target": 2.0, "better": "higher",
             "value": median(runs, lambda r: r["tenants_pairs_per_second"] / r["pgbench_tps"])},
            {"name": "pairs on one hot budget / pgbench -N -c 64", "target": 2.5, "better": "higher",
             "value": median(runs, lambda r: r["hot_pairs_per_second"] / r["pgbench_tps"])},
            {"name": "lone reserve p50 / pgbench -c 1 average", "target": 1.2, "better": "lower",
             "value": median(runs, lambda r: r["lone_reserve_p50_ms"] / r["pgbench_one_client_ms"])},
        ]
        runs.append(recovered)
        if options.rows:
            loaded = bench.ledger("load", "--rows", str(options.rows), database="reports")
            reports = bench.ledger("reports", database="reports")
            runs.append({**loaded, **reports})
            worst = max(value for key, value in reports.items() if key.endswith("p95_ms"))
            ratios.append(
                {"name": f"monthly report of {options.rows:,} rows, worst p95 / 200 ms", "target": 1.0,
                 "better": "lower", "value": round(worst / 200, 3)})
            ratios.append(
                {"name": f"statement over {options.rows:,} rows / 1 s", "target": 1.0, "better": "lower",
                 "value": round(reports["statement_largest_ms"] / 1000, 3)})
    finally:
        bench.cluster.stop()
    return {"name": "ledger", "fdatasync_ms": round(flush, 3), "ratios": ratios, "runs": runs}
