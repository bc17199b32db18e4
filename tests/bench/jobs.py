"""Jobs a second, jobs that do nothing: ours on SQLite and PostgreSQL against Celery with Redis; and ours beside a million.

Both sides have both CPUs, and may lose nothing that they acknowledged: SQLite with synchronous=FULL, PostgreSQL with
fsync, Redis with appendfsync=always, Celery with acks_late. Celery once more with Redis as most run it, synced once a
second. Celery has the pool that does best here. Rounds in turn; the best of each side counts.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time

import redis
from common import BENCH, Server, alternate, free_port, micro, peer, preferred, quiet, ratio, say

ROUNDS = 3
OURS, THEIRS = 40_000, 8_000
BOTH = "0-1"
POSTGRES = "postgres://postgres@127.0.0.1:7120"
# Pool, processes or threads, tasks that each may hold beforehand.
POOLS = (("prefork", 2, 4), ("prefork", 2, 64), ("threads", 8, 64), ("threads", 2, 64))
HERE = os.path.dirname(os.path.abspath(__file__))


def sqlite(count, beside):
    with tempfile.TemporaryDirectory(dir=BENCH) as home:
        return micro("jobs", f"sqlite://{home}/gantry.db", str(count), beside, cpu=BOTH)


def postgres(count, beside):
    psql = ("psql", "-h", "127.0.0.1", "-p", "7120", "-U", "postgres", "-q", "-c")
    for statement in ("DROP DATABASE IF EXISTS gantry_jobs", "CREATE DATABASE gantry_jobs"):
        subprocess.run([*psql, statement], check=True, capture_output=True)
    return micro("jobs", f"{POSTGRES}/gantry_jobs", str(count), beside, cpu=BOTH)


@contextlib.contextmanager
def redis_server(fsync):
    """A Redis of our own that writes every command down, and syncs as told; its URL."""
    port = free_port()

    def ready():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    with tempfile.TemporaryDirectory(dir=BENCH) as home:
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", home, "--save", ""]
        with Server("redis", [*command, "--appendonly", "yes", "--appendfsync", fsync], ready, cpu=BOTH):
            yield f"redis://127.0.0.1:{port}/0"


def celery(fsync, pool, places, prefetch):
    """One filling, from the number of processes that is faster, and one emptying."""
    with redis_server(fsync) as url:
        env = {"BROKER": url, "PREFETCH": str(prefetch), "PYTHONPATH": HERE}
        db, written = redis.Redis.from_url(url), []
        for callers in (4, 1):
            db.flushall()
            fill = [sys.executable, f"{HERE}/nothing.py", str(THEIRS), str(callers)]
            written.append(float(preferred(fill, env)))
        command = [sys.executable, "-m", "celery", "-A", "nothing", "worker", "-l", "ERROR", "--without-gossip",
                   "--without-mingle", "--without-heartbeat", "-P", pool, "-c", str(places)]
        left = db.llen("celery")
        # Coming up is not counted.
        with Server("celery", command, lambda: db.llen("celery") < left - prefetch * places, env, cpu=BOTH):
            begun, before = time.perf_counter(), db.llen("celery") + db.hlen("unacked")
            while now := db.llen("celery") + db.hlen("unacked"):
                if time.perf_counter() - begun > 120:
                    raise SystemExit(f"Celery stands still at {now}")
                time.sleep(0.02)
            worked = before / (time.perf_counter() - begun)
    return {"enqueued_per_second": max(written), "done_per_second": worked}


def best(rows, what):
    return max(row[f"{what}_per_second"] for row in rows)


def main():
    with peer("pg", SRV_CPU=BOTH):
        with quiet():
            tried = {pool: celery("always", *pool) for pool in POOLS}
        for (pool, places, prefetch), row in tried.items():
            say(f"celery -P {pool} -c {places}, prefetch {prefetch}: {row['done_per_second']:.0f} jobs/s")
        pool = max(tried, key=lambda pool: tried[pool]["done_per_second"])
        rows = alternate(
            ROUNDS,
            sqlite=lambda: sqlite(OURS, "alone"),
            postgres=lambda: postgres(OURS, "alone"),
            celery=lambda: celery("always", *pool),
            everysec=lambda: celery("everysec", *pool),
        )
        crowd = alternate(ROUNDS, sqlite=lambda: sqlite(OURS, "crowd"), postgres=lambda: postgres(OURS, "crowd"))
    rows["celery"].append(tried[pool])
    for what, verb in (("enqueued", "written down"), ("done", "worked off")):
        for side in rows:
            say(f"{side}: {best(rows[side], what):.0f} jobs/s {verb}")
        for side in ("sqlite", "postgres"):
            for other, sync in (("celery", "synced always"), ("everysec", "synced once a second")):
                ratio(f"jobs {verb} on {side} against Celery with Redis {sync}", best(rows[side], what),
                      best(rows[other], what), "jobs/s", at_least=5)
            ratio(f"jobs {verb} on {side}, beside a million that wait", best(crowd[side], what),
                  best(rows[side], what), "jobs/s", at_least=0.8)


main()
