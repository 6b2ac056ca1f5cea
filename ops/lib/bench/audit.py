"""The audit and its bills: sealed, verified, exported, stated; and what sealing takes from the ledger."""

import glob
import json
import os
import subprocess
import time

from bench.ledger import Bench, fdatasync_milliseconds, median
from cluster import Failure

ROUNDS = 5
SECONDS = 5
TASKS = 64
TICK = os.sysconf("SC_CLK_TCK")
# Targets that are times or rates; the others are ratios already.
VERIFIED_PER_SECOND = 200_000
EXPORT_MIB = 100
LAG_MS = 2000
STATEMENT_MS = 1000


def server_seconds(bench):
    """Processor time of the server and all of its processes, those that have ended included."""
    main, ticks = bench.cluster.process.pid, 0
    for entry in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(entry, encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(entry.split("/")[2]) == main:
            ticks += sum(int(field) for field in fields[11:15])
        elif int(fields[1]) == main:
            ticks += sum(int(field) for field in fields[11:13])
    return ticks / TICK


class Gboost:
    """The command, timed, with the processor time of both sides and the memory that it took."""

    def __init__(self, program, bench, directory):
        self.program, self.bench, self.directory = program, bench, directory
        self.config = os.path.join(directory, "gboost.yaml")
        url = f"postgresql://postgres@/records?host={bench.cluster.root}&port={bench.cluster.port}"
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'database: {{ url: "{url}" }}\nledger: {{ migrations: "{bench.migrations}" }}\n')

    def run(self, *arguments, program=None):
        """(seconds, its own processor seconds, the server's, MiB resident, what it printed)."""
        output = os.path.join(self.directory, "out")
        start, server = time.perf_counter(), server_seconds(self.bench)
        with open(output, "wb") as file:
            process = subprocess.Popen([program or self.program, *arguments], stdout=file, stdin=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode != 0:
            raise Failure(f"{program or 'gboost'} {' '.join(arguments)} ended with {process.returncode}")
        time.sleep(0.1)
        with open(output, encoding="utf-8") as file:
            return (seconds, usage.ru_utime + usage.ru_stime, server_seconds(self.bench) - server,
                    usage.ru_maxrss / 1024, file.read())

    def configured(self, *arguments):
        return self.run(*arguments, "--config", self.config)


def records(options, bench, directory):
    gboost = Gboost(options.gboost, bench, directory)
    rows = options.records
    bench.ledger("records", "--rows", str(rows), database="records")
    key, public = os.path.join(directory, "signing.key"), os.path.join(directory, "public.key")
    with open(public, "w", encoding="utf-8") as file:
        file.write(gboost.run("audit", "make-key", "bench/1", "--output", key)[4])
    with open(gboost.config, "a", encoding="utf-8") as file:
        file.write(f'audit: {{ signing_key: "file:{key}" }}\n')
    export = os.path.join(directory, "export")
    run = {}

    def note(name, result):
        seconds, own, server, mib, text = result
        # Of several the fastest: another's work makes it slower only.
        if rows / seconds > run.get(f"{name}_records_per_second", 0):
            run[f"{name}_records_per_second"] = rows / seconds
            run[f"{name}_own_cpu_us"], run[f"{name}_server_cpu_us"] = own / rows * 1e6, server / rows * 1e6
            run[f"{name}_mib"] = mib
        return text

    def whole(text):
        report = json.loads(text)
        if report["records"] < rows or report["findings"] or report["checkpoints"] == 0:
            raise Failure(f"not everything is as it was sealed: {report}")

    note("seal", gboost.configured("audit", "seal"))
    gboost.configured("audit", "checkpoint")
    for _ in range(2):
        whole(note("verify_database", gboost.configured("audit", "verify", "--json")))
    note("export", gboost.configured("audit", "export", "--output", export))
    run["export_bytes_per_record"] = os.path.getsize(export) / rows
    for _ in range(2):
        whole(note("verify_export", gboost.configured(
            "audit", "verify", "--export", export, "--public-key", public, "--json")))
    script = os.path.join(options.checkout, "ops/audit-verify")
    note("python", gboost.run(export, "--public-key", public, program=script))
    os.unlink(export)
    return run


def pairs(bench):
    """In turn, so that a machine whose speed drifts treats both alike."""
    runs = []
    bench.ledger("lone", "--count", "20")
    for number in range(ROUNDS):
        run = {}
        for name, options in [("plain", []), ("sealed", ["--seal"])][::1 if number % 2 == 0 else -1]:
            server = server_seconds(bench)
            result = bench.ledger("pairs", "--tasks", str(TASKS), "--seconds", str(SECONDS), *options)
            run[f"{name}_pairs_per_second"] = result["pairs_per_second"]
            run[f"{name}_server_cpu_seconds"] = server_seconds(bench) - server
            if "seal_lag_p99_ms" in result:
                run["seal_lag_p99_ms"] = result["seal_lag_p99_ms"]
        run["sealed_to_plain"] = run["sealed_pairs_per_second"] / run["plain_pairs_per_second"]
        runs.append(run)
        print("==> " + json.dumps(run), flush=True)
    return runs


def statements(options, bench):
    loaded = bench.ledger("load", "--rows", str(options.rows), "--one-month", database="statements")
    run = {"load_seconds": loaded["seconds"], **bench.ledger("statements", database="statements")}
    print("==> " + json.dumps(run), flush=True)
    return run


def ratios(options, loaded, runs, stated):
    def ratio(name, better, target, value):
        return {"name": name, "better": better, "target": target, "value": round(value, 3)}

    result = [
        ratio("records of an export verified per second / 200,000", "higher", 1.0,
              loaded["verify_export_records_per_second"] / VERIFIED_PER_SECOND),
        ratio("records of the database verified per second / 200,000", "higher", 1.0,
              loaded["verify_database_records_per_second"] / VERIFIED_PER_SECOND),
        ratio(f"memory of an export of {options.records:,} records / 100 MiB", "lower", 1.0,
              loaded["export_mib"] / EXPORT_MIB),
        ratio("sealing lag p99 / 2 s", "lower", 1.0, median(runs, lambda r: r["seal_lag_p99_ms"] / LAG_MS)),
        ratio("pairs with sealing / without", "higher", 0.95, median(runs, lambda r: r["sealed_to_plain"])),
    ]
    if stated:
        result.append(ratio(f"statement over {options.rows:,} entries / 1 s", "lower", 1.0,
                            stated["statement_p95_ms"] / STATEMENT_MS))
    return result


def run(options, directory):
    bench = Bench(options.ledger_bench, options.migrations, directory)
    try:
        bench.cluster.make()
        bench.cluster.start()
        for name in ["ledger", "records", "statements"]:
            bench.cluster.query(f"create database {name}", "postgres")
        flush = fdatasync_milliseconds(directory)
        loaded = records(options, bench, directory)
        print("==> " + json.dumps(loaded), flush=True)
        runs = pairs(bench)
        stated = statements(options, bench) if options.rows else {}
    finally:
        bench.cluster.stop()
    return {"name": "audit", "fdatasync_ms": round(flush, 3), "records": options.records, "rows": options.rows,
            "load_average": round(os.getloadavg()[0], 2), "ratios": ratios(options, loaded, runs, stated),
            "runs": [loaded] + runs + ([stated] if stated else [])}
