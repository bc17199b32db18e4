"""The cheapest HTTP client that Python allows, so that what is measured is the server: one request per connection,
bodies from one buffer and into one."""

import os
import socket
import time
import urllib.parse

from common import GIB, MIB

BUFFER = memoryview(os.urandom(MIB))


def connect(url):
    parts = urllib.parse.urlsplit(url)
    s = socket.create_connection((parts.hostname, parts.port), timeout=300)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s, f"{parts.path}?{parts.query}", parts.netloc


def head(s):
    """Status, headers in lower case, and what came of the body."""
    text = b""
    while b"\r\n\r\n" not in text:
        more = s.recv(65536)
        if not more:
            raise SystemExit(f"the server closed: {text!r}")
        text += more
    text, body = text.split(b"\r\n\r\n", 1)
    lines = text.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


def send(s, size):
    """`size` bytes from the one buffer."""
    for left in range(size, 0, -MIB):
        s.sendall(BUFFER[: min(left, MIB)])


def put(url, size, headers=None):
    """Seconds of one PUT; the answer included."""
    begun = time.perf_counter()
    s, path, host = connect(url)
    with s:
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items() if name != "content-length")
        s.sendall(f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n{extra}\r\n".encode())
        send(s, size)
        status, _, body = head(s)
    if status != 200:
        raise SystemExit(f"PUT {path[:80]}: {status} {body[:500]}")
    return time.perf_counter() - begun


def drain(s, size):
    """Receives `size` bytes into one buffer."""
    buffer = bytearray(MIB)
    while size > 0:
        got = s.recv_into(buffer)
        if not got:
            raise SystemExit(f"{size} bytes are missing")
        size -= got


def get(url, headers=None):
    """Seconds of one GET, and the size of what came."""
    begun = time.perf_counter()
    s, path, host = connect(url)
    with s:
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n".encode())
        status, answer, body = head(s)
        if status != 200:
            raise SystemExit(f"GET {path[:80]}: {status} {body[:500]}")
        size = int(answer["content-length"])
        drain(s, size - len(body))
    return time.perf_counter() - begun, size


def ready_asset(gantry, size):
    """An asset of `size` bytes, processed; above 1 GiB it comes in parts of that."""
    wish = {"filename": "a.bin", "size": size, "method": "put"}
    if size > GIB:
        wish |= {"method": "multipart", "part_size": GIB, "urls": -(-size // GIB)}
    opened = gantry.ask("POST", "/v1/uploads", wish)
    if size > GIB:
        for at, part in enumerate(opened["multipart"]["urls"]):
            put(part["url"], min(GIB, size - at * GIB))
    else:
        put(opened["put"]["url"], size, opened["put"]["headers"])
    gantry.ask("POST", f"/v1/uploads/{opened['upload']['id']}/complete")
    asset = opened["asset"]["id"]
    while (state := gantry.ask("GET", f"/v1/assets/{asset}?wait=60s&until=ready")["state"]) != "ready":
        assert state in ("stored", "processing"), state
    return asset


def reader(gantry, asset):
    """A connection on which a stream was asked for, with little room for what comes."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.connect(("127.0.0.1", gantry.port))
    path = f"/v1/assets/{asset}/content?delivery=stream"
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{gantry.auth}\r\n\r\n".encode())
    return s
