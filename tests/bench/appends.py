"""Resident memory with 100 tus uploads under way at full speed, in files of 64 MiB and of 10 GiB: flat in file size, and
nothing on disk but the database. Every client sends the same number of bytes; the store is the peers' sink."""

import contextlib
import os
import selectors
import socket
import time

from common import GIB, MIB, Gantry, as_client, peer, quiet, ratio, say
from sink import SINK
from wire import BUFFER, head

CLIENTS = 100
SENT = 64 * MIB


def begin(gantry, size):
    """A connection whose PATCH has begun."""
    with socket.create_connection(("127.0.0.1", gantry.port)) as s:
        s.sendall(f"POST /tus HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Length: {size}\r\n{gantry.auth}\r\n"
                  "Content-Length: 0\r\n\r\n".encode())
        status, headers, _ = head(s)
        assert status == 201, status
    path = "/" + headers["location"].split("/", 3)[3]
    s = socket.create_connection(("127.0.0.1", gantry.port))
    s.sendall(f"PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n{gantry.auth}\r\n"
              f"Content-Type: application/offset+octet-stream\r\nContent-Length: {size}\r\n\r\n".encode())
    s.setblocking(False)
    return s


def send_to_all(gantry, connections):
    """The peak of resident bytes while everybody sends."""
    ready, peak, looked = selectors.DefaultSelector(), 0, 0.0
    for s in connections:
        ready.register(s, selectors.EVENT_WRITE, [0])
    while ready.get_map():
        for key, _ in ready.select(timeout=30):
            sent = key.data
            with contextlib.suppress(BlockingIOError):
                sent[0] += key.fileobj.send(BUFFER[: min(len(BUFFER), SENT - sent[0])])
            if sent[0] == SENT:
                ready.unregister(key.fileobj)
        if time.monotonic() - looked > 0.1:
            peak, looked = max(peak, gantry.rss()), time.monotonic()
    return peak


def on_disk(directory):
    return sum(os.path.getsize(f"{at}/{name}") for at, _, names in os.walk(directory) for name in names if ".db" not in name)


def measure(size):
    with peer("s3sink"), Gantry(GANTRY_PROCESSING__DIGEST_UP_TO="0", **SINK) as gantry, quiet():
        idle = gantry.rss()
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(begin(gantry, size)) for _ in range(CLIENTS)]
            begun = time.monotonic()
            peak = send_to_all(gantry, connections)
            speed = CLIENTS * SENT / MIB / (time.monotonic() - begun)
            files = on_disk(gantry.dir)
    say(f"files of {size / MIB:.0f} MiB: {idle / MIB:.0f} MiB before, at most {peak / MIB:.0f} MiB with {CLIENTS} uploads at "
        f"{speed:.0f} MiB/s in all, {files / MIB:.2f} MiB in files beside the database")
    return peak / MIB, files / MIB


def main():
    as_client()
    (small, few), (large, many) = measure(SENT), measure(10 * GIB)
    ratio(f"peak memory with {CLIENTS} uploads", max(small, large), 512, "MiB", at_most=1)
    ratio("peak memory, files of 10 GiB against 64 MiB", large, small, "MiB", at_most=1.1)
    ratio("files on disk beside the database", max(few, many), 1, "MiB", at_most=1)


main()
