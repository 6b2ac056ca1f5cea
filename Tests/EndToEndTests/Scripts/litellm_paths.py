"""LiteLLM's management paths, and the life of a key that LiteLLM made, against a gateway: the standard library alone.

Arguments: root URL, administrator's key, a key whose SHA-256 was imported. The last line of a good run is
"N checks passed".
"""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

root, admin, legacy = sys.argv[1:4]
checks = 0


def check(holds, what):
    global checks
    assert holds, what
    checks += 1


def call(path, body=None, key=admin, named=None, **query):
    """Status, JSON body, headers."""
    if named:
        query["key"] = named
    url = root + path + ("?" + urllib.parse.urlencode(query) if query else "")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


def done(path, body=None, **options):
    status, answer, _ = call(path, body, **options)
    check(status == 200, f"{path}: {status} {answer}")
    return answer


def refused(path, status, field, body=None, **options):
    code, answer, _ = call(path, body, **options)
    check(code == status and answer["error"].get("param") == field, f"{path}: {code} {answer}")


def ask(key, model):
    body = {"model": model, "messages": [{"role": "user", "content": "one and one?"}], "max_tokens": 40}
    return call("/chat/completions", body, key=key)


def until(wanted, work):
    """Gateways follow the database within a second."""
    for _ in range(100):
        got = work()
        if got == wanted:
            break
        time.sleep(0.05)
    check(got == wanted, f"{got} instead of {wanted}")


# A key of LiteLLM's goes on as it is, with its names, its list of models and its budget.

status, answer, headers = ask(legacy, "gpt-4o")
check(status == 200, f"{answer}")
check(headers["x-litellm-call-id"] == headers["x-gboost-request-id"], "the call's id")
check(headers["x-litellm-response-cost"] == headers["x-gboost-cost-usd"], "the call's cost")
check(headers["x-litellm-model-id"] == "gpt-4o" and headers["x-litellm-key-max-budget"] == "5.000000000", "names")
check(float(headers["x-litellm-key-spend"]) >= float(headers["x-litellm-response-cost"]) > 0, "the key's spend")
check(ask(legacy, "other")[0] == 403, "not in its list")
check(call("/v1/models", key=legacy)[1]["data"][0]["id"] == "gpt-4o", "what it may use")
info = done("/key/info", key=legacy)["info"]
check(info["key_alias"] == "app" and info["max_budget"] == 5 and info["spend"] > 0, f"{info}")
check(info["team_id"] == "research" and info["models"] == ["gpt-4o"] and info["rpm_limit"] == 100, f"{info}")
listed = done("/model/info", key=legacy)["data"]
check([entry["model_name"] for entry in listed] == ["gpt-4o"], f"{listed}")
check(listed[0]["model_info"]["input_cost_per_token"] == 1e-05, f"{listed}")

# Who may not.

for path, body in (
    ("/key/generate", {}), ("/user/new", {}), ("/team/new", {"team_alias": "x"}), ("/budget/new", {"max_budget": 1}),
):
    for key in (legacy, "wrong-key-wrong-key"):
        check(call(path, body, key=key)[0] == 401, path)
check(call("/key/info", key=legacy, named="key:1")[0] == 401, "only itself")
check(call("/key/info", key="sk-nobody-knows-this-key")[0] == 401, "nobody")
check(call("/global/spend", key=legacy)[0] == 401, "no report for keys")

# Teams, keys, budgets.

team = done("/team/new", {"team_alias": "night", "max_budget": 20.5, "budget_duration": "30d", "tpm_limit": 9000})
check(team["team_id"] == "night" and team["max_budget"] == 20.5 and team["budget_duration"] == "1mo", f"{team}")
refused("/team/new", 409, "team_alias", {"team_alias": "night"})
refused("/team/new", 400, "members_with_roles", {"team_alias": "m", "members_with_roles": [{"role": "admin"}]})
made = done(
    "/key/generate",
    {
        "key_alias": "robot", "team_id": "night", "models": ["gpt-4o", "other"], "max_budget": 1, "duration": "30d",
        "soft_budget": 0.5, "rpm_limit": 700, "metadata": {"a": 1}, "permissions": {}, "aliases": {},
    },
)
key = made["key"]
check(key.startswith("gb-") and made["expires"] and made["gboost"]["not_kept"] == ["metadata"], f"{made}")
refused("/key/generate", 400, "allowed_routes", {"allowed_routes": ["/chat"]})
refused("/key/generate", 400, "max_budget", {"max_budget": "a lot"})
refused("/key/generate", 404, "team_id", {"team_id": "nobody"})
until((200, 200), lambda: (ask(key, "gpt-4o")[0], ask(key, "other")[0]))
for name in (key, made["token"], "robot"):
    info = done("/key/info", named=name)["info"]
