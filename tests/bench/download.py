"""Handing out from the embedded store: a stream against nginx's and Django's own files, X-Accel-Redirect against nginx alone,
authorised ranges, redirects, links, and readers that hardly read.

The file is 1 GiB of one segment. Every request of ours is authorised: by the key, or by a link's token. nginx uses sendfile.
"""

import json
import os
import select
import sys
import time

from common import (
    BENCH, GIB, Gantry, Server, alternate, answers, as_client, free_port, load, median, peer, quiet, ratio, say, told, whole
)
from wire import reader, ready_asset

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SLOW = 500
NGINX, DJANGO = "http://127.0.0.1:7107", "http://127.0.0.1:7105"
FILE_ID = "00000000-0000-4000-8000-000000000001"
SECRET = "0123456789abcdef0123456789abcdef"


def ranges(name, pids, base, path, connections, header=()):
    rows = load("dl", name=name, pids=pids, base=base, path=path, header=list(header), runs=1, no_full=True,
                conc=connections)
    return rows[-1]


def wrk(name, pids, base, path, connections, **more):
    """A small answer, over and over."""
    (row,) = load("wrk", name=name, pids=pids, base=base, path=path, conc=connections, runs=1, secs=5, warm=1, **more)
    assert not row["bad"] + row["sock"], row
    return row


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
    content = f"/v1/assets/{asset}/content?delivery=redirect"
    rows = alternate(
        ROUNDS,
        ours=lambda: wrk("ours", gantry.pid, gantry.url, content, 256, header=[gantry.auth]),
        django=lambda: wrk("django", "django", DJANGO, f"/files/{FILE_ID}", 256),
    )
    ratio("redirects at 256 connections against Django", median(rows["ours"], "rps"), median(rows["django"], "rps"),
          "/s", at_least=50)


def links(gantry, asset):
    """Links one by one and in batches of a thousand, by the CPU that they cost the service."""
    body, header = json.dumps({"expires_in": 60}), ["content-type: application/json", gantry.auth]
    one_by_one = lambda: wrk("ours", gantry.pid, gantry.url, f"/v1/assets/{asset}/links", 32, method="POST", body=body, header=header)
    rows = alternate(ROUNDS, ours=one_by_one)["ours"]
    say(f"links one by one, 32 connections: {median(rows, 'rps'):.0f}/s, {median(rows, 'cpu_us_per_req'):.1f} µs of CPU each")
    body = {"links": [{"asset": asset, "expires_in": 60}] * 1000}
    with quiet():
        before, began = gantry.cpu(), time.monotonic()
        for _ in range(100):
            gantry.ask("POST", "/v1/links", body)
        took, cpu = time.monotonic() - began, gantry.cpu() - before
    say(f"links in batches of 1000: {100_000 / took:.0f}/s, {cpu / 100_000 * 1e6:.1f} µs of CPU each, "
        f"{100_000 / cpu:.0f} a second of CPU (aim 100000)")


ACCEL = """
daemon off; user root; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nodelay on; sendfile_max_chunk 2m; keepalive_requests 1000000; open_file_cache max=100;
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  upstream gantry {{ server 127.0.0.1:{gantry}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /ping {{ return 200 ok; }}
    location /alone/ {{ alias {files}/; }}
    location /_gantry/files/ {{ internal; alias {files}/; etag off; if_modified_since off; }}
    location / {{
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Gantry-Proxy-Secret {secret};
      proxy_pass http://gantry;
    }}
  }}
}}
"""


def accel(gantry, asset):
    """nginx sending what Gantry told it to, against the same nginx sending the same file to anybody."""
    home, port, files = f"{BENCH}/data/nginx-accel", free_port(), f"{gantry.dir}/store/files"
    os.makedirs(home, exist_ok=True)
    with open(f"{home}/nginx.conf", "w") as file:
        file.write(ACCEL.format(dir=home, gantry=gantry.port, port=port, files=files, secret=SECRET))
    largest = max((entry for folder in os.scandir(files) for entry in os.scandir(folder)), key=lambda entry: entry.stat().st_size)
    alone, content = f"/alone/{os.path.relpath(largest.path, files)}", f"/v1/assets/{asset}/content?delivery=accel"
    base = f"http://127.0.0.1:{port}"
    with Server("nginx-accel", ["/usr/sbin/nginx", "-c", f"{home}/nginx.conf"], answers(f"{base}/ping")) as nginx:
        both = f"{nginx.pid},{gantry.pid}"
        rows = alternate(
            ROUNDS,
            ours=lambda: whole("accel", both, base, content, [gantry.auth]),
            nginx=lambda: whole("nginx", nginx.pid, base, alone),
        )
        for side, some in rows.items():
            told(f"X-Accel-Redirect, {side}", some)
        ratio("X-Accel-Redirect of 1 GiB, throughput, against nginx alone", median(rows["ours"], "MiBps"),
              median(rows["nginx"], "MiBps"), "MiB/s", at_least=0.95)
        ratio("X-Accel-Redirect of 1 GiB, CPU, against nginx alone", median(rows["ours"], "cpu_s_per_GiB"),
              median(rows["nginx"], "cpu_s_per_GiB"), "s/GiB", at_most=1.05)


def slow_readers(gantry):
    """Resident memory with 500 readers of 10 GB, each of whom takes 64 KiB a second."""
    as_client()
    asset = ready_asset(gantry, 10 * GIB)
    with quiet():
        time.sleep(2)
        before, readers = gantry.rss(), [reader(gantry, asset) for _ in range(SLOW)]
        seen, taken = [], 0
        for _ in range(20):
            began = time.monotonic()
            for one in readers:
                if select.select([one], [], [], 5)[0]:
                    taken += len(one.recv(65536))
            time.sleep(max(0, 1 - (time.monotonic() - began)))
            seen.append(gantry.rss())
        for one in readers:
            one.close()
    mib = [value >> 20 for value in (before, seen[4], seen[-1], max(seen))]
    say(f"{SLOW} slow readers of 10 GiB: {mib[0]} MiB before, {mib[1]} after 5 s, {mib[2]} after 20 s, {mib[3]} at most; "
        f"{taken >> 20} MiB read")
    ratio("resident memory of 500 slow readers, after 20 s against after 5 s", seen[-1], seen[4], "bytes", at_most=1.1)


def main():
    settings = {"GANTRY_DELIVERY": "stream", "GANTRY_TRUSTED_PROXY_SECRET": SECRET,
                "GANTRY_DOWNLOADS__ALSO": "redirect,stream,accel"}
    parts = sys.argv[1:] or ["streams", "accel", "ranges", "redirects", "links", "slow"]
    with peer("django", "nginx", DJ_DB="sqlite", DL_FILE=f"{BENCH}/data/dl/1g.bin"), Gantry(**settings) as gantry:
        asset = ready_asset(gantry, GIB)
        content = f"/v1/assets/{asset}/content?delivery=stream"
        if "streams" in parts:
            streams(gantry, content)
        if "ranges" in parts:
            random_ranges(gantry, content)
        if "redirects" in parts:
            redirects(gantry, asset)
        if "links" in parts:
            links(gantry, asset)
        if "accel" in parts:
            accel(gantry, asset)
        if "slow" in parts:
            slow_readers(gantry)


if __name__ == "__main__":
    main()
