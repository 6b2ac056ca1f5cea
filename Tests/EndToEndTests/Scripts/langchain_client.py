"""The langchain-openai package as a client, unmodified, against a gateway: every endpoint that it has.

Arguments: root URL, key. Prints a table: endpoint, stream, provider, and what was asked for. The last line of a good
run is "N checks passed".
"""

import base64
import sys

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings

root, key = sys.argv[1:3]
question = "Anna has 12 apples and buys 7 more. How many apples does she have?"
schema = {
    "title": "answer", "description": "d", "type": "object", "properties": {"answer": {"type": "string"}},
    "required": ["answer"], "additionalProperties": False,
}
place = {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}}
known = "simulated provider"
wanted = {"place": "Zürich", "days": 3}
pixel = base64.b64encode(bytes.fromhex("89504e470d0a1a0a")).decode()
checks = 0


def check(holds, what):
    global checks
    assert holds, what
    checks += 1


def whole(model, stream, messages):
    if not stream:
        return model.invoke(messages)
    answer = None
    for chunk in model.stream(messages):
        answer = chunk if answer is None else answer + chunk
    return answer


def cell(llm, stream, kind):
    user = [HumanMessage(question)]
    if kind == "plain":
        answer = whole(llm, stream, [SystemMessage("Be right.")] + user)
        check(known in answer.text and answer.usage_metadata["output_tokens"] > 0, f"{answer}")
    elif kind == "tools":
        tools = [
            {"type": "function", "function": {"name": name, "description": "d", "parameters": place}}
            for name in ("weather", "trains")
        ]
        bound = llm.bind_tools(tools, tool_choice="required")
        answer = whole(bound, stream, user)
        check([call["name"] for call in answer.tool_calls] == ["weather", "trains"], f"{answer}")
        check(all(call["args"] == wanted for call in answer.tool_calls), f"{answer}")
        results = [ToolMessage("sunny", tool_call_id=call["id"]) for call in answer.tool_calls]
        after = whole(llm.bind_tools(tools), stream, user + [answer] + results)
        check(after.text, f"{after}")
    elif kind == "image":
        content = [
            {"type": "text", "text": question},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64," + pixel}},
        ]
        check(known in whole(llm, stream, [HumanMessage(content)]).text, "an answer to an image")
    elif kind == "schema":
        form = llm.with_structured_output(schema, method="json_schema")
        # What streams is the object as far as it has been read.
        answer = list(form.stream(user))[-1] if stream else form.invoke(user)
        check(known in answer["answer"], f"{answer}")


kinds = ["plain", "tools", "image", "schema"]
# Left out: streamed calls of OpenAI's Responses API.
unspoken = {("/v1/responses", True, "tools")}
common = dict(base_url=root + "/v1", api_key=key, max_retries=0, timeout=60, max_tokens=400)
print(f"{'langchain-openai':<24}{'stream':<8}{'provider':<11}" + "".join(f"{kind:<10}" for kind in kinds))
failures = []
for path, providers in (
    ("/v1/chat/completions", (("sim", "openai"), ("claude", "anthropic"))),
    ("/v1/responses", (("sim", "openai"),)),
):
    for stream in (False, True):
        for provider, name in providers:
            llm = ChatOpenAI(
                model=f"{provider}/sim-large", use_responses_api=path == "/v1/responses", stream_usage=True, **common)
            row = f"{path:<24}{'yes' if stream else 'no':<8}{name:<11}"
            for kind in kinds:
                if (path, stream, kind) in unspoken:
                    row += f"{'-':<10}"
                    continue
                try:
                    cell(llm, stream, kind)
                    row += f"{'green':<10}"
                except Exception as error:
                    failures.append(f"{path} {stream} {provider} {kind}: {type(error).__name__}: {error}")
                    row += f"{'RED':<10}"
            print(row)
for path in ("/v1/completions", "/v1/embeddings"):
    for stream in (False, True)[: 1 if path == "/v1/embeddings" else 2]:
        row = f"{path:<24}{'yes' if stream else 'no':<8}{'openai':<11}"
        try:
            if path == "/v1/embeddings":
                # Without the check the texts themselves are sent: to count tokens it would fetch a vocabulary.
                vectors = OpenAIEmbeddings(
                    model="sim/sim-large", base_url=root + "/v1", api_key=key, check_embedding_ctx_length=False,
                    model_kwargs={"encoding_format": "float"}, max_retries=0,
                )
                check(vectors.embed_query(question) == [0.25, -0.5, 0.001], "a vector")
            else:
                llm = OpenAI(model="sim/sim-large", **common)
                said = "".join(llm.stream(question)) if stream else llm.invoke(question)
                check(known in said, said)
            row += "green"
        except Exception as error:
            failures.append(f"{path} {stream}: {type(error).__name__}: {error}")
            row += "RED"
        print(row)
assert not failures, "\n".join(failures)
print(f"{checks} checks passed")
