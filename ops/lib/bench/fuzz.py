"""Fuzzing of everything that reads bytes from outside, with libFuzzer. Nothing here has a peer: what counts is that
nothing crashes, hangs or takes much memory."""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time

from cluster import Failure

FEATURES = ["ExistentialAny", "MemberImportVisibility", "InternalImportsByDefault", "NonisolatedNonsendingByDefault",
            "InferIsolatedConformances", "ImmutableWeakCaptures"]
# What is fuzzed of `Providers`: the parts without libcurl.
ANSWERS = ["HTTP/ProviderAnswer.swift", "Anthropic/AnthropicAnswer.swift", "OpenAI/OpenAIAnswer.swift",
           "OpenAI/ResponsesAnswer.swift", "OpenAI/EmbeddingsAnswer.swift"]
# Bytes of an input, seconds and mebibytes that one may take.
MAX_INPUT, MAX_SECONDS, MAX_MEMORY = 4096, 5, 1024

MESSAGES = '"messages":[{"role":"user","content":"hello"}]'
TOOL = '{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}'
CHUNK = 'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{%s},' \
    '"finish_reason":%s}]%s}\n\n'
USAGE = '"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1}'
CALL = '"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]'
OPENAI_STREAM = (CHUNK % ('"role":"assistant","content":"a"', "null", "") + CHUNK % ('"content":"é"', "null", "")
                 + CHUNK % (CALL, "null", "") + CHUNK % ("", '"stop"', ',"usage":{%s}' % USAGE) + "data: [DONE]\n\n")
EVENT = "event: %s\ndata: %s\n\n"
ANTHROPIC_STREAM = "".join([
    EVENT % ("message_start", '{"type":"message_start","message":{"id":"m","type":"message","role":"assistant",'
             '"model":"m","content":[],"usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":1}}}'),
    EVENT % ("content_block_start", '{"type":"content_block_start","index":0,"content_block":{"type":"text",'
             '"text":""}}'),
    EVENT % ("content_block_delta", '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
             '"text":"a"}}'),
    EVENT % ("content_block_stop", '{"type":"content_block_stop","index":0}'),
    EVENT % ("content_block_start", '{"type":"content_block_start","index":1,"content_block":{"type":"tool_use",'
             '"id":"t","name":"f","input":{}}}'),
    EVENT % ("content_block_delta", '{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta",'
             '"partial_json":"{}"}}'),
    EVENT % ("message_delta", '{"type":"message_delta","delta":{"stop_reason":"end_turn"},'
             '"usage":{"output_tokens":4}}'),
    EVENT % ("message_stop", '{"type":"message_stop"}')])
RESPONSES_STREAM = (
    EVENT % ("response.output_text.delta", '{"type":"response.output_text.delta","delta":"a"}')
    + EVENT % ("response.completed", '{"type":"response.completed","response":{"id":"r","status":"completed",'
               '"usage":{"input_tokens":3,"output_tokens":2,"output_tokens_details":{"reasoning_tokens":1}}}}'))
COMPLETION = ('{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":'
              '"assistant","content":"a",%s},"finish_reason":"stop"}],"usage":{%s}}' % (CALL, USAGE))
MESSAGE = ('{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"a"},'
           '{"type":"tool_use","id":"t","name":"f","input":{"a":1}}],"stop_reason":"end_turn",'
           '"usage":{"input_tokens":5,"output_tokens":2}}')
CHAT = ['{"model":"m",%s}' % MESSAGES,
        '{"model":"m",%s,"max_tokens":7,"stream":true,"stream_options":{"include_usage":true},"tools":[%s],'
        '"tool_choice":"auto","temperature":0.5,"stop":["a"],"n":1}' % (MESSAGES, TOOL),
        '{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"t"},'
        '{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]},{"role":"assistant","content":null,'
        '"tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool",'
        '"tool_call_id":"x","content":"r"}],"response_format":{"type":"json_schema","json_schema":{"name":"n",'
        '"schema":{"type":"object"}}},"reasoning_effort":"low"}']
ANTHROPIC = ['{"model":"m","max_tokens":9,"system":"s",%s}' % MESSAGES,
             '{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":[{"type":"text","text":'
             '"t","cache_control":{"type":"ephemeral"}},{"type":"image","source":{"type":"base64","media_type":'
             '"image/png","data":"AA=="}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"h",'
             '"signature":"s"},{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":'
             '"tool_result","tool_use_id":"t","content":"r"}]}],"tools":[{"name":"f","input_schema":{"type":'
             '"object"}}],"tool_choice":{"type":"any"},"thinking":{"type":"enabled","budget_tokens":1024}}']
PLAIN = ['{"model":"m","prompt":"p","max_tokens":3}', '{"model":"m","input":["a","b"]}',
         '{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"t"}]}],"max_output_tokens":5,'
         '"tools":[{"type":"function","name":"f","parameters":{}}],"stream":true}']