check(info["rpm_limit"] == 700 and info["max_budget"] == 1 and info["budget_duration"] is None, f"{info}")
updated = done("/key/update", {"key": key, "models": ["gpt-4o"], "max_budget": 2, "budget_duration": "1d"})
check(updated["max_budget"] == 2 and updated["budget_duration"] == "24h" and updated["rpm_limit"] == 700, f"{updated}")
check(any(remark.startswith("budget_duration: ") for remark in updated["gboost"]["remarks"]), f"a new one: {updated}")
# What is not named stays, and null is no way to take a limit away.
budget = done("/budget/info", {"budgets": [made["token"]]})[0]
check(budget["soft_budget"] == 1, f"half of two: {budget}")
updated = done("/key/update", {"key": key, "max_budget": 3})
check(updated["max_budget"] == 3 and updated["budget_duration"] == "24h", f"{updated}")
updated = done("/key/update", {"key": key, "max_budget": None, "rpm_limit": None})
check(updated["max_budget"] == 3 and updated["rpm_limit"] == 700, f"null changes nothing: {updated}")
updated = done("/key/update", {"key": key, "models": None})
check(updated["models"] == ["gpt-4o"], f"null lifts no restriction: {updated}")
check(any(remark.startswith("models: ") for remark in updated["gboost"]["remarks"]), f"{updated}")
until(403, lambda: ask(key, "other")[0])
refused("/key/update", 400, "key_alias", {"key": key, "key_alias": "another"})
done("/key/block", {"key": key})
until(401, lambda: ask(key, "gpt-4o")[0])
done("/key/unblock", {"key": made["token"]})
until(200, lambda: ask(key, "gpt-4o")[0])
fresh = done("/key/regenerate", {"key": key})
check(fresh["key"] != key and fresh["token"] == made["token"] and fresh["max_budget"] == 3, f"{fresh}")
until((200, 401), lambda: (ask(fresh["key"], "gpt-4o")[0], ask(key, "gpt-4o")[0]))
key = fresh["key"]
listed = done("/key/list", team_id="night", return_full_object=True)
check([entry["key_alias"] for entry in listed["keys"]] == ["robot"] and listed["total_count"] == 1, f"{listed}")
check(listed["keys"][0]["max_budget"] == 3 and made["token"] in done("/key/list", size=100)["keys"], f"{listed}")
own = "sk-made-up-by-its-owner-0001"
check(done("/key/generate", {"key": own, "key_alias": "own", "max_budget": None})["key"] == own, "a key of one's own")
until(200, lambda: ask(own, "gpt-4o")[0])
check(done("/key/delete", {"keys": [own], "key_aliases": ["robot"]})["deleted_keys"] == [own, "robot"], "deleted")
until((401, 401), lambda: (ask(own, "gpt-4o")[0], ask(key, "gpt-4o")[0]))
refused("/key/delete", 404, "keys", {"keys": ["sk-nobody-knows-this-key"]})

# Who may use nothing is not shown as LiteLLM's "everything": what is read can be written back.

nothing = done("/key/generate", {"key_alias": "nothing", "models": ["no-default-models"], "tpm_limit": 300})
check(nothing["models"] == ["no-default-models"], f"{nothing}")
check([remark.split(":")[0] for remark in nothing["gboost"]["remarks"]] == ["tpm_limit"], f"{nothing}")
models = done("/key/info", named="nothing")["info"]["models"]
check(models == ["no-default-models"], f"{models}")
check(done("/key/update", {"key": nothing["key"], "models": models})["models"] == models, "written back")
until(403, lambda: ask(nothing["key"], "gpt-4o")[0])
check(done("/team/new", {"team_alias": "idle", "models": models})["models"] == models, "a team's")
check(done("/team/info", team_id="idle")["team_info"]["models"] == models, "a team's, shown")

# A tenant that has no budget of its own can pay for nothing, and that is said.

for path, body in (("/key/generate", {"max_budget": 5}), ("/user/new", {})):
    bare = done(path, body | {"organization_id": "bare"})["gboost"]["remarks"]
    check(any("no paid call until gboost budget set --tenant bare" in remark for remark in bare), f"{bare}")

# There are no users: one that is made is a key of that name.

