"""tus: one upload of 1 GiB, eight of 256 MiB at once, and files of 1 KiB, against @tus/server on S3 and rustus on files.

The large ones go to the peers' S3 sink, which throws bodies away, for ours and for @tus/server; and what one process
reaches that writes the same parts straight to that sink is measured beside them. The small ones are compared with rustus
in memory (`/dev/shm`) on both sides: it syncs nothing, ours does, and there neither costs anything.
"""

import os
import shutil
import socket
import time

from common import CLI_CPU, GIB, MIB, SRV_CPU, Gantry, alternate, free_port, load, median, peer, ratio, say
from sink import SINK
from wire import head, send

ROUNDS = 3
PEERS = {"@tus/server": ("tusnode-s3", "http://127.0.0.1:7103/files"), "rustus": ("rustus", "http://127.0.0.1:7104/files")}


class Side:
    """A tus server under load."""

    def __init__(self, name, pids, base, headers=()):
        self.name, self.pids, self.base, self.headers = name, pids, base, list(headers)

    def large(self, size, streams):
        (row,) = load("tus", name=self.name, pids=self.pids, base=self.base, size=size, streams=streams, runs=1,
                      header=self.headers)
        return row

    def small(self, two_step, connections):
        origin, path = self.base.rsplit("/", 1)
        headers = [*self.headers, "Tus-Resumable: 1.0.0", "Upload-Length: 1024"]
        options = {"tus_two_step": True} if two_step else {"header": [*headers, "Content-Type: application/offset+octet-stream"]}
        (row,) = load("wrk", out="tussmall", name=self.name, pids=self.pids, base=origin, path=f"/{path}", method="POST",
                      conc=connections, secs=4, warm=1, runs=1, body_bytes=1024, **{"header": headers, **options})
        return row


def ours(gantry):
    return Side("ours", gantry.pid, f"{gantry.url}/tus", [gantry.auth])


def straight(part=16 * MIB):
    """MiB/s of one process that puts 1 GiB in parts at the sink, in the place of the servers."""
    os.sched_setaffinity(0, {int(SRV_CPU)})
    begun = time.perf_counter()
    with socket.create_connection(("127.0.0.1", 7110)) as s:
        for n in range(GIB // part):
            s.sendall(f"PUT /bench/straight-{n} HTTP/1.1\r\nHost: x\r\nContent-Length: {part}\r\n\r\n".encode())
            send(s, part)
            status, _, _ = head(s)
            assert status == 200
    seconds = time.perf_counter() - begun
    os.sched_setaffinity(0, {int(CLI_CPU)})
    return {"MiBps": 1024 / seconds}


def told(rows, *keys):
    for side, some in rows.items():
        say(f"  {side}: " + ", ".join(f"{key} {median(some, key):.4g}" for key in keys if key in some[0]))


def large():
    sides = {name: Side(name, pid, base) for name, (pid, base) in PEERS.items()}
    with peer("s3sink", "tusnode-s3", "rustus"), Gantry(GANTRY_PROCESSING__DIGEST_UP_TO="0", **SINK) as gantry:
        sides = {"ours": ours(gantry), **sides}
        for size, streams in ((GIB, 1), (GIB // 4, 8)):
            what = f"tus {streams} x {size // MIB} MiB"
            runs = {name: lambda side=side: side.large(size, streams) for name, side in sides.items()}
            rows = alternate(ROUNDS, straight=straight, **runs)
            say(f"{what}:")
            told(rows, "MiBps", "cpu_s_per_GiB", "rss_peak_mib")
            mine, speed = rows["ours"], median(rows["ours"], "MiBps")
            ratio(f"{what} against @tus/server on S3", speed, median(rows["@tus/server"], "MiBps"), "MiB/s", at_least=4)
            ratio(f"{what} against rustus on files", speed, median(rows["rustus"], "MiBps"), "MiB/s", at_least=1)
            ratio(f"{what}, CPU", median(mine, "cpu_s_per_GiB"), 1.2, "s/GiB", at_most=1)
            ratio(f"{what} against writing straight to the store", speed, median(rows["straight"], "MiBps"), "MiB/s",
                  at_least=0.85)


def small(two_step):
    what = "1 KiB by POST and PATCH" if two_step else "1 KiB by one POST"
    with peer("s3sink", "tusnode-s3"), Gantry(GANTRY_PROCESSING__DIGEST_UP_TO="0", **SINK) as gantry:
        sides = {"ours": ours(gantry), "@tus/server": Side("@tus/server", *PEERS["@tus/server"])}
        rows = alternate(ROUNDS, **{name: lambda side=side: side.small(two_step, 32) for name, side in sides.items()})
        say(f"{what}, on S3:")
        told(rows, "rps", "p50_ms", "p99_ms", "cpu_us_per_req", "rss_mib", "bad")
        ratio(f"{what} against @tus/server on S3", median(rows["ours"], "rps"), median(rows["@tus/server"], "rps"), "/s",
              at_least=20)


def small_in_memory(two_step):
    what = "1 KiB by POST and PATCH" if two_step else "1 KiB by one POST"
    home = f"/dev/shm/gantry-bench-{free_port()}"
    os.makedirs(f"{home}/rustus")
    try:
        with peer("rustus", DATA=home), Gantry(GANTRY_DATA_DIR=f"{home}/ours", GANTRY_PROCESSING__DIGEST_UP_TO="0") as gantry:
            sides = {"ours": ours(gantry), "rustus": Side("rustus", *PEERS["rustus"])}
            rows = alternate(ROUNDS, **{name: lambda side=side: side.small(two_step, 32) for name, side in sides.items()})
            say(f"{what}, in memory:")
            told(rows, "rps", "p50_ms", "p99_ms", "cpu_us_per_req", "rss_mib", "bad")
            ratio(f"{what} against rustus on files", median(rows["ours"], "rps"), median(rows["rustus"], "rps"), "/s",
                  at_least=1)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def main():
    large()
    for two_step in (False, True):
        small(two_step)
        small_in_memory(two_step)


main()
