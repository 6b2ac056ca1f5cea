"""The official OpenAI and Anthropic clients, unmodified, against a gateway before providers of all formats.

Arguments: root URL, key, key of a tenant without money. Prints a table: endpoint, stream, provider, and what was asked
for; then the exceptions. The last line of a good run is "N checks passed".
"""

import base64
import json
import sys

import anthropic
import openai

root, key, poor_key = sys.argv[1:4]
oai = openai.OpenAI(base_url=root + "/v1", api_key=key, timeout=60, max_retries=0)
ant = anthropic.Anthropic(base_url=root, api_key=key, timeout=60, max_retries=0)
question = "Anna has 12 apples and buys 7 more. How many apples does she have?"
schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
place = {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}}
known = "simulated provider"
wanted = {"place": "Zürich", "days": 3}
thinking = {"type": "enabled", "budget_tokens": 1024}
pixel = base64.b64encode(bytes.fromhex("89504e470d0a1a0a")).decode()
checks = 0


def check(holds, what):
    global checks
    assert holds, what
    checks += 1


def translated(model):
    """Neither of the two formats: calls cannot be had one at a time there."""
    return model.startswith(("google/", "aws/"))


def signed(model):
    """Thoughts come with a signature, to go back with."""
    return model.startswith(("claude/", "aws/"))


def told(vendor, field, work):
    try:
        work()
    except vendor.BadRequestError as error:
        return check(field in str(error), f"{error}")
    raise AssertionError("no refusal")


# OpenAI's client


def chat(model, stream, messages, **options):
    """Message as a dictionary, finish reason, usage."""
    arguments = dict(model=model, messages=messages, max_tokens=400, **options)
    if not stream:
        answer = oai.chat.completions.create(**arguments)
        check(answer.model_extra["gboost"]["cost_nano_usd"] >= 0, "facts beside usage")
        return answer.choices[0].message.model_dump(), answer.choices[0].finish_reason, answer.usage
    message, reason, usage, facts = {"content": "", "tool_calls": {}}, None, None, None
    chunks = oai.chat.completions.create(stream=True, stream_options={"include_usage": True}, **arguments)
    for chunk in chunks:
        usage, facts = chunk.usage or usage, chunk.model_extra.get("gboost") or facts
        for choice in chunk.choices:
            reason = choice.finish_reason or reason
            delta = choice.delta.model_dump()
            message["content"] += delta.get("content") or ""
            if delta.get("reasoning_content"):
                message["reasoning_content"] = message.get("reasoning_content", "") + delta["reasoning_content"]
            message.setdefault("thinking_blocks", []).extend(delta.get("thinking_blocks") or [])
            for call in delta.get("tool_calls") or []:
                known = message["tool_calls"].setdefault(call["index"], {"type": "function", "function": {}})
                known["id"] = call.get("id") or known.get("id")
                for name in ("name", "arguments"):
                    known["function"][name] = known["function"].get(name, "") + (call["function"].get(name) or "")
    check(facts is not None, "facts in the stream's end")
    message["tool_calls"] = list(message["tool_calls"].values())
    return message, reason, usage