user = done(
    "/user/new",
    {
        "user_id": "ann", "user_email": "ann@example.com", "user_role": "internal_user", "models": ["gpt-4o"],
        "max_budget": 2, "budget_duration": "30d", "teams": [],
    },
)
check(user["user_id"] == user["key_alias"] == "ann" and user["max_budget"] == 2, f"{user}")
check(user["gboost"]["not_kept"] == ["user_email", "user_role"], f"{user}")
check(any(remark.startswith("user_id: ") for remark in user["gboost"]["remarks"]), f"{user}")
until((200, 403), lambda: (ask(user["key"], "gpt-4o")[0], ask(user["key"], "other")[0]))
check(done("/key/info", named="ann")["info"]["max_budget"] == 2, "found by its name")
refused("/user/new", 409, "user_id", {"user_id": "ann"})
refused("/user/new", 400, "user_role", {"user_id": "root", "user_role": "proxy_admin"})
refused("/user/new", 400, "auto_create_key", {"user_id": "bob", "auto_create_key": False})
refused("/user/new", 400, "key_alias", {"user_id": "bob", "key_alias": "robert"})
refused("/user/new", 400, "teams", {"user_id": "bob", "teams": ["night"]})
check(done("/user/new", {})["user_id"].startswith("key:"), "without a name")
check(done("/key/delete", {"key_aliases": ["ann"]})["deleted_keys"] == ["ann"], "deleted")
until(401, lambda: ask(user["key"], "gpt-4o")[0])
check(done("/user/new", {"user_id": "ann"})["key"] != user["key"], "a name that is free again")

# Teams and budgets are changed.

done("/team/update", {"team_id": "night", "max_budget": 30, "budget_duration": "7d", "models": ["other"]})
team = done("/team/info", team_id="night")
check(team["team_info"]["max_budget"] == 30 and team["team_info"]["models"] == ["other"], f"{team}")
check(team["keys"] == [], f"{team}")
listed = {entry["team_id"]: entry for entry in done("/team/list")}
check(listed["night"]["max_budget"] == 30 and {"research", "idle"} < listed.keys(), f"{listed}")
check(done("/team/block", {"team_id": "night"})["blocked"] is True, "a team that is blocked")
check(done("/team/unblock", {"team_id": "night"})["blocked"] is False, "a team that is not any more")
team = done("/team/update", {"team_id": "night", "models": None})
check(team["models"] == ["other"] and team["gboost"]["remarks"], f"null lifts no restriction: {team}")
team = done("/team/update", {"team_id": "night", "max_budget": 31})
check(team["max_budget"] == 31 and team["budget_duration"] == "7d", f"{team}")
before = done("/budget/info", {"budgets": ["tenant"]})[0]
for amount in (60, 50):
    budget = done("/budget/new", {"budget_id": "tenant", "max_budget": amount})
    check(budget["max_budget"] == amount and budget["budget_duration"] == "1mo", f"{budget}")
    check(budget["spend"] >= before["spend"] > 0, f"{budget} {before}")
budget = done("/budget/new", {"budget_id": "team:research", "max_budget": 40, "budget_duration": "1mo"})
check(budget["max_budget"] == 40 and budget["budget_duration"] == "1mo", f"{budget}")
refused("/budget/new", 400, "budget_id", {"budget_id": "free-tier", "max_budget": 1})
listed = done("/budget/info", {"budgets": ["tenant", "team:research"]})
check([entry["max_budget"] for entry in listed] == [50, 40], f"{listed}")

# Reports.

spent = done("/global/spend")
check(spent["spend"] > 0 and spent["max_budget"] == 50, f"{spent}")
today = time.strftime("%Y-%m-%d", time.gmtime())
month = today[:8] + "01"
days = done("/spend/logs", start_date=month, end_date=today)
check(abs(sum(day["spend"] for day in days) - spent["spend"]) < 1e-9 and days[0]["api_requests"] > 0, f"{days}")
rows = done("/global/spend/report", start_date=today, end_date=today, group_by="team")
check({row["team_name"] for row in rows} >= {"research", "night"}, f"{rows}")
refused("/spend/logs", 400, "start_date", start_date="yesterday")
refused("/spend/logs", 400, "user_id", start_date=today, user_id="x")
for path in ("/health/liveliness", "/health/liveness"):
    check(call(path)[1] == "I'm alive!", path)
check(call("/health/readiness")[1]["db"] == "connected", "health")
print(f"{checks} checks passed")
