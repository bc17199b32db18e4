"""Pages of assets and the claim of a job at 10 rows and at 1 000 000, on SQLite and on PostgreSQL: the same time is the aim.

Measured in the process, without HTTP (`micro.rs`), and without waiting for a disk, whose time for the commit of a claim
would hide the query's: SQLite lies in memory, PostgreSQL commits asynchronously.
"""

import subprocess
import tempfile

from common import micro, peer, quiet, ratio, say

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
        # Flat but for the levels that the indexes of a million rows have and those of ten have not.
        ratio(f"{title} on {database}, 1 000 000 rows against 10", many, few, "µs", at_most=2)


def main():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as home:
        measure("SQLite", f"sqlite://{home}/gantry.db")
    with peer("pg"):
        psql = ("psql", "-h", "127.0.0.1", "-p", "7120", "-U", "postgres", "-q", "-c")
        for statement in ("DROP DATABASE IF EXISTS gantry_rows", "CREATE DATABASE gantry_rows"):
            subprocess.run([*psql, statement], check=True, capture_output=True)
        measure("PostgreSQL", f"{POSTGRES}/gantry_rows?options[synchronous_commit]=off")
        subprocess.run([*psql, "DROP DATABASE gantry_rows"], check=True, capture_output=True)


main()
