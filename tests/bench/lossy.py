#!/usr/bin/env python3
"""Uploads through Caddy over a line with delay and loss: HTTP/1.1 and HTTP/2 by curl, HTTP/3 by aioquic.

Two network namespaces are joined by a program that holds packets back and drops some, so that every protocol meets the same line. Needs
root, Caddy, and aioquic on the Python that runs it. GANTRY_TEST_BIN names the binary. Nothing is measured of other machines.

Usage: lossy.py [MEBIBYTES] [ROUND-TRIP-MS]
"""

import asyncio
import ctypes
import fcntl
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("GANTRY_TEST_BIN", str(ROOT / "target/release/gantry"))
SERVER, CLIENT = f"gantry-server-{os.getpid()}", f"gantry-client-{os.getpid()}"
ADDRESSES = {SERVER: "10.99.0.1", CLIENT: "10.99.0.2"}
LOSSES = (0.0, 0.001, 0.01)
TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 0x0001, 0x1000, 0x40000000
MOST_PACKETS_HELD = 4000


def tell(*words, **named):
    return subprocess.run(words, check=True, **named)


def open_line_end(namespace):
    """The file descriptor of an interface in the namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    own, other = (os.open(path, os.O_RDONLY) for path in ("/proc/thread-self/ns/net", f"/run/netns/{namespace}"))
    libc.setns(other, CLONE_NEWNET)
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", b"line", IFF_TUN | IFF_NO_PI))
    libc.setns(own, CLONE_NEWNET)
    tell("ip", "-n", namespace, "address", "add", f"{ADDRESSES[namespace]}/24", "dev", "line")
    for device in ("lo", "line"):
        tell("ip", "-n", namespace, "link", "set", device, "up")
    return end


class Line:
    """Both directions; each keeps the order of its packets."""

    def __init__(self, delay):
        self.delay, self.loss, self.held = delay, 0.0, 0
        self.ends = [open_line_end(SERVER), open_line_end(CLIENT)]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        loop = asyncio.new_event_loop()
        for here, there in (self.ends, self.ends[::-1]):
            loop.add_reader(here, self.take, loop, here, there)
        loop.run_forever()

    def take(self, loop, here, there):
        for _ in range(64):
            try:
                packet = os.read(here, 65536)
            except BlockingIOError:
                return
            # As a router whose queue is full.
            if random.random() >= self.loss and self.held < MOST_PACKETS_HELD:
                self.held += 1
                loop.call_later(self.delay, self.give, there, packet)

    def give(self, there, packet):
        self.held -= 1
        try:
            os.write(there, packet)
        except OSError:
            pass


def inside(namespace, *words):
    return ("ip", "netns", "exec", namespace, *words)


def start(work):
    """Gantry and Caddy in the server's namespace; the API's key."""
    tell(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=files.example",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-addext",
        "subjectAltName=DNS:files.example",
        "-keyout",
        f"{work}/key.pem",
        "-out",
        f"{work}/cert.pem",
        stderr=subprocess.DEVNULL,
    )
    site = (ROOT / "infra/caddy/Caddyfile").read_text()
    site = site.replace("{\n", "{\n\tadmin off\n\tauto_https off\n", 1).split("# The embedded store's own address")[0]
    site = site.replace("files.example {", f"https://files.example {{\n\ttls {work}/cert.pem {work}/key.pem", 1)
    (work / "Caddyfile").write_text(site)
    env = {
        **os.environ,
        "GANTRY_DATA_DIR": f"{work}/data",
        "GANTRY_SERVER__INTERIM": "always",
        "XDG_DATA_HOME": f"{work}/caddy",
        "XDG_CONFIG_HOME": f"{work}/caddy",
    }
    quiet = {"env": env, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [
        subprocess.Popen(inside(SERVER, BINARY, "serve"), **quiet),
        subprocess.Popen(
            inside(SERVER, "caddy", "run", "--adapter", "caddyfile", "--config", f"{work}/Caddyfile"), **quiet
        ),
    ]
    for _ in range(300):
        if subprocess.run(inside(CLIENT, *curl(work), "https://files.example/readyz"), **quiet).returncode == 0:
            return started, (work / "data/admin.key").read_text().strip()
        time.sleep(0.1)
    raise SystemExit("the service does not come up")


def curl(work):
    return ("curl", "-sSf", "--cacert", f"{work}/cert.pem", "--resolve", f"files.example:443:{ADDRESSES[SERVER]}")


def upload(work, protocol, key):
    """Seconds of an upload, and how many 104 came."""
    if protocol == "HTTP/3":
        words = (
            sys.executable,
            ROOT / "tests/infra/http3.py",
            "https://files.example:443/files",
            work / "file",
            work / "cert.pem",
            key,
            ADDRESSES[SERVER],
        )
        said = json.loads(tell(*inside(CLIENT, *map(str, words)), capture_output=True).stdout)
        assert said["statuses"][-1] == 201, said
        return said["seconds"], said["statuses"].count(104)
    version = {"HTTP/1.1": "--http1.1", "HTTP/2": "--http2"}[protocol]
    words = (
        *curl(work),
        version,
        "-X",
        "POST",
        "-T",
        f"{work}/file",
        "-D",
        f"{work}/heads",
        "-o",
        "/dev/null",
        "-w",
        "%{time_total}",
        "-H",
        f"Authorization: Bearer {key}",
        "-H",
        "Upload-Complete: ?1",
        "-H",
        "Upload-Draft-Interop-Version: 6",
        "https://files.example/files",
    )
    seconds = float(tell(*inside(CLIENT, *words), capture_output=True, text=True).stdout)
    return seconds, len(re.findall(r"^HTTP/\S+ 104", (work / "heads").read_text(), re.M))


def main():
    mebibytes = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    round_trip = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    work = pathlib.Path(tempfile.mkdtemp())
    (work / "file").write_bytes(os.urandom(mebibytes << 20))
    started = []
    try:
        for namespace in (SERVER, CLIENT):
            tell("ip", "netns", "add", namespace)
        # As aioquic's QUIC: the protocols are compared, not the answers to loss. With BBR, as servers often have it, TCP is faster.
        for namespace in (SERVER, CLIENT):
            tell(*inside(namespace, "sh", "-c", "echo reno >/proc/sys/net/ipv4/tcp_congestion_control"))
        line = Line(round_trip / 2000)
        started, key = start(work)
        print(f"{mebibytes} MiB, {round_trip:g} ms there and back; MiB/s (104 heard)")
        for loss in LOSSES:
            line.loss = loss
            row = []
            for protocol in ("HTTP/1.1", "HTTP/2", "HTTP/3"):
                seconds, heard = upload(work, protocol, key)
                row.append(f"{protocol} {mebibytes / seconds:.2f} ({heard})")
            print(f"loss {loss:.1%} each way: {', '.join(row)}", flush=True)
    finally:
        for process in started:
            process.terminate()
            process.wait()
        for namespace in (SERVER, CLIENT):
            subprocess.run(("ip", "netns", "delete", namespace), check=False)
        shutil.rmtree(work, ignore_errors=True)


main()
