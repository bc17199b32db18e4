"""Pages of assets and the claim of a job at 10 rows and at 1 000 000, on SQLite and on PostgreSQL: the same time is the aim.

Measured in the process, without HTTP (`micro.rs`). A claim is a durable commit, so its time is mostly the disk's.
"""

import os
import shutil
import subprocess

from common import BENCH, micro, peer, quiet, ratio, say

POSTGRES = "postgres://postgres@127.0.0.1:7120"
QUERIES = {
    "first_page": "first page",
    "middle_page": "page from the middle",
    "state_page": "page of one state",
    "claim": "job claim",
}


def measure(database, url):
    with quiet():
        found = micro("rows", url)
    for query, title in QUERIES.items():
        few, many = found[f"{query}_few_us"], found[f"{query}_many_us"]
        say(f"{title} on {database}: {few:.0f} µs at 10 rows, {many:.0f} µs at 1 000 000")
        # Flat, with room for caches that a million rows no longer fit into.
        ratio(f"{title} on {database}, 1 000 000 rows against 10", many, few, "µs", at_most=1.5)


def main():
    home = f"{BENCH}/data/rows"
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    measure("SQLite", f"sqlite://{home}/gantry.db")
    shutil.rmtree(home)
    with peer("pg"):
        psql = ("psql", "-h", "127.0.0.1", "-p", "7120", "-U", "postgres", "-q", "-c")
        for statement in ("DROP DATABASE IF EXISTS gantry_rows", "CREATE DATABASE gantry_rows"):
            subprocess.run([*psql, statement], check=True, capture_output=True)
        measure("PostgreSQL", f"{POSTGRES}/gantry_rows")
        subprocess.run([*psql, "DROP DATABASE gantry_rows"], check=True, capture_output=True)


main()
