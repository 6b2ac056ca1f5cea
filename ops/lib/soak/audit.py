"""The audit after a run: clean by both verifiers, complete, and signed; and what the bill says of what nobody knew."""

import json
import os
import subprocess

COUNTS = """
select t.name, (select count(*) from ledger_entries e where e.tenant_id = t.id),
  (select coalesce(max(c.seq), 0) from escalation_counters c where c.tenant_id = t.id),
  (select coalesce(max(b.last_seq), 0) from audit_blocks b where b.log = 'escalations' and b.tenant_id = t.id)
from tenants t order by 1
"""


def prepare(installation):
    """A key to sign with, and its public half for those who verify."""
    key = os.path.join(installation.directory, "signing.key")
    made = subprocess.run(
        [installation.options.gboost, "audit", "make-key", "soak/1", "--output", key], text=True, capture_output=True,
        check=True, stdin=subprocess.DEVNULL)
    with open(os.path.join(installation.directory, "public.key"), "w", encoding="utf-8") as file:
        file.write(made.stdout)
    return f"""audit: {{ signing_key: "file:{key}", checkpoint_interval: 1s, \
checkpoint_directory: {installation.directory}/checkpoints }}
"""


def verify(cluster, installation):
    """Figures, and what is wrong, a sentence each."""
    directory, wrong = installation.directory, []
    public, export = os.path.join(directory, "public.key"), os.path.join(directory, "export")
    published = os.path.join(directory, "checkpoints")
    installation.gboost("audit", "seal")
    installation.gboost("audit", "checkpoint")
    report = json.loads(installation.gboost(
        "audit", "verify", "--public-key", public, "--checkpoint", published, "--json"))
    installation.gboost("audit", "export", "--output", export)
    again = json.loads(installation.gboost(
        "audit", "verify", "--export", export, "--public-key", public, "--checkpoint", published, "--json"))
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "audit-verify")
    files = [os.path.join(published, name) for name in os.listdir(published)]
    checked = subprocess.run(
        [script, export, "--public-key", public, "--json", *(word for file in files for word in ("--checkpoint", file))],
        text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    third = json.loads(checked.stdout or "{}")
    for name in ("records", "blocks"):
        if not report[name] == again[name] == third.get(name):
            wrong.append(f"the verifiers do not agree on {name}: {report[name]}, {again[name]}, {third.get(name)}")
    if report["unsealed"] or not report["checkpoints"]:
        wrong.append(f"{report['unsealed']} records are not sealed, {report['checkpoints']} checkpoints agree")
    sealed_of = {}
    for tenant, entries, counted, sealed in cluster.query(COUNTS):
        sealed_of[tenant] = int(sealed)
        if not entries == counted == sealed:
            wrong.append(f"{tenant}: {entries} entries, {counted} counted, {sealed} sealed")
    figures = {"audit_" + name: report[name] for name in ("records", "blocks", "checkpoints")}
    return {**figures, "sealed": sealed_of}, wrong


def resolve(cluster, installation):
    """Settles what a crash left unknown by what the provider says, and verifies again."""
    unknown = "select count(*) from holds where unreconciled"
    before = int(cluster.query(unknown)[0][0])
    result = subprocess.run(
        [installation.options.gboost, "reconcile", installation.bill, "--provider", "sim", "--resolve", "--json",
         "--config", installation.configurations[0]], cwd=installation.directory, text=True, capture_output=True,
        check=False, stdin=subprocess.DEVNULL)
    if result.returncode not in (0, 1) or not result.stdout:
        return {}, [f"gboost reconcile: {result.stderr.strip()}"]
    report, after = json.loads(result.stdout), int(cluster.query(unknown)[0][0])
    figures = {"unreconciled_before": before, "resolved": report["resolved"], "matched": report["matched"]["count"]}
    wrong = [] if before - after == report["resolved"] else [f"{report['resolved']} resolved, {before - after} gone"]
    differing = cluster.query("""select count(*) from budget_periods p where settled <> (select coalesce(sum(e.amount), 0)
      from ledger_entries e where p.id = any (e.periods))""")[0][0]
    if int(differing):
        wrong.append(f"{differing} periods differ from their entries after reconciliation")
    more, bad = verify(cluster, installation)
    return {**figures, **more}, wrong + bad
