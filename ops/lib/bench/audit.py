"""The audit: how fast it is sealed, verified and exported, and what sealing takes from the ledger."""

import json
import os
import resource
import subprocess
import time

from bench.ledger import Bench, fdatasync_milliseconds, median
from cluster import Failure

ROUNDS = 3
SECONDS = 6
TASKS = 64


class Gboost:
    """The command, timed, with the memory that it took."""

    def __init__(self, program, bench, directory):
        self.program, self.directory = program, directory
        self.config = os.path.join(directory, "gboost.yaml")
        url = f"postgresql://postgres@/records?host={bench.cluster.root}&port={bench.cluster.port}"
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'database: {{ url: "{url}" }}\nledger: {{ migrations: "{bench.migrations}" }}\n')

    def run(self, *arguments):
        """(seconds, seconds of a processor, MiB resident, what it printed)."""
        output = os.path.join(self.directory, "out")
        start = time.perf_counter()
        with open(output, "wb") as file:
            process = subprocess.Popen([self.program, *arguments], stdout=file, stdin=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Failure(f"gboost {' '.join(arguments)} ended with {process.returncode}")
        with open(output, encoding="utf-8") as file:
            seconds = time.perf_counter() - start
            return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, file.read()

    def configured(self, *arguments):
        return self.run(*arguments, "--config", self.config)


def records(options, bench, directory):
    gboost = Gboost(options.gboost, bench, directory)
    rows = options.records
    bench.ledger("records", "--rows", str(rows), database="records")
    key, public = os.path.join(directory, "signing.key"), os.path.join(directory, "public.key")
    with open(public, "w", encoding="utf-8") as file:
        file.write(gboost.run("audit", "make-key", "bench/1", "--output", key)[3])
    with open(gboost.config, "a", encoding="utf-8") as file:
        file.write(f'audit: {{ signing_key: "file:{key}" }}\n')
    export = os.path.join(directory, "export")
    run = {}

    def note(name, result):
        run[f"{name}_records_per_second"], run[f"{name}_records_per_cpu_second"] = rows / result[0], rows / result[1]
        run[f"{name}_mib"] = result[2]
        return result[3]

    note("seal", gboost.configured("audit", "seal"))
    gboost.configured("audit", "checkpoint")
    note("verify_database", gboost.configured("audit", "verify", "--json"))
    note("export", gboost.configured("audit", "export", "--output", export))
    run["export_bytes_per_record"] = os.path.getsize(export) / rows
    report = json.loads(note("verify_export", gboost.configured(
        "audit", "verify", "--export", export, "--public-key", public, "--json")))
    if report["records"] < rows or report["findings"] or report["checkpoints"] == 0:
        raise Failure(f"the export is not whole: {report}")
    script = os.path.join(options.checkout, "ops/audit-verify")
    start = time.perf_counter()
    subprocess.run([script, export, "--public-key", public], check=True, stdout=subprocess.DEVNULL)
    run["python_records_per_second"] = rows / (time.perf_counter() - start)
    run["python_mib"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    os.unlink(export)
    return run


def pairs(bench):
    """In turn, so that a machine whose speed drifts treats both alike."""
    runs = []
    bench.ledger("lone", "--count", "20")
    for number in range(ROUNDS):
        run = {}
        for name, options in [("plain", []), ("sealed", ["--seal"])][::1 if number % 2 == 0 else -1]:
            result = bench.ledger("pairs", "--tasks", str(TASKS), "--seconds", str(SECONDS), *options)
            run[f"{name}_pairs_per_second"] = result["pairs_per_second"]
            if "seal_lag_p99_ms" in result:
                run["seal_lag_p99_ms"] = result["seal_lag_p99_ms"]
        runs.append(run)
        print("==> " + json.dumps(run), flush=True)
    return runs


def run(options, directory):
    bench = Bench(options.ledger_bench, options.migrations, directory)
    try:
        bench.cluster.make()
        bench.cluster.start()
        for name in ["ledger", "records"]:
            bench.cluster.query(f"create database {name}", "postgres")
        flush = fdatasync_milliseconds(directory)
        loaded = records(options, bench, directory)
        print("==> " + json.dumps(loaded), flush=True)
        runs = pairs(bench)
    finally:
        bench.cluster.stop()
    ratios = [
        {"name": "records of an export verified per second / 200,000", "target": 1.0, "better": "higher",
         "value": round(loaded["verify_export_records_per_second"] / 200_000, 3)},
        {"name": "memory of an export / 100 MiB", "target": 1.0, "better": "lower",
         "value": round(loaded["export_mib"] / 100, 3)},
        {"name": "sealing lag p99 / 2 s", "target": 1.0, "better": "lower",
         "value": median(runs, lambda r: r["seal_lag_p99_ms"] / 2000)},
        {"name": "pairs with sealing / without", "target": 0.95, "better": "higher",
         "value": median(runs, lambda r: r["sealed_pairs_per_second"] / r["plain_pairs_per_second"])},
    ]
    return {"name": "audit", "fdatasync_ms": round(flush, 3), "records": options.records,
            "ratios": ratios, "runs": [loaded] + runs}
