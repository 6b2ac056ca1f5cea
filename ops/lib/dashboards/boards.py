"""Dashboards as files: what Grafana needs to import them, and the queries of their panels."""

import collections
import glob
import json
import os
import re

Query = collections.namedtuple("Query", "board panel letter expression instant")

# What a run of this length puts in the place of Grafana's own variables.
BUILT_IN = {"__rate_interval": "15s", "__interval": "1s"}
COLUMNS = 24
# Grafana 9.1 wrote 37, 10.4 and 11 write 39; later ones are migrated on import, not backwards.
SCHEMAS = range(37, 40)
KINDS = {"timeseries", "stat", "bargauge", "gauge", "table", "heatmap", "row"}
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


def load(directory):
    boards = {}
    for path in sorted(glob.glob(os.path.join(directory, "*.json"))):
        with open(path, encoding="utf-8") as file:
            boards[os.path.basename(path)] = json.load(file)
    return boards


def variables(board):
    return {entry["name"]: entry for entry in board["templating"]["list"]}


def queries(name, board):
    return [
        Query(name, panel["title"], target["refId"], target["expr"], target.get("instant", False))
        for panel in board["panels"] for target in panel.get("targets", [])]


def substitute(expression, seconds):
    """As Grafana would with everything selected."""
    known = {**BUILT_IN, "__range": f"{seconds}s"}
    return VARIABLE.sub(lambda found: known.get(found.group(1) or found.group(2), ".*"), expression)


def label_queries(board):
    """(variable, metric, label) of each variable that Prometheus fills."""
    for entry in board["templating"]["list"]:
        if entry["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", entry["query"]["query"])
            yield entry["name"], substitute(found.group(1), 1) if found else None, found and found.group(2)


def wrong(boards):
    """What Grafana would stumble over, or a person, a sentence each."""
    found, names = [], collections.Counter(board.get("uid") for board in boards.values())
    for name, board in boards.items():
        found += [f"{name}: {sentence}" for sentence in wrong_of(board)]
        if names[board.get("uid")] > 1:
            found.append(f"{name}: uid {board.get('uid')} is another dashboard's too")
    return found


def wrong_of(board):
    for field in ("uid", "title", "description"):
        if not board.get(field):
            yield f"field {field} is missing"
    if board.get("schemaVersion") not in SCHEMAS:
        yield f"schemaVersion {board.get('schemaVersion')} is none that Grafana 10 and 11 both take"
    if "id" in board or "__inputs" in board:
        yield "it was exported for one Grafana: field id or __inputs"
    known = variables(board)
    if known.get("datasource", {}).get("type") != "datasource":
        yield "there is no variable datasource"
    for needed in ("tenant", "model"):
        if needed not in known:
            yield f"there is no variable {needed}"
    for name, metric, _ in label_queries(board):
        if metric is None:
            yield f"variable {name} is no label_values(metric, label)"
    seen = set()
    for panel in board["panels"]:
        yield from (f"panel {panel.get('title')!r}: {sentence}" for sentence in wrong_of_panel(panel, known))
        if panel["id"] in seen:
            yield f"panel id {panel['id']} is used twice"
        seen.add(panel["id"])
    yield from overlaps(board["panels"])


def wrong_of_panel(panel, known):
    if panel.get("type") not in KINDS:
        yield f"type {panel.get('type')} is none that is used here"
    if not panel.get("title"):
        yield "it has no title"
    if panel.get("type") == "row":
        return
    if not panel.get("targets"):
        yield "it has no query"
    if "unit" not in panel.get("fieldConfig", {}).get("defaults", {}):
        yield "it has no unit"
    letters = [target["refId"] for target in panel.get("targets", [])]
    if len(letters) != len(set(letters)):
        yield "two queries have one refId"
    for holder in [panel, *panel.get("targets", [])]:
        if holder.get("datasource") != {"type": "prometheus", "uid": "${datasource}"}:
            yield "its datasource is not the variable"
    for target in panel.get("targets", []):
        for found in VARIABLE.finditer(target["expr"]):
            name = found.group(1) or found.group(2)
            if name not in known and name not in {**BUILT_IN, "__range": ""}:
                yield f"${name} is no variable of this dashboard"


def overlaps(panels):
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] + place["w"] > COLUMNS:
            yield f"panel {panel['title']!r} is wider than the page"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken:
                    yield f"panels {panel['title']!r} and {taken[x, y]!r} overlap"
                    return
                taken[x, y] = panel["title"]
