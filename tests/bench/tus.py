"""tus: one upload of 1 GiB, eight of 256 MiB at once, and files of 1 KiB, against @tus/server on S3 and rustus on files.

The large ones go to the peers' S3 sink, which throws bodies away, for ours and for @tus/server. Beside them, what one
process reaches that writes straight to that sink: the AWS CLI, and a loop of plain PUTs that signs and reads nothing.
The small ones go to a real store, an embedded one that another Gantry serves. rustus writes files and syncs nothing, ours
does: for equal durability rustus gets a file system mounted with `sync` (which needs root); or both get memory.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time

from common import (BENCH, BENCH_TOOLS, CLI_CPU, GIB, MIB, SRV_CPU, Gantry, alternate, free_port, load, median, peer, pinned,
                    ratio, say)
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


def aws_cli():
    """MiB/s of the AWS CLI with the same file, in the place of the servers."""
    env = {**os.environ, **SINK, "AWS_EC2_METADATA_DISABLED": "true"}
    command = [f"{BENCH_TOOLS}/bin/aws", "s3", "cp", "--quiet", "--endpoint-url", SINK["GANTRY_S3_ENDPOINT"],
               "--region", "us-east-1", "/dev/shm/bench-1g.bin", "s3://bench/aws.bin"]
    begun = time.perf_counter()
    subprocess.run(pinned(command), env=env, check=True)
    return {"MiBps": 1024 / (time.perf_counter() - begun)}


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
            rows = alternate(ROUNDS, **runs, straight=straight, aws_cli=aws_cli)
            say(f"{what}:")
            told(rows, "MiBps", "cpu_s_per_GiB", "rss_peak_mib")
            mine, speed = rows["ours"], median(rows["ours"], "MiBps")
            ratio(f"{what} against @tus/server on S3", speed, median(rows["@tus/server"], "MiBps"), "MiB/s", at_least=4)
            ratio(f"{what} against rustus on files", speed, median(rows["rustus"], "MiBps"), "MiB/s", at_least=1)
            ratio(f"{what}, CPU", median(mine, "cpu_s_per_GiB"), 1.2, "s/GiB", at_most=1)
            for how in ("aws_cli", "straight"):
                ratio(f"{what} against {how} to the store", speed, median(rows[how], "MiBps"), "MiB/s", at_least=0.85)


def compare_small(what, two_step, aim, name, sides):
    rows = alternate(ROUNDS, **{side: lambda it=it: it.small(two_step, 32) for side, it in sides.items()})
    say(f"{what}:")
    told(rows, "rps", "p50_ms", "p99_ms", "cpu_us_per_req", "rss_mib", "bad")
    ratio(f"{what} against {name}", median(rows["ours"], "rps"), median(rows[name], "rps"), "/s", at_least=aim)


@contextlib.contextmanager
def real_store():
    """A store of its own beside the load: its exports, with a bucket."""
    with Gantry("store", cpu=CLI_CPU) as store:
        exports = store.store_exports()
        env = {**os.environ, **exports}
        command = [f"{BENCH_TOOLS}/bin/aws", "--endpoint-url", exports["AWS_ENDPOINT_URL"], "s3", "mb", "s3://tus"]
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
        yield exports


def small_on_s3(what, two_step):
    with real_store() as exports:
        key, secret = exports["AWS_ACCESS_KEY_ID"], exports["AWS_SECRET_ACCESS_KEY"]
        endpoint, region = exports["AWS_ENDPOINT_URL"], exports["AWS_REGION"]
        mine = {**SINK, "GANTRY_S3_ENDPOINT": endpoint, "GANTRY_S3_REGION": region, "GANTRY_S3_BUCKET": "tus",
                "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        theirs = {"S3_ENDPOINT": endpoint, "S3_REGION": region, "S3_BUCKET": "tus", "S3_KEY": key, "S3_SECRET": secret}
        with peer("tusnode-s3", **theirs), Gantry(GANTRY_PROCESSING__DIGEST_UP_TO="0", **mine) as gantry:
            name = "@tus/server"
            sides = {"ours": ours(gantry), name: Side(name, *PEERS[name])}
            compare_small(f"{what} on S3", two_step, 20, name, sides)


def small_on_files(what, two_step, theirs, mine, how):
    os.makedirs(f"{theirs}/rustus", exist_ok=True)
    with peer("rustus", DATA=theirs), Gantry(GANTRY_DATA_DIR=mine, GANTRY_PROCESSING__DIGEST_UP_TO="0") as gantry:
        sides = {"ours": ours(gantry), "rustus": Side("rustus", *PEERS["rustus"])}
        compare_small(f"{what} {how}", two_step, 1, "rustus", sides)


@contextlib.contextmanager
def synced():
    """A directory on the benchmark's disk whose every write is durable when it returns."""
    image, at = f"{BENCH}/data/sync.img", f"{BENCH}/data/sync"
    os.makedirs(at, exist_ok=True)
    with open(image, "wb") as file:
        file.truncate(8 * GIB)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        subprocess.run(["mount", "-o", "loop,sync,dirsync", image, at], check=True)
        try:
            yield at
        finally:
            subprocess.run(["umount", "-l", at], check=True)
    finally:
        os.unlink(image)


@contextlib.contextmanager
def memory():
    home = f"/dev/shm/gantry-bench-{free_port()}"
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def main():
    large()
    for what, two_step in (("1 KiB by one POST", False), ("1 KiB by POST and PATCH", True)):
        small_on_s3(what, two_step)
        with synced() as theirs:
            small_on_files(what, two_step, theirs, f"{BENCH}/data/ours", "durable")
        with memory() as home:
            small_on_files(what, two_step, home, f"{home}/ours", "in memory")


main()
