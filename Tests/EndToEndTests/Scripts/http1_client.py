"""HTTP/1 as it is on the wire. Usage: http1_client.py PORT KEY, of a gateway that takes bodies of 100,000 bytes; prints
"N checks passed"."""

import json
import socket
import sys

PORT, KEY = int(sys.argv[1]), sys.argv[2]
PATIENCE = 15
CHAT = "/v1/chat/completions"
failures, passed = [], []


def check(name, holds, seen):
    (passed if holds else failures).append(name)
    if not holds:
        print(f"{name}: {seen}")


class Link:
    """A connection, and what came over it and was not read yet."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=PATIENCE)
        self.kept = b""
        self.is_over = False

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def more(self):
        try:
            piece = self.socket.recv(65536)
        except OSError:
            return False
        self.is_over = piece == b""
        self.kept += piece
        return not self.is_over

    def head(self):
        """The next head: its first line, and its fields."""
        while b"\r\n\r\n" not in self.kept:
            if not self.more():
                return "", {}
        text, self.kept = self.kept.split(b"\r\n\r\n", 1)
        first, *rest = text.decode().split("\r\n")
        return first, {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in rest}

    def answer(self):
        """The next answer, with its body where its length is told."""
        first, fields = self.head()
        length = int(fields.get("content-length", 0))
        while len(self.kept) < length and self.more():
            pass
        body, self.kept = self.kept[:length], self.kept[length:]
        return first, fields, body

    def ends(self):
        """Whether nothing more comes, and the other side says so."""
        while self.more():
            pass
        return self.is_over and self.kept == b""


def chat(**options):
    body = {"model": "sim/sim-large", "max_tokens": 20, "messages": [{"role": "user", "content": "What is 3 + 4?"}]}
    return json.dumps({**body, **options}).encode()


def head(method, path, *fields, version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", "Host: gboost", f"Authorization: Bearer {KEY}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(length, *fields, version="1.1"):
    return head("POST", CHAT, "Content-Type: application/json", f"Content-Length: {length}", *fields, version=version)


def heads():
    link = Link()
    asked = [("/v1/models", "200"), ("/nothing", "404"), (CHAT, "405"), ("/key/info", "401"), ("/metrics", "200")]
    link.send(*(head("HEAD", path) for path, _ in asked), head("GET", "/health/live"))
    for path, status in asked:
        first, fields = link.head()
        told = int(fields.get("content-length", 0))
        check(f"HEAD {path}", first.startswith(f"HTTP/1.1 {status} ") and told > 0, (first, fields))
    first, _, body = link.answer()
    check("what comes behind HEAD", first.startswith("HTTP/1.1 200") and json.loads(body) == {"status": "live"}, first)


def expectations():
    body = chat()
    link = Link()
    for _ in range(2):
        link.send(post(len(body), "Expect: 100-continue"))
        check("told to go on", link.head()[0].startswith("HTTP/1.1 100"), link.kept)
        link.send(body)
        first, _, answer = link.answer()
        check("the answer behind it", first.startswith("HTTP/1.1 200") and b"choices" in answer, first)
    link.send(head("GET", "/health/live"), post(len(body), "expect: 100-Continue"))
    check("the one before is answered first", link.answer()[2] == b'{"status":"live"}', link.kept)
    check("then this one is told to go on", link.head()[0].startswith("HTTP/1.1 100"), link.kept)
    link.send(body)
    check("and answered", link.answer()[0].startswith("HTTP/1.1 200"), link.kept)
    link.send(head("GET", "/health/live", "Expect: 100-continue"))
    check("nothing to wait for", link.answer()[0].startswith("HTTP/1.1 200"), link.kept)

    link = Link()
    link.send(post(100_001, "Expect: 100-continue"))
    first, fields, _ = link.answer()
    check("too large, said at once", first.startswith("HTTP/1.1 413") and fields["connection"] == "close", first)
    check("and the end", link.ends(), link.kept)
    link = Link()
    link.send(post(100_001), b" " * 100_001, head("GET", "/health/live"))
    check("too large, and sent", link.answer()[0].startswith("HTTP/1.1 413"), link.kept)
    check("the next is answered", link.answer()[0].startswith("HTTP/1.1 200"), link.kept)


def old():
    body = chat(stream=True)
    link = Link()
    link.send(post(len(body), "Expect: 100-continue", version="1.0"), body)
    first, fields = link.head()
    check("HTTP/1.0", first.startswith("HTTP/1.0 200") and "transfer-encoding" not in fields, (first, fields))
    while link.more():
        pass
    whole = link.kept.startswith(b"data: ") and link.kept.endswith(b"data: [DONE]\n\n")
    check("its stream is no chunks, and ends with the connection", whole and link.is_over, link.kept)
    link = Link()
    link.send(head("GET", "/health/live", version="1.0"))
    first, fields, body = link.answer()
    check("a whole answer", fields["connection"] == "close" and body == b'{"status":"live"}', (first, fields, body))
    check("and its end", link.ends(), link.kept)
    link = Link()
    for _ in range(2):
        link.send(head("GET", "/health/live", "Connection: keep-alive", version="1.0"))
        first, fields, body = link.answer()
        kept = fields.get("connection") == "keep-alive" and body == b'{"status":"live"}'
        check("a connection that is to be kept", kept, (first, fields, body))


def encodings():
    body = chat()
    link = Link()
    link.send(post(len(body), "Content-Encoding: gzip"), body)
    first, _, answer = link.answer()
    check("compressed", first.startswith("HTTP/1.1 415") and b"'gzip'" in answer, (first, answer))
    link.send(post(len(body), "Content-Encoding: identity"), body)
    check("as it is", link.answer()[0].startswith("HTTP/1.1 200"), link.kept)


for part in (heads, expectations, old, encodings):
    part()
if failures:
    sys.exit(f"failed: {', '.join(failures)}")
print(f"{len(passed)} checks passed")
