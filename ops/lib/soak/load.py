"""Clients: each asks, reads its answer, and asks again; some stream, some of those leave in the middle."""

import asyncio
import collections
import json
import random
import time


class Load:
    def __init__(self, ports, keys, clients):
        self.ports = ports
        self.keys = keys
        self.clients = clients
        self.statuses = collections.Counter()
        # request id → cost in nano-dollars, of answers that a client has seen to their end.
        self.acknowledged = {}
        # Moments of answers, for the length of a pause.
        self.answered_at = []
        self.ends = False
        self.seconds = 0

    async def run(self, seconds, is_enough=None):
        """Lasts so many seconds, or until there is enough."""
        tasks = [asyncio.create_task(self.client(number)) for number in range(self.clients)]
        start = time.monotonic()
        if is_enough is None:
            await asyncio.sleep(seconds)
        else:
            while not await asyncio.to_thread(is_enough):
                await asyncio.sleep(1)
        self.seconds = time.monotonic() - start
        self.ends = True
        done, late = await asyncio.wait(tasks, timeout=60)
        for task in late:
            task.cancel()
        for task in done:
            task.result()
        return len(late)

    async def client(self, number):
        dice = random.Random(number)
        port = self.ports[number % len(self.ports)]
        connection = None
        while not self.ends:
            try:
                if connection is None:
                    connection = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 10)
                status, stays = await asyncio.wait_for(self.ask(connection, dice, number), 60)
                self.statuses[status] += 1
                if not stays:
                    connection[1].close()
                    connection = None
                if status not in ("200", "left"):
                    await asyncio.sleep(dice.uniform(0.05, 0.3))
            except (OSError, EOFError, asyncio.TimeoutError, ValueError, IndexError) as error:
                self.statuses[f"broken: {type(error).__name__}"] += 1
                if connection:
                    connection[1].close()
                connection = None
                await asyncio.sleep(dice.uniform(0.1, 0.5))
        if connection:
            connection[1].close()

    async def ask(self, connection, dice, number):
        reader, writer = connection
        streams = dice.random() < 0.3
        leaves = streams and dice.random() < 0.2
        first, second = dice.randint(2, 90), dice.randint(2, 90)
        question = f"Anna has {first} apples and buys {second} more. How many apples does she have?"
        body = json.dumps({
            "model": "sim/sim-large", "max_tokens": dice.choice((20, 50, 100)), "stream": streams,
            "messages": [{"role": "user", "content": question}]}).encode()
        key = self.keys[number % len(self.keys)]
        writer.write(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: gboost\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = head[0].split(" ")[1]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if leaves and status == "200":
            await reader.readuntil(b"\n")
            return "left", False
        text = await self.body(reader, headers)
        if status == "200":
            self.answered_at.append(time.monotonic())
            if not streams:
                whole, _, rest = headers["x-gboost-cost-usd"].partition(".")
                self.acknowledged[headers["x-gboost-request-id"]] = int(whole) * 10**9 + int(rest.ljust(9, "0"))
            elif b"data: [DONE]" not in text:
                status = "200 cut"
        elif status == "503" and b"ledger_unavailable" in text:
            status = "503 ledger_unavailable"
        elif status == "429":
            status = "429 budget_exceeded" if b"budget_exceeded" in text else "429 other"
        return status, headers.get("connection", "").lower() != "close"

    @staticmethod
    async def body(reader, headers):
        if "content-length" in headers:
            return await reader.readexactly(int(headers["content-length"]))
        pieces = []
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            pieces.append(await reader.readexactly(size))
            await reader.readexactly(2)
            if size == 0:
                return b"".join(pieces)
