"""Clients that take their time: usage: slow_clients.py PORT KEY [tls]. The gateway waits a second for what stands still
and two for a request; prints "N checks passed"."""

import json
import socket
import sys
import threading
import time

PORT, KEY, TLS = int(sys.argv[1]), sys.argv[2], "tls" in sys.argv[3:]
PATIENCE = 15
failures, passed = [], []


def check(name, holds, seen):
    (passed if holds else failures).append(name)
    if not holds:
        print(f"{name}: {seen}")


def connect():
    link = socket.create_connection(("127.0.0.1", PORT), timeout=PATIENCE)
    link.settimeout(PATIENCE)
    return link


def drip(link, text):
    """Sends a byte every 50 ms until it is sent or the other side is gone."""
    for byte in text:
        try:
            link.send(bytes([byte]))
        except OSError:
            return
        time.sleep(0.05)


def read_all(link):
    """What arrives until the other side ends, and after how long that was; None: it never did."""
    start, text = time.monotonic(), b""
    try:
        while True:
            more = link.recv(65536)
            if not more:
                break
            text += more
    except socket.timeout:
        return text, None
    except OSError:
        pass
    return text, time.monotonic() - start


def head(length, *lines):
    fields = [f"POST /v1/chat/completions HTTP/1.1", "Host: gboost", f"Authorization: Bearer {KEY}",
              "Content-Type: application/json", f"Content-Length: {length}", *lines]
    return ("\r\n".join(fields) + "\r\n\r\n").encode()


def closes(name, start, answer=None):
    """The connection ends within the patience, with the answer's status where there is one."""
    link = connect()
    thread = threading.Thread(target=start, args=(link,), daemon=True)
    thread.start()
    text, seconds = read_all(link)
    status = text.split(b" ")[1].decode() if text.startswith(b"HTTP/1.1 ") else None
    check(name, seconds is not None and status == answer, (seconds, text[:200]))
    link.close()


def asks(link, text):
    body = json.dumps({"model": "sim/sim-large", "max_tokens": 20,
                       "messages": [{"role": "user", "content": text}]}).encode()
    link.sendall(head(len(body)) + body)
    text = b""
    while b"\r\n\r\n" not in text:
        more = link.recv(65536)
        if not more:
            return text
        text += more
    return text


def main():
    if TLS:
        closes("a handshake that never begins", lambda link: None)
        closes("a handshake that stops", lambda link: link.send(b"\x16\x03\x01"))
        return
    slow = b'{"model": "sim/sim-large", "messages": [' + b" " * 4000
    tests = [
        ("a connection that says nothing", lambda link: None, None),
        ("half a head", lambda link: link.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: g"), None),
        ("a head a byte at a time", lambda link: drip(link, b"POST /v1/x HTTP/1.1\r\nX-Slow: " + b"a" * 2000), None),
        ("half a body", lambda link: link.send(head(4000) + slow[:40]), None),
        ("a body a byte at a time", lambda link: (link.send(head(4000)), drip(link, slow)), "408"),
        ("a chunked body that never ends",
         lambda link: (link.send(head(0, "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")),
                       drip(link, b"1\r\n \r\n" * 2000)), "408"),
    ]
    threads = [threading.Thread(target=closes, args=test) for test in tests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # An answer that takes longer than all of these limits is nobody's fault, and its connection serves the next one.
    link = connect()
    for text in ("SLOW", "quick"):
        answer = asks(link, text)
        check(f"a {text} answer", answer.startswith(b"HTTP/1.1 200"), answer[:200])
        link.settimeout(0.3)
        try:
            link.recv(65536)
        except socket.timeout:
            pass
        link.settimeout(PATIENCE)
    link.close()


main()
if failures:
    sys.exit(f"failed: {', '.join(failures)}")
print(f"{len(passed)} checks passed")
