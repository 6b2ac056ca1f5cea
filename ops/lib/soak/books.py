"""The ledger against the provider's bill, and the cap at every commit, read from the write-ahead log."""

import collections
import json
import re

# Everything that is known of each request in the ledger.
REQUESTS = """
select h.request_id, sum(coalesce(h.actual, 0)), bool_or(h.unreconciled),
  bool_or(exists (select from ledger_entries e where e.request_id = h.request_id and e.step = h.step
    and e.attempt = h.attempt and e.kind in ('estimate', 'unreconciled'))),
  count(*) filter (where h.state in ('r', 'd')),
  coalesce((select sum(e.amount) from ledger_entries e where e.request_id = h.request_id), 0),
  (select t.name from tenants t where t.id = min(h.tenant_id))
from holds h group by h.request_id
"""

SUMS = """
select (select coalesce(sum(amount), 0) from ledger_entries),
  (select coalesce(sum(actual), 0) from holds where unreconciled),
  (select count(*) from holds where unreconciled),
  (select coalesce(sum(amount), 0) from ledger_entries where kind = 'estimate'),
  (select count(*) from ledger_entries where kind = 'estimate'),
  (select count(*) from holds where state in ('r', 'd')),
  (select count(*) from holds),
  (select count(*) from budget_periods where settled + held > lim),
  (select count(*) from budget_periods p where settled <> (select coalesce(sum(e.amount), 0) from ledger_entries e
     where p.id = any (e.periods))),
  (select coalesce(sum(held), 0) from budget_periods),
  (select count(*) from (select max(seq) - count(*) as gap from escalations group by tenant_id) x where gap <> 0)
"""
NAMES = ("ledger_total", "unreconciled_total", "unreconciled", "estimated_total", "estimated", "open_holds", "holds",
         "over_cap", "period_differs", "held", "sequence_gaps")


def read_bill(path):
    bill = collections.Counter()
    lines = 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                charge = json.loads(line)
                bill[charge["request_id"].lower()] += charge["nano_usd"]
                lines += 1
    return bill, lines


# Calls that both sides charge for and their sums, and calls of which nobody can know what they cost.
COLUMNS = ("charged", "billed", "ledger_nano_usd", "bill_nano_usd", "unknown", "unknown_posted", "unknown_billed")


def note(row, posted, charged, is_known):
    """Adds one request to its tenant's row."""
    if is_known:
        row["charged"] += posted > 0
        row["billed"] += charged is not None
        row["ledger_nano_usd"] += posted
        row["bill_nano_usd"] += charged or 0
    else:
        row["unknown"] += 1
        row["unknown_posted"] += posted
        row["unknown_billed"] += charged or 0


def compare(cluster, bill_path, acknowledged):
    """Figures, and what is wrong, a sentence each."""
    bill, lines = read_bill(bill_path)
    figures = dict(zip(NAMES, (int(value) for value in cluster.query(SUMS)[0])))
    figures["bill_total"], figures["bill_lines"] = sum(bill.values()), lines
    wrong = []
    exact = loose = loose_bill = 0
    ledger = {}
    tenants = collections.defaultdict(collections.Counter)
    for request, actual, unreconciled, estimated, still_open, posted, tenant in cluster.query(REQUESTS):
        ledger[request] = int(posted)
        note(tenants[tenant], int(posted), charged=bill.get(request), is_known=unreconciled != "t" and estimated != "t")
        charged = bill.get(request, 0)
        if int(still_open):
            wrong.append(f"{request}: a hold is open")
        if int(actual) != int(posted):
            wrong.append(f"{request}: holds say {actual}, entries {posted}")
        if unreconciled == "t" or estimated == "t":
            loose += int(posted)
            loose_bill += charged
            if int(posted) < charged:
                wrong.append(f"{request}: posted {posted} without knowing, and charged {charged}")
        else:
            exact += int(posted)
            if int(posted) != charged:
                wrong.append(f"{request}: posted {posted}, charged {charged}")
    for request in bill.keys() - ledger.keys():
        wrong.append(f"{request}: charged {bill[request]}, and the ledger does not know it")
    for request, cost in acknowledged.items():
        if ledger.get(request) != cost:
            wrong.append(f"{request}: the client was told {cost}, the ledger says {ledger.get(request)}")
    figures["exact_total"], figures["exact_bill"] = exact, figures["bill_total"] - loose_bill
    figures["loose_total"], figures["loose_bill"] = loose, loose_bill
    figures["acknowledged"] = len(acknowledged)
    figures["by_tenant"] = [{"tenant": name, **{column: tenants[name][column] for column in COLUMNS}}
                            for name in sorted(tenants)]
    for row in figures["by_tenant"]:
        if row["charged"] != row["billed"] or row["ledger_nano_usd"] != row["bill_nano_usd"]:
            wrong.append(f"{row['tenant']}: ledger and bill differ: {row}")
    for name in ("open_holds", "over_cap", "period_differs", "held", "sequence_gaps"):
        if figures[name]:
            wrong.append(f"{name} is {figures[name]} and not 0")
    return figures, wrong


FIELD = re.compile(r"\b(id|lim|settled|held)\[bigint\]:(-?\d+)")
CHANGES = """
select data from pg_logical_slot_get_changes('soak', null, null, 'skip-empty-xacts', '1')
where data like 'COMMIT%' or data like 'table public.budget_periods:%'
"""


def watch_commits(cluster):
    """Evaluates `settled + held <= lim` over all period rows after each commit, in the order of the commits."""
    rows = {}
    changed = commits = touching = 0
    violations = []
    for line in cluster.lines(CHANGES):
        if line.startswith("COMMIT"):
            commits += 1
            touching += 1 if changed else 0
            changed = 0
            for period, (limit, settled, held) in rows.items():
                if settled + held > limit or held < 0:
                    violations.append(f"commit {commits}: period {period}: {settled} + {held} of {limit}")
            continue
        changed += 1
        verb, _, text = line.partition("budget_periods: ")[2].partition(": ")
        if verb == "DELETE":
            rows.pop(int(FIELD.search(text).group(2)), None)
            continue
        values = {name: int(value) for name, value in FIELD.findall(text.rpartition("new-tuple: ")[2])}
        rows[values["id"]] = (values["lim"], values["settled"], values["held"])
    return {"commits": commits, "commits_of_money": touching, "periods": len(rows)}, violations
