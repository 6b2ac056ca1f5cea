"""What ops/dashboards does: the files by themselves, then every query against a Prometheus that scraped a real run."""

import os
import time

from . import boards
from .prometheus import Prometheus, install, promtool
from .run import Installation, Traffic

RULES, RULE_TESTS = "prometheus-rules.yaml", "prometheus-rules-test.yaml"
# Scrapes after the last answer, so that everything was seen at its end.
LAST_SCRAPES = 3
CLIENTS = 3


def check_files(directory):
    """The programs' directory, and what is wrong with dashboards and rules by themselves."""
    programs = install()
    wrong = boards.wrong(boards.load(directory))
    for arguments in (("check", "rules", RULES), ("test", "rules", RULE_TESTS)):
        path = os.path.join(directory, arguments[2])
        content, text = promtool(programs, *arguments[:2], path)
        print(f"promtool {arguments[0]} {arguments[1]}: {'SUCCESS' if content else 'FAILED'}")
        if not content:
            wrong.append(text)
    return programs, wrong


def show(options, directory):
    """Runs it; figures, and what is wrong, a sentence each."""
    programs, wrong = check_files(options.dashboards)
    installation = Installation(options, directory)
    prometheus = Prometheus(
        programs, directory, os.path.join(options.dashboards, RULES), installation.port)
    content, text = promtool(programs, "check", "config", prometheus.configuration)
    print(f"promtool check config: {'SUCCESS' if content else 'FAILED'}")
    wrong += [] if content else [text]
    try:
        installation.start()
        installation.set_up()
        prometheus.start()
        began = time.time()
        answers = Traffic(installation, CLIENTS).run(options.seconds)
        time.sleep(LAST_SCRAPES)
        metrics = installation.get("/metrics")
        with open(os.path.join(directory, "metrics"), "w", encoding="utf-8") as file:
            file.write(metrics)
        content, text = promtool(programs, "check", "metrics", text=metrics)
        print(f"promtool check metrics: {'SUCCESS' if content else 'FAILED'}")
        wrong += [] if content else [text]
        span = (began, time.time())
        wrong += ask_all(prometheus, boards.load(options.dashboards), span)
        wrong += ask_rules(prometheus)
    finally:
        prometheus.stop()
        installation.stop()
    return answers, wrong


def ask_all(prometheus, all_boards, span):
    """Every query of every panel; prints a row each."""
    wrong = []
    seconds = max(1, round(span[1] - span[0]))
    print("\n| dashboard | panel | query | rows |\n|---|---|---|---:|")
    for name, board in all_boards.items():
        for variable, metric, label in boards.label_queries(board):
            count = prometheus.label_values(metric, label)
            print(f"| {name} | (variable {variable}) | `label_values({metric}, {label})` | {count} |")
            if count == 0:
                wrong.append(f"{name}: variable {variable} has no values")
        for query in boards.queries(name, board):
            expression = boards.substitute(query.expression, seconds)
            count = prometheus.rows(expression, query.instant, span)
            cell = expression.replace("|", "\\|")
            print(f"| {name} | {query.panel} | `{cell}` | {count} |")
            if count == 0:
                wrong.append(f"{name}: {query.panel}, query {query.letter} returns no data: {expression}")
    return wrong


def ask_rules(prometheus):
    """Every rule is evaluated, every recording rule has data."""
    wrong = []
    groups = prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    for rule in rules:
        if rule["health"] != "ok":
            wrong.append(f"rule {rule['name']}: {rule.get('lastError', rule['health'])}")
        if rule["type"] == "recording" and not prometheus.ask("query", query=rule["name"])["result"]:
            wrong.append(f"rule {rule['name']} records nothing")
    alerts = prometheus.ask("alerts")["alerts"]
    firing = sorted({f"{alert['labels']['alertname']} {alert['state']}" for alert in alerts})
    print(f"\n{len(rules)} rules evaluated; alerts: {', '.join(firing) or 'none'}")
    if "GBoostBudgetSpent firing" not in firing:
        wrong.append("paid calls were refused by a budget, and GBoostBudgetSpent does not fire")
    return wrong
