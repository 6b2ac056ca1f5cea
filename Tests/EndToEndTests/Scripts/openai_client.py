"""The official OpenAI client, unmodified, against a gateway. Arguments: base URL, key, key of a tenant without money.

Every check is an assertion; the last line of a good run is "N checks passed".
"""

import sys

import openai

base_url, key, poor_key = sys.argv[1:4]
client = openai.OpenAI(base_url=base_url, api_key=key, timeout=120)
question = [{"role": "user", "content": "Anna has 12 apples and buys 7 more. How many apples does she have?"}]
checks = 0


def check(holds, what):
    global checks
    assert holds, what
    checks += 1


def whole(model):
    answer = client.chat.completions.create(model=model, messages=question, temperature=0, max_tokens=80)
    check(answer.object == "chat.completion", f"{model}: object")
    check(answer.choices[0].finish_reason in ("stop", "length"), f"{model}: finish reason")
    check(answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens, f"{model}: usage")
    check(answer.model_extra["gboost"]["request_id"] == answer._request_id, f"{model}: facts beside usage")
    return answer.choices[0].message.content


def streamed(model, **options):
    text, last = "", None
    stream = client.chat.completions.create(
        model=model, messages=question, temperature=0, max_tokens=80, stream=True, **options
    )
    for chunk in stream:
        last = chunk
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
    check(last.model_extra["gboost"]["cost_usd"] is not None, f"{model}: cost in the last chunk")
    check((last.usage is not None) == bool(options), f"{model}: usage only where asked for")
    return text


for model in ("trusting", "doubting", "sim/sim-large"):
    text = whole(model)
    check(text.strip(), f"{model}: an answer")
    check(streamed(model) == text, f"{model}: the stream's text is the text")
    check(streamed(model, stream_options={"include_usage": True}) == text, f"{model}: the same with usage")

names = [model.id for model in client.models.list()]
check({"trusting", "doubting", "sim/sim-large"} <= set(names), f"models: {names}")
for name in ("trusting", "sim/sim-large"):
    check(client.models.retrieve(name).id == name, f"models: {name}")

# A base URL without /v1, and Azure's client, whose deployments are models.

root = base_url.removesuffix("/v1")
bare = openai.OpenAI(base_url=root, api_key=key, timeout=60)
check([model.id for model in bare.models.list()] == names, "models: without /v1")
azure = openai.AzureOpenAI(azure_endpoint=root, api_key=key, api_version="2024-10-21", timeout=60)
named = openai.AzureOpenAI(
    azure_endpoint=root, api_key=key, api_version="2024-10-21", azure_deployment="trusting", timeout=60
)
for other, model in ((bare, "sim/sim-large"), (azure, "sim/sim-large"), (azure, "trusting"), (named, "gpt-4o")):
    options = dict(model=model, messages=question, temperature=0, max_tokens=80)
    text = other.chat.completions.create(**options).choices[0].message.content
    chunks = list(other.chat.completions.create(stream=True, **options))
    check("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text, f"{model}: Azure")
    check(text.strip() and chunks[-1].model_extra["gboost"], f"{model}: Azure, with the facts")

raw = client.chat.completions.with_raw_response.create(model="trusting", messages=question, temperature=0)
check(raw.headers["x-gboost-served-by"] == "slm", "header: served by")
check(raw.headers["x-gboost-cost-usd"] == "0.000000000", "header: cost")


def refused(kind, model, **options):
    try:
        openai.OpenAI(base_url=base_url, api_key=options.pop("api_key", key), timeout=60).chat.completions.create(
            model=model, messages=options.pop("messages", question), **options
        )
    except kind as error:
        return error
    raise AssertionError(f"{model}: no {kind.__name__}")


error = refused(openai.RateLimitError, "sim/sim-large", api_key=poor_key, max_tokens=50)
check(error.body["type"] == "budget_exceeded", "refusal: type")
check(error.body["metadata"]["scope"] == "tenant:poor", "refusal: names the budget")
check(float(error.body["metadata"]["needed_usd"]) > 0, "refusal: says what was needed")
check(error.request_id == error.response.headers["x-gboost-request-id"], "refusal: has the request's id")
check(error.response.headers["x-should-retry"] == "false", "refusal: not to be retried")
check(error.request.headers.get("x-stainless-retry-count", "0") == "0", "refusal: was not retried")
check(refused(openai.AuthenticationError, "trusting", api_key="gb-wrong").code == "invalid_api_key", "wrong key")
check(refused(openai.NotFoundError, "no-such-route").code == "model_not_found", "unknown model")
check(refused(openai.BadRequestError, "trusting", messages=[{"role": "user", "content": 7}]).param, "names the field")

print(f"{checks} checks passed")