def chat_cell(model, stream, kind):
    user = [{"role": "user", "content": question}]
    if kind == "plain":
        message, reason, usage = chat(model, stream, user)
        check(known in message["content"] and reason == "stop", f"{message} {reason}")
        check(usage.prompt_tokens > 0 and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, "usage")
    elif kind == "tools":
        tools = [
            {"type": "function", "function": {"name": name, "description": "d", "parameters": place}}
            for name in ("weather", "trains")
        ]
        message, reason, _ = chat(model, stream, user, tools=tools, tool_choice="required")
        calls = message["tool_calls"]
        check([call["function"]["name"] for call in calls] == ["weather", "trains"], f"{calls}")
        check(all(json.loads(call["function"]["arguments"]) == wanted for call in calls), f"{calls}")
        check(reason == "tool_calls", reason)
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in calls]
        history = user + [{"role": "assistant", "content": None, "tool_calls": calls}] + results
        message, reason, _ = chat(model, stream, history, tools=tools)
        check(message["content"] and reason == "stop", f"{message}")
        if translated(model):
            told(openai, "parallel_tool_calls", lambda: chat(model, stream, user, tools=tools, parallel_tool_calls=False))
        else:
            message, _, _ = chat(model, stream, user, tools=tools, parallel_tool_calls=False)
            check(len(message["tool_calls"]) == 1, "no parallel calls")
    elif kind == "image":
        url = {"url": "data:image/png;base64," + pixel}
        content = [{"type": "text", "text": question}, {"type": "image_url", "image_url": url}]
        message, _, usage = chat(model, stream, [{"role": "user", "content": content}])
        check(known in message["content"] and usage.prompt_tokens >= 85, f"{message} {usage}")
    elif kind == "schema":
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        message, _, _ = chat(model, stream, user, response_format=form)
        check(known in json.loads(message["content"])["answer"], f"{message}")
    elif kind == "reasoning":
        effort = dict(extra_body={"thinking": thinking}) if model.startswith("aws/") else dict(reasoning_effort="low")
        message, _, _ = chat(model, stream, user, **effort)
        check(message["reasoning_content"] == "This wants a thought or two.", f"{message}")
        blocks = message.get("thinking_blocks") or []
        check(bool(blocks) == signed(model), f"{blocks}")
        if blocks:
            check(blocks[0]["signature"], "a signature")
            history = user + [{"role": "assistant", "content": message["content"], "thinking_blocks": blocks}] + user
            message, _, _ = chat(model, stream, history)
            check(known in message["content"], f"{message}")


# Anthropic's client


def message(model, stream, messages, **options):
    arguments = dict(model=model, messages=messages, **{"max_tokens": 400, **options})
    if not stream:
        answer = ant.messages.create(**arguments)
        check(answer._request_id, "the request's id")
    else:
        with ant.messages.stream(**arguments) as events:
            answer = events.get_final_message()
    check(answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, f"{answer.usage}")
    return answer


def text(answer):
    return "".join(block.text for block in answer.content if block.type == "text")


def message_cell(model, stream, kind):
    user = [{"role": "user", "content": question}]
    if kind == "plain":
        answer = message(model, stream, user, system="Be right.")
        check(known in text(answer) and answer.stop_reason == "end_turn", f"{answer}")
    elif kind == "tools":
        tools = [{"name": name, "description": "d", "input_schema": place} for name in ("weather", "trains")]
        answer = message(model, stream, user, tools=tools, tool_choice={"type": "any"})
        calls = [block for block in answer.content if block.type == "tool_use"]
        check([call.name for call in calls] == ["weather", "trains"], f"{calls}")
        check(all(call.input == wanted for call in calls) and answer.stop_reason == "tool_use", f"{answer}")
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"} for call in calls]
        uses = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.input} for call in calls]
        history = user + [{"role": "assistant", "content": uses}, {"role": "user", "content": results}]
        check(text(message(model, stream, history, tools=tools)), "an answer after the tools")
        serial = {"type": "auto", "disable_parallel_tool_use": True}
        if translated(model):
            told(anthropic, "parallel", lambda: message(model, stream, user, tools=tools, tool_choice=serial))
        else:
            check(len(message(model, stream, user, tools=tools, tool_choice=serial).content) == 1, "no parallel calls")
    elif kind == "image":
        source = {"type": "base64", "media_type": "image/png", "data": pixel}
        content = [{"type": "image", "source": source}, {"type": "text", "text": question}]
        answer = message(model, stream, [{"role": "user", "content": content}])
        check(known in text(answer) and answer.usage.input_tokens >= 85, f"{answer}")
    elif kind == "schema":
        form = {"format": {"type": "json_schema", "schema": schema}}
        answer = message(model, stream, user, output_config=form)
        check(known in json.loads(text(answer))["answer"], f"{answer}")
    elif kind == "reasoning":
        answer = message(model, stream, user, thinking=thinking, max_tokens=2000)
        thoughts = [block for block in answer.content if block.type == "thinking"]
        check([block.thinking for block in thoughts] == ["This wants a thought or two."], f"{answer}")
        check(bool(thoughts[0].signature) == signed(model), f"{thoughts}")
        blocks = [{"type": "thinking", "thinking": thoughts[0].thinking, "signature": thoughts[0].signature}]
        blocks.append({"type": "text", "text": text(answer)})
        check(text(message(model, stream, user + [{"role": "assistant", "content": blocks}] + user)), "and back")


