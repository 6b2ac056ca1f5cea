"""The litellm package as a client, unmodified, against a gateway: every endpoint that it has and that is served here.

Arguments: root URL, key. Prints a table: endpoint, stream, provider, and what was asked for. The last line of a good
run is "N checks passed".
"""

import base64
import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402

root, key = sys.argv[1:3]
litellm.suppress_debug_info = True
question = "Anna has 12 apples and buys 7 more. How many apples does she have?"
schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
place = {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}}
known = "simulated provider"
wanted = {"place": "Zürich", "days": 3}
pixel = "data:image/png;base64," + base64.b64encode(bytes.fromhex("89504e470d0a1a0a")).decode()
checks = 0


def check(holds, what):
    global checks
    assert holds, what
    checks += 1


def chat(model, base, stream, messages, **options):
    """The whole message, put together by litellm itself where it was streamed."""
    answer = litellm.completion(
        model=model, api_base=base, api_key=key, messages=messages, stream=stream, max_tokens=400,
        num_retries=0, timeout=60, **({"stream_options": {"include_usage": True}} if stream else {}), **options
    )
    if stream:
        answer = litellm.stream_chunk_builder(list(answer), messages=messages)
    check(answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0, f"{answer.usage}")
    return answer.choices[0].message, answer.choices[0].finish_reason


def chat_cell(model, base, stream, kind):
    user = [{"role": "user", "content": question}]
    if kind == "plain":
        message, reason = chat(model, base, stream, [{"role": "system", "content": "Be right."}] + user)
        check(known in message.content and reason == "stop", f"{message} {reason}")
    elif kind == "tools":
        tools = [
            {"type": "function", "function": {"name": name, "description": "d", "parameters": place}}
            for name in ("weather", "trains")
        ]
        message, reason = chat(model, base, stream, user, tools=tools, tool_choice="required")
        calls = message.tool_calls
        check([call.function.name for call in calls] == ["weather", "trains"] and reason == "tool_calls", f"{message}")
        check(all(json.loads(call.function.arguments) == wanted for call in calls), f"{calls}")
        results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls]
        back = {"role": "assistant", "content": None, "tool_calls": [call.model_dump() for call in calls]}
        message, _ = chat(model, base, stream, user + [back] + results, tools=tools)
        check(message.content, f"{message}")
    elif kind == "image":
        content = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": pixel}}]
        message, _ = chat(model, base, stream, [{"role": "user", "content": content}])
        check(known in message.content, f"{message}")
    elif kind == "schema":
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        message, _ = chat(model, base, stream, user, response_format=form)
        said = json.loads(message.content)
        # Of a model that it does not know litellm wants a schema by a tool, in Anthropic's format: what the simulated
        # provider writes into a tool's texts is always the same.
        is_by_tool = model.startswith("anthropic/")
        check(said == {"answer": wanted["place"]} if is_by_tool else known in said["answer"], f"{message}")


def plain_cell(path, stream):
    common = dict(api_base=root + "/v1", api_key=key, timeout=60)
    if path == "/v1/embeddings":
        answer = litellm.embedding(model="openai/sim/sim-large", input=[question], encoding_format="float", **common)
        check(answer.data[0]["embedding"] == [0.25, -0.5, 0.001], f"{answer}")
    elif path == "/v1/completions":
        answer = litellm.text_completion(
            model="text-completion-openai/sim/sim-large", prompt=question, max_tokens=80, stream=stream, **common)
        said = "".join(c.choices[0].text or "" for c in answer) if stream else answer.choices[0].text
        check(known in said, said)
    else:
        answer = litellm.responses(
            model="openai/sim/sim-large", input=question, max_output_tokens=80, stream=stream, **common)
        if stream:
            said = "".join(event.delta for event in answer if event.type == "response.output_text.delta")
        else:
            said = "".join(part.text for item in answer.output for part in item.content)
        check(known in said, said)


kinds = ["plain", "tools", "image", "schema"]
print(f"{'litellm':<24}{'stream':<8}{'provider':<11}" + "".join(f"{kind:<10}" for kind in kinds))
failures = []
for path, prefix, base in (
    ("/v1/chat/completions", "openai", root + "/v1"),
    ("/v1/messages", "anthropic", root),
):
    for stream in (False, True):
        for provider, name in (("sim", "openai"), ("claude", "anthropic")):
            row = f"{path:<24}{'yes' if stream else 'no':<8}{name:<11}"
            for kind in kinds:
                try:
                    chat_cell(f"{prefix}/{provider}/sim-large", base, stream, kind)
                    row += f"{'green':<10}"
                except Exception as error:
                    failures.append(f"{path} {stream} {provider} {kind}: {type(error).__name__}: {error}")
                    row += f"{'RED':<10}"
            print(row)
for path in ("/v1/completions", "/v1/responses", "/v1/embeddings"):
    for stream in (False, True)[: 1 if path == "/v1/embeddings" else 2]:
        row = f"{path:<24}{'yes' if stream else 'no':<8}{'openai':<11}"
        try:
            plain_cell(path, stream)
            row += "green"
        except Exception as error:
            failures.append(f"{path} {stream}: {type(error).__name__}: {error}")
            row += "RED"
        print(row)
assert not failures, "\n".join(failures)
print(f"{checks} checks passed")
