"""Handing out from the embedded store: a stream against nginx's and Django's own files, X-Accel-Redirect against nginx alone,
authorised ranges, and redirects.

The file is 1 GiB of one segment. Every request of ours is authorised: by the key, or by a link's token. nginx uses sendfile.
"""

import os
import subprocess
import sys
import time

from common import BENCH, Gantry, alternate, load, median, peer, quiet, ratio, say
from stream import ready_asset

ROUNDS = int(os.environ.get("ROUNDS", "3"))
NGINX, DJANGO = "http://127.0.0.1:7107", "http://127.0.0.1:7105"
FILE_ID = "00000000-0000-4000-8000-000000000001"
SECRET = "0123456789abcdef0123456789abcdef"


def whole(name, pids, base, path, header=()):
    (row,) = load("dl", name=name, pids=pids, base=base, path=path, header=list(header), runs=1, no_range=True)
    return row


def ranges(name, pids, base, path, connections, header=()):
    rows = load("dl", name=name, pids=pids, base=base, path=path, header=list(header), runs=1, no_full=True,
                conc=connections)
    return rows[-1]


def wrk(name, url, connections, header=()):
    """Requests per second of a small answer."""
    command = ["taskset", "-c", os.environ.get("CLI_CPU", "1"), "wrk", "-t1", f"-c{connections}", "-d5s", url]
    for one in header:
        command += ["-H", one]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = next(line.split()[1] for line in said.splitlines() if line.startswith("Requests/sec"))
    bad = [line for line in said.splitlines() if "Non-2xx" in line]
    assert not bad, f"{name}: {said}"
    return {"name": name, "rps": float(rate)}


def told(side, rows):
    say(f"{side}: {median(rows, 'cpu_s_per_GiB'):.2f} s of CPU per GiB, {median(rows, 'MiBps'):.0f} MiB/s, "
        f"{max(row['rss_mib'] for row in rows)} MiB")


def streams(gantry, content):
    rows = alternate(
        ROUNDS,
        ours=lambda: whole("ours", gantry.pid, gantry.url, content, [gantry.auth]),
        nginx=lambda: whole("nginx", "nginx", NGINX, "/direct/1g.bin"),
        django=lambda: whole("django", "django", DJANGO, f"/s/{FILE_ID}"),
    )
    for side, some in rows.items():
        told(f"a stream, {side}", some)
    mine = rows["ours"]
    for side in ("nginx", "django"):
        ratio(f"stream from the embedded store, CPU, against {side}", median(mine, "cpu_s_per_GiB"),
              median(rows[side], "cpu_s_per_GiB"), "s/GiB", at_most=1.2)
    ratio("stream from the embedded store, throughput, against nginx", median(mine, "MiBps"),
          median(rows["nginx"], "MiBps"), "MiB/s", at_least=1 / 1.2)


def random_ranges(gantry, content):
    for connections in (1, 32):
        rows = alternate(
            ROUNDS,
            ours=lambda: ranges("ours", gantry.pid, gantry.url, content, connections, [gantry.auth]),
            nginx=lambda: ranges("nginx", "nginx", NGINX, "/direct/1g.bin", connections),
            django=lambda: ranges("django-x-accel", "nginx,django", NGINX, f"/dj/x/{FILE_ID}", connections),
        )
        for side, some in rows.items():
            say(f"64 KiB ranges on {connections} connections, {side}: {median(some, 'rps'):.0f}/s, "
                f"{median(some, 'cpu_us_per_req'):.1f} µs of CPU each")
        ratio(f"authorised 64 KiB ranges, {connections} connections, against Django behind X-Accel",
              median(rows["ours"], "rps"), median(rows["django"], "rps"), "/s", at_least=20)
        say(f"authorised 64 KiB ranges on one core: {1e6 / median(rows['ours'], 'cpu_us_per_req'):.0f}/s by CPU (aim 25000)")


def redirects(gantry, asset):
    url = f"{gantry.url}/v1/assets/{asset}/content?delivery=redirect"
    rows = alternate(
        ROUNDS,
        ours=lambda: wrk("ours", url, 256, [gantry.auth]),
        django=lambda: wrk("django", f"{DJANGO}/files/{FILE_ID}", 256),
    )
    ratio("redirects at 256 connections against Django", median(rows["ours"], "rps"), median(rows["django"], "rps"),
          "/s", at_least=50)


def links(gantry, asset):
    """Links in batches of a thousand, by the CPU that they cost the service."""
    body = {"links": [{"asset": asset, "expires_in": 60}] * 1000}
    with quiet():
        before, began = gantry.cpu(), time.monotonic()
        for _ in range(30):
            gantry.ask("POST", "/v1/links", body)
        took, cpu = time.monotonic() - began, gantry.cpu() - before
    say(f"links in batches of 1000: {30_000 / took:.0f}/s, {cpu / 30_000 * 1e6:.1f} µs of CPU each (aim 100000/s)")


def main():
    settings = {"GANTRY_DELIVERY": "stream", "GANTRY_TRUSTED_PROXY_SECRET": SECRET}
    parts = sys.argv[1:] or ["streams", "ranges", "redirects", "links"]
    with peer("django", "nginx", DJ_DB="sqlite", DL_FILE=f"{BENCH}/data/dl/1g.bin"), Gantry(**settings) as gantry:
        asset = ready_asset(gantry)
        content = f"/v1/assets/{asset}/content?delivery=stream"
        if "streams" in parts:
            streams(gantry, content)
        if "ranges" in parts:
            random_ranges(gantry, content)
        if "redirects" in parts:
            redirects(gantry, asset)
        if "links" in parts:
            links(gantry, asset)


main()