# OpenAI's further endpoints


def plain_cell(path, model, stream):
    if path == "/v1/embeddings":
        answer = oai.embeddings.create(model=model, input=question, encoding_format="float")
        check(answer.data[0].embedding == [0.25, -0.5, 0.001] and answer.usage.prompt_tokens > 0, f"{answer}")
    elif path == "/v1/completions":
        arguments = dict(model=model, prompt=question, max_tokens=80)
        if stream:
            chunks = list(oai.completions.create(stream=True, **arguments))
            said, facts = "".join(c.text for chunk in chunks for c in chunk.choices), chunks[-1].model_extra
        else:
            answer = oai.completions.create(**arguments)
            said, facts = answer.choices[0].text, answer.model_extra
        check(known in said and facts["gboost"]["cost_nano_usd"] > 0, f"{said} {facts}")
    else:
        arguments = dict(model=model, input=[{"role": "user", "content": question}], max_output_tokens=80)
        if stream:
            events = list(oai.responses.create(stream=True, **arguments))
            said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
            check(events[-1].response.usage.output_tokens > 0, f"{events[-1]}")
            facts = events[-1].model_extra
        else:
            answer = oai.responses.create(**arguments)
            said, facts = answer.output_text, answer.model_extra
        check(known in said and facts["gboost"]["cost_nano_usd"] > 0, f"{said} {facts}")
        tools = [{"type": "function", "name": "weather", "parameters": place, "strict": False}]
        answer = oai.responses.create(tools=tools, **arguments)
        check(json.loads(answer.output[0].arguments) == wanted, f"{answer}")


wires = (("sim", "openai"), ("claude", "anthropic"), ("google", "gemini"), ("aws", "bedrock"))
kinds = ["plain", "tools", "image", "schema", "reasoning"]
print(f"{'endpoint':<22}{'stream':<8}{'provider':<11}" + "".join(f"{kind:<11}" for kind in kinds))
failures = []
for path, cell in (("/v1/chat/completions", chat_cell), ("/v1/messages", message_cell)):
    for stream in (False, True):
        for provider, name in wires:
            row = f"{path:<22}{'yes' if stream else 'no':<8}{name:<11}"
            for kind in kinds:
                try:
                    cell(f"{provider}/sim-large", stream, kind)
                    row += f"{'green':<11}"
                except Exception as error:
                    failures.append(f"{path} {stream} {provider} {kind}: {type(error).__name__}: {error}")
                    row += f"{'RED':<11}"
            print(row)
for path in ("/v1/completions", "/v1/responses", "/v1/embeddings"):
    for stream in (False, True)[: 1 if path == "/v1/embeddings" else 2]:
        row = f"{path:<22}{'yes' if stream else 'no':<8}{'openai':<11}"
        try:
            plain_cell(path, "sim/sim-large", stream)
            row += "green"
        except Exception as error:
            failures.append(f"{path} {stream}: {type(error).__name__}: {error}")
            row += "RED"
        print(row)
assert not failures, "\n".join(failures)

# Boosted routes by Anthropic's wire

cold = {"extra_body": {"temperature": 0}}

for route in ("trusting", "doubting", "doubting-claude"):
    whole = message(route, False, [{"role": "user", "content": question}], **cold)
    check(text(whole).strip(), f"{route}: an answer")
    check(text(message(route, True, [{"role": "user", "content": question}], **cold)) == text(whole), route)
raw = ant.messages.with_raw_response.create(
    model="doubting-claude", max_tokens=80, messages=[{"role": "user", "content": question}], **cold
)
check(int(raw.headers["x-gboost-escalations"]) > 0, "an escalation to Anthropic's wire")

