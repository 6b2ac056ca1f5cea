"""Requests at random moments of a fixed rate, whether or not earlier ones were answered: the latencies that users of a
busy server see, counted from when a request was due."""

import asyncio
import random
import re
import time

from cluster import Failure

CONNECTIONS = 256
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """Kept open; one request at a time."""

    def __init__(self, idle):
        self.idle, self.buffer, self.transport, self.answered = idle, b"", None, None

    def connection_made(self, transport):
        self.transport = transport
        self.idle.put_nowait(self)

    def ask(self, request, answered):
        self.answered = answered
        self.transport.write(request)

    def data_received(self, data):
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = LENGTH.search(self.buffer, 0, end + 2)
        if length is None or len(self.buffer) < end + 4 + int(length[1]):
            return
        status, self.buffer = self.buffer[9:12], b""
        self.answered(status)
        self.idle.put_nowait(self)

    def connection_lost(self, _):
        if self.answered:
            self.answered(b"lost")


async def run(port, requests, rate, seconds):
    """Latencies in milliseconds, ascending. `requests` are sent in turn."""
    dice, loop, idle = random.Random(7), asyncio.get_running_loop(), asyncio.Queue()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Connection(idle), "127.0.0.1", port)
    latencies, wrong = [], []
    start = due = time.perf_counter() + 0.1
    count = 0

    def answered(moment, status):
        latencies.append((time.perf_counter() - moment) * 1000)
        if status != b"200":
            wrong.append(status)

    while due < start + seconds:
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        connection = await idle.get()
        connection.ask(requests[count % len(requests)], lambda status, moment=due: answered(moment, status))
        count += 1
        due += dice.expovariate(rate)
    deadline = time.perf_counter() + 30
    while len(latencies) < count and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    while not idle.empty():
        connection = idle.get_nowait()
        connection.answered = None
        connection.transport.close()
    if wrong or len(latencies) < count:
        raise Failure(f"of {count} requests {count - len(latencies)} were not answered, and {len(wrong)} not with 200")
    return sorted(latencies)
