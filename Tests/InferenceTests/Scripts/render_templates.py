"""Renders chat templates with Jinja2, set up as the models' authors use it.

Reads {"directory", "now", "bos", "eos", "arguments", "cases": [{"messages", "tools", "needles"}]} from standard input
(tools and tool calls as JSON in text, since the order of keys shows); writes {"template": [text or null for each case]}. Templates differ in what they take (a system role, content as text or
as parts, arguments as an object or as text): the first form counts that renders and has every needle in it.
"""

import copy
import datetime
import itertools
import json
import os
import sys

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox


class Generation(jinja2.ext.Extension):
    """The tag around what a model is trained on; it prints its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body, lineno=line)


def environment(now):
    def refuse(message):
        raise jinja2.exceptions.TemplateError(message)

    def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    made.filters["tojson"] = to_json
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.datetime.fromtimestamp(now).strftime(form)
    return made


def merged(messages):
    """The system text in front of the first question, for templates without a system role."""
    if messages[0]["role"] != "system":
        return messages
    rest = copy.deepcopy(messages[1:])
    rest[0]["content"] = messages[0]["content"] + "\n" + rest[0]["content"]
    return rest


def with_objects(messages):
    for message in messages:
        for call in message.get("tool_calls", []):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return messages


def with_parts(messages):
    for message in messages:
        message["content"] = [{"type": "text", "text": message["content"]}]
    return messages


def forms(messages):
    for keeps_system, is_text, has_objects in itertools.product([True, False], [True, False], [True, False]):
        form = copy.deepcopy(messages)
        form = form if keeps_system else merged(form)
        form = with_objects(form) if has_objects else form
        yield form if is_text else with_parts(form)


def render(template, case, request):
    more = {"tools": json.loads(case["tools"])} if case.get("tools") else {}
    for message in case["messages"]:
        if isinstance(message.get("tool_calls"), str):
            message["tool_calls"] = json.loads(message["tool_calls"])
    for messages in forms(case["messages"]):
        try:
            text = template.render(
                messages=messages, bos_token=request["bos"], eos_token=request["eos"], add_generation_prompt=True,
                **more, **request["arguments"])
        except Exception:  # Anything at all can go wrong in a template that gets another form than it expects.
            continue
        if all(needle in text for needle in case["needles"]):
            return text
    return None


def main():
    request = json.load(sys.stdin)
    result = {}
    for name in sorted(os.listdir(request["directory"])):
        if not name.endswith(".jinja"):
            continue
        with open(os.path.join(request["directory"], name), encoding="utf-8") as file:
            source = file.read()
        try:
            template = environment(request["now"]).from_string(source)
        except jinja2.exceptions.TemplateError as error:
            print(f"{name}: {error}", file=sys.stderr)
            result[name] = [None for _ in request["cases"]]
            continue
        result[name] = [render(template, case, request) for case in request["cases"]]
    json.dump(result, sys.stdout)


main()