# Anthropic's runner of tools: it asks for a thread, unless it is told not to, and goes on without where there is none

asked = []


@anthropic.beta_tool
def weather(place: str, days: int) -> str:
    """The weather of a place."""
    asked.append({"place": place, "days": days})
    return "sunny"


for model in [f"{provider}/sim-large" for provider, _ in wires]:
    user = [{"role": "user", "content": question}]
    for stream in (False, True):
        runner = ant.beta.messages.tool_runner(
            model=model, max_tokens=400, tools=[weather], messages=user, **(dict(stream=True) if stream else {})
        )
        check(text(runner.until_done()), f"{model}: an answer after the tool")
        check(asked == [wanted], f"{model}: {asked}")
        asked.clear()

# Frameworks for OpenAI's wire send back what they got, without its signature or with more around it, and say who speaks

call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": json.dumps(wanted)}}
for echo in (
    {"reasoning_content": "Hm."},
    {"reasoning_content": "Hm.", "provider_specific_fields": {"parsed": None, "reasoning": "Hm."}, "annotations": []},
):
    history = [
        {"role": "user", "name": "anna", "content": question},
        {"role": "assistant", "content": None, "tool_calls": [call], **echo},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "user", "name": "bert", "content": question},
    ]
    for model in ("claude/sim-large", "google/sim-large", "aws/sim-large"):
        options = {} if model.startswith("google/") else dict(extra_body={"thinking": thinking})
        answer, _, _ = chat(model, False, history, **options)
        check(answer["content"], f"{model}: {answer}")

# Counting and listing

counted = ant.messages.count_tokens(model="claude/sim-large", messages=[{"role": "user", "content": question}])
check(counted.input_tokens == (len(question) + 3) // 4, f"{counted}")
check(ant.messages.count_tokens(model="trusting", messages=[{"role": "user", "content": "x"}]).input_tokens > 0, "est.")
check({"trusting", "claude/sim-large"} <= {model.id for model in ant.models.list()}, "models")
check({"trusting", "claude/sim-large"} <= {model.id for model in oai.models.list()}, "models")
for client in (ant, oai):
    check(client.models.retrieve("claude/sim-large").id == "claude/sim-large", "a model")

# What goes wrong


def refused(kind, work):
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


for vendor, client, poor, wrong in (
    (openai, oai, openai.OpenAI(base_url=root + "/v1", api_key=poor_key), oai.with_options(api_key="gb-wrong")),
    (anthropic, ant, anthropic.Anthropic(base_url=root, api_key=poor_key), ant.with_options(api_key="gb-wrong")),
):

    def ask(client, model, **options):
        messages = options.pop("messages", [{"role": "user", "content": question}])
        create = client.chat.completions.create if vendor is openai else client.messages.create
        return create(model=model, messages=messages, max_tokens=50, **options)

    for model in ("sim/sim-large", "claude/sim-large"):
        error = refused(vendor.RateLimitError, lambda: ask(poor, model))
        body = error.body if vendor is openai else error.body["error"]
        check(body["type"] == "budget_exceeded" and body["metadata"]["scope"] == "tenant:poor", f"{body}")
        check(error.response.headers["x-should-retry"] == "false", "not to be retried")
        check(error.request.headers.get("x-stainless-retry-count", "0") == "0", "was not retried")
        odd = {"made_up": 1}
        if (vendor is openai) == model.startswith("claude/"):
            error = refused(vendor.BadRequestError, lambda: ask(client, model, extra_body=odd))
            check("made_up" in str(error), f"{error}")
    check(refused(vendor.AuthenticationError, lambda: ask(wrong, "trusting")), "wrong key")
    check(refused(vendor.NotFoundError, lambda: ask(client, "no-such-route")), "unknown model")
    check("messages[0]" in str(refused(vendor.BadRequestError, lambda: ask(client, "trusting", messages=[7]))), "field")

served = refused(openai.BadRequestError, lambda: oai.embeddings.create(model="claude/sim-large", input="x"))
check("does not serve /v1/embeddings" in str(served), f"{served}")
print(f"{checks} checks passed")
