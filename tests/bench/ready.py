"""From "complete" to "ready" for a photo of 10 MB: digest, type, virus scan, facts, six derivatives; one upload after another.

SQLite and the embedded store, clamd on the same CPU as the service. Its signatures are one line, EICAR's: what is measured
is the way to a scanner and back with its unpacking and hashing, not a search for millions of patterns.
"""

import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

from common import BENCH, SRV_CPU, Gantry, Server, as_client, free_port, quiet, say
from wire import connect, head

PHOTOS = 30
ROUNDS = 3
SIZE = 10_000_000
CLAMD = """Foreground yes
TCPSocket {port}
TCPAddr 127.0.0.1
DatabaseDirectory {home}
TemporaryDirectory {home}
OfficialDatabaseOnly no
StreamMaxLength 64M
MaxScanSize 64M
MaxFileSize 64M
AlertExceedsMax yes
SelfCheck 0
"""


def make_photo(folder):
    """A 12-megapixel JPEG of about 10 MB: noise over colours, as much of it as fills it."""
    photo = f"{folder}/photo.jpg"
    low, high = 1, 100
    while low < high:
        noise = (low + high) // 2
        source = f"mandelbrot=s=4000x3000:r=1,noise=alls={noise}:allf=u"
        command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-frames:v", "1", "-q:v", "3", photo]
        subprocess.run(command, check=True)
        if os.path.getsize(photo) < SIZE:
            low = noise + 1
        else:
            high = noise
    return open(photo, "rb").read()


@contextlib.contextmanager
def clamd():
    """One that takes whole photos; its address."""
    port = free_port()

    def answers():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as s:
            s.sendall(b"nPING\n")
            return s.recv(16) == b"PONG\n"
        return False

    with tempfile.TemporaryDirectory(dir=BENCH) as home:
        os.chmod(home, 0o777)
        with open(f"{home}/test.hdb", "w") as signatures:
            signatures.write("44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test\n")
        with open(f"{home}/clamd.conf", "w") as config:
            config.write(CLAMD.format(port=port, home=home))
        with Server("clamd", ["clamd", f"--config-file={home}/clamd.conf"], answers):
            yield f"tcp://127.0.0.1:{port}"


class Listener(threading.Thread):
    """Hears by Server-Sent Events when assets became ready."""

    def __init__(self, gantry):
        super().__init__(daemon=True)
        self.heard = {}
        self.connection = http.client.HTTPConnection("127.0.0.1", gantry.port)
        self.connection.request("GET", "/v1/events", headers={"Authorization": f"Bearer {gantry.key}"})
        self.answer = self.connection.getresponse()

    def run(self):
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            while line := self.answer.readline():
                if line.startswith(b'data: {"id"'):
                    event = json.loads(line[6:])
                    if event["type"] == "asset.ready":
                        self.heard[event["asset_id"]] = time.perf_counter()


def bring(gantry, photo):
    """Seconds from sending "complete" until a long poll said "ready"; the asset, and when it was sent."""
    opened = gantry.ask("POST", "/v1/uploads", {"filename": "photo.jpg", "size": len(photo), "method": "put"})
    s, path, host = connect(opened["put"]["url"])
    with s:
        s.sendall(f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(photo)}\r\n".encode())
        extra = (f"{name}: {value}\r\n" for name, value in opened["put"]["headers"].items() if name != "content-length")
        s.sendall("".join(extra).encode() + b"\r\n" + photo)
        assert head(s)[0] == 200
    begun, asset = time.perf_counter(), opened["asset"]["id"]
    gantry.ask("POST", f"/v1/uploads/{opened['upload']['id']}/complete")
    state = gantry.ask("GET", f"/v1/assets/{asset}?wait=30s&until=ready")["state"]
    if state != "ready":
        raise SystemExit(f"the photo is {state}")
    return time.perf_counter() - begun, asset, begun


def steps(log):
    """Milliseconds of every step, by name, from the service's own log."""
    found = {}
    for line in open(log):
        if line.startswith("{") and (fields := json.loads(line)).get("message") == "step done":
            found.setdefault(fields["step"], []).append(int(fields["micros"]) / 1000)
    return found


def p99(values):
    return sorted(values)[-1 - len(values) // 100]


def measure(photo, **settings):
    """Milliseconds of each upload until a long poll and until an event said so, and of each step."""
    with Gantry(GANTRY_LOG__LEVEL="warn,gantry=debug", GANTRY_LOG__FORMAT="json", **settings) as gantry, quiet():
        bring(gantry, photo)
        listener = Listener(gantry)
        listener.start()
        polled, told = [], []
        for _ in range(PHOTOS):
            took, asset, begun = bring(gantry, photo)
            deadline = time.monotonic() + 10
            while asset not in listener.heard and time.monotonic() < deadline:
                time.sleep(0.002)
            polled.append(took * 1000)
            told.append((listener.heard[asset] - begun) * 1000)
        return {"polled": polled, "told": told, "steps": steps(gantry.log), "rss": gantry.rss()}


def main():
    as_client()
    folder = tempfile.mkdtemp(dir=BENCH)
    try:
        photo = make_photo(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with clamd() as scanner:
        rounds = [measure(photo, GANTRY_CLAMD=scanner) for _ in range(ROUNDS)]
        free = [measure(photo, GANTRY_CLAMD=scanner, cpu="0-1") for _ in range(ROUNDS)]
    for title, runs in ((f"on CPU {SRV_CPU}", rounds), ("on both CPUs", free)):
        run = min(runs, key=lambda run: statistics.median(run["polled"]))
        say(f"a photo of {len(photo) / 1e6:.1f} MB from complete to ready, {title}: p50 {statistics.median(run['polled']):.0f} ms, "
            f"p99 {p99(run['polled']):.0f} ms by long poll, p50 {statistics.median(run['told']):.0f} ms, "
            f"p99 {p99(run['told']):.0f} ms by event")
        for step, millis in run["steps"].items():
            say(f"  {step}: p50 {statistics.median(millis):.0f} ms, p99 {p99(millis):.0f} ms")


main()