SEEDS = {
    "json": CHAT + ['{"a":[1,-2.5e-7,true,null,"\\u00e9\\ud83d\\ude00"]}'],
    "sse": ["\x07" + text for text in (OPENAI_STREAM, ANTHROPIC_STREAM, ": c\r\ndata: a\r\rdata\n\n\ufeffid: 1\n\n")],
    "chat-request": CHAT, "messages-request": ANTHROPIC, "plain-request": PLAIN,
    "chunks-to-events": ["\x40" + OPENAI_STREAM], "events-to-chunks": ["\x40" + ANTHROPIC_STREAM],
    "bodies": [COMPLETION, MESSAGE],
    "openai-answer": ["\x40" + OPENAI_STREAM, "\x40" + COMPLETION],
    "anthropic-answer": ["\x40" + ANTHROPIC_STREAM, "\x40" + MESSAGE], "responses-answer": ["\x40" + RESPONSES_STREAM],
}


def sources(checkout, folder):
    found = []
    for place, _, names in os.walk(os.path.join(checkout, folder)):
        found += [os.path.join(place, name) for name in names if name.endswith(".swift")]
    return sorted(found)


def build(checkout, place):
    """Three modules with coverage in them; seconds, since nothing else of the project is compiled."""
    os.makedirs(place, exist_ok=True)
    common = ["swiftc", "-O", "-g", "-swift-version", "6", "-parse-as-library", "-wmo", "-sanitize=fuzzer",
              "-package-name", "gboost", "-I", place]
    for feature in FEATURES:
        common += ["-enable-upcoming-feature", feature]
    objects = []
    for module in ("WireFormat", "GatewayCore"):
        objects.append(os.path.join(place, f"{module}.o"))
        compile_once(common + ["-c", "-emit-module", "-emit-module-path", f"{place}/{module}.swiftmodule",
                               "-module-name", module, "-o", objects[-1]], sources(checkout, f"Sources/{module}"),
                     objects[-1])
    program = os.path.join(place, "fuzz")
    harness = sources(checkout, "ops/lib/fuzz") + [f"{checkout}/Sources/Providers/{name}" for name in ANSWERS]
    subprocess.run(common + ["-module-name", "Fuzz", "-o", program] + harness + objects, check=True, cwd=place)
    return program


def compile_once(command, files, output):
    """Not again while neither the command nor a source has changed."""
    digest = hashlib.sha256(" ".join(command).encode())
    for path in files:
        with open(path, "rb") as file:
            digest.update(file.read())
    mark = f"{output}.sha256"
    if os.path.exists(output) and os.path.exists(mark):
        with open(mark, encoding="utf-8") as file:
            if file.read() == digest.hexdigest():
                return
    subprocess.run(command + files, check=True, cwd=os.path.dirname(output))
    with open(mark, "w", encoding="utf-8") as file:
        file.write(digest.hexdigest())


def corpus(place, target):
    """Grows from run to run, in the cache; the seeds are the project's own."""
    directory = os.path.join(place, "corpus", target)
    os.makedirs(directory, exist_ok=True)
    for number, text in enumerate(SEEDS[target]):
        with open(os.path.join(directory, f"seed-{number}"), "wb") as file:
            file.write(text.encode())
    return directory


def fuzz(program, place, target, seconds, findings):
    process = subprocess.run(
        [program, corpus(place, target), f"-max_total_time={seconds}", f"-max_len={MAX_INPUT}",
         f"-timeout={MAX_SECONDS}", f"-rss_limit_mb={MAX_MEMORY}", "-print_final_stats=1", "-use_value_profile=1",
         f"-artifact_prefix={findings}/{target}-"],
        env={**os.environ, "GBOOST_FUZZ_TARGET": target}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="replace", cwd=place)

    def number(pattern, fallback=0):
        found = re.findall(pattern, process.stderr)
        return int(found[-1]) if found else fallback

    result = {"target": target, "executions": number(r"stat::number_of_executed_units:\s*(\d+)", number(r"#(\d+)")),
              "coverage": number(r"cov: (\d+)"), "features": number(r"ft: (\d+)"), "corpus": number(r"corp: (\d+)/"),
              "peak_mib": number(r"stat::peak_rss_mb:\s*(\d+)"), "crashed": process.returncode != 0}
    if result["crashed"]:
        sys.stderr.write(process.stderr[-3000:])
    return result


def cache():
    usual = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "gboost")
    return os.environ.get("GBOOST_CACHE") or usual


def run(options, _directory):
    place = os.path.join(cache(), "fuzz")
    print("==> building the fuzzer", flush=True)
    try:
        program = build(options.checkout, place)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(f"the fuzzer's build failed: {error}") from error
    findings = tempfile.mkdtemp(prefix="gboost-fuzz-")
    seconds = max(2, int(options.minutes * 60 / len(SEEDS)))
    began = time.monotonic()
    rows = []
    print(f"\n{'target':<18}{'executions':>12}{'coverage':>10}{'corpus':>8}{'peak MiB':>10}  result", flush=True)
    for target in SEEDS:
        row = fuzz(program, place, target, seconds, findings)
        rows.append(row)
        print(f"{target:<18}{row['executions']:>12}{row['coverage']:>10}{row['corpus']:>8}{row['peak_mib']:>10}  "
              + ("CRASH" if row["crashed"] else "ok"), flush=True)
    crashes = sum(row["crashed"] for row in rows)
    if crashes:
        print(f"inputs that crash, hang or take too much: {findings}")
    else:
        os.rmdir(findings)
    return {"name": "fuzz", "seconds": round(time.monotonic() - began), "executions": sum(r["executions"] for r in rows),
            "crashes": crashes, "ratios": [{"name": "crashes", "value": crashes, "target": 0, "better": "lower"}],
            "runs": rows}
