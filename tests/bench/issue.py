"""Opening single-PUT uploads with the row written: ours against Django + DRF + boto3 under gunicorn, one server core each.

On SQLite (both with synchronous=FULL) and on one PostgreSQL with its durable defaults. PostgreSQL shares the server's core
in both cases.
"""

import json
import subprocess

from common import MIB, Gantry, alternate, load, median, peer, ratio, say

ROUNDS = 3
CONNECTIONS = (1, 32, 256)
WISH = {"filename": "holiday.mp4", "size": MIB, "content_type": "video/mp4"}
DJANGO_WISH = {"filename": "holiday.mp4", "size": MIB, "type": "video/mp4"}
POSTGRES = "postgres://postgres@127.0.0.1:7120"


def sides(gantry, connections):
    common = {"method": "POST", "conc": connections, "runs": 1, "secs": 5, "warm": 1}
    json_type = "content-type: application/json"

    def ours():
        (row,) = load(
            "wrk",
            name="ours",
            pids=gantry.pid,
            base=gantry.url,
            path="/v1/uploads",
            body=json.dumps(WISH),
            header=[json_type, gantry.auth],
            **common,
        )
        return row

    def django():
        (row,) = load(
            "wrk",
            name="django",
            pids="django",
            base="http://127.0.0.1:7105",
            path="/files",
            body=json.dumps(DJANGO_WISH),
            header=[json_type],
            **common,
        )
        return row

    return {"ours": ours, "django": django}


def compare(database, gantry):
    for connections in CONNECTIONS:
        rows = alternate(ROUNDS, **sides(gantry, connections))
        rate, rss, p99 = {}, {}, {}
        for side in rows:
            bad = sum(row["bad"] + row["sock"] for row in rows[side])
            rate[side], p99[side] = median(rows[side], "rps"), median(rows[side], "p99_ms")
            rss[side] = max(row["rss_mib"] for row in rows[side])
            p50, cpu = median(rows[side], "p50_ms"), median(rows[side], "cpu_us_per_req")
            say(f"{side} on {database}, {connections} connections: {rate[side]:.0f}/s, p50 {p50:.2f} ms, "
                f"p99 {p99[side]:.2f} ms, {cpu:.0f} µs of CPU each, {rss[side]:.0f} MiB, {bad} failed")
        where = f"creating on {database}, {connections} connections"
        # One connection waits for one fsync after the other on both sides: there the aim is to be ahead.
        ratio(where, rate["ours"], rate["django"], "uploads/s", at_least=1 if connections == 1 else 20)
        if connections == 32:
            ratio(f"{where}, p99 against 5 ms", p99["ours"], 5, "ms", at_most=1)
            ratio(f"{where}, memory", rss["ours"], rss["django"], "MiB", at_most=0.2)


def main():
    with peer("django", DJ_DB="sqlite"), Gantry() as gantry:
        compare("SQLite", gantry)
    with peer("pg"):
        sql = ("-h", "127.0.0.1", "-p", "7120", "-U", "postgres", "-q", "-c")
        for statement in ("DROP DATABASE IF EXISTS gantry", "CREATE DATABASE gantry"):
            subprocess.run(["psql", *sql, statement], check=True, capture_output=True)
        with peer("django", DJ_DB="pg"), Gantry(GANTRY_DATABASE_URL=f"{POSTGRES}/gantry") as gantry:
            compare("PostgreSQL", gantry)


main()
