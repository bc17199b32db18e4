"""Resident memory with 200 uploads and 200 downloads under way at once, from clients that have stalled: flat in file size.

Uploads are parts on their way into the embedded store, downloads are streams through the service: the two ways on which
bytes pass through the process. Every client sends or takes a little, then waits.
"""

import contextlib
import time

from common import GIB, MIB, Gantry, as_client, quiet, ratio, say
from wire import BUFFER, connect, reader, ready_asset

CLIENTS = 200
# Less than a batch of the store's, so that every upload holds what it has got so far.
SENT = 700 << 10
SMALL, LARGE = 50 * MIB, GIB


def upload(gantry, size, part):
    """A connection in the middle of a part."""
    wish = {"filename": "a.bin", "size": size, "part_size": part, "method": "multipart", "urls": 1}
    first = gantry.ask("POST", "/v1/uploads", wish)["multipart"]["urls"][0]
    s, path, host = connect(first["url"])
    s.sendall(f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {part}\r\n\r\n".encode())
    s.sendall(BUFFER[:SENT])
    return s


def download(gantry, asset):
    """A connection in the middle of a stream, whose client reads no further."""
    s = reader(gantry, asset)
    answer = s.recv(32768)
    assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    return s


def measure(size, part):
    """Resident MiB: idle, with the uploads, with the downloads too."""
    with Gantry() as gantry, contextlib.ExitStack() as connections, quiet():
        asset = ready_asset(gantry, size)
        time.sleep(1)
        steps = [gantry.rss()]
        for _ in range(CLIENTS):
            connections.enter_context(upload(gantry, size, part))
        time.sleep(3)
        steps.append(gantry.rss())
        for _ in range(CLIENTS):
            connections.enter_context(download(gantry, asset))
        time.sleep(3)
        steps.append(gantry.rss())
    idle, uploads, both = (step / MIB for step in steps)
    say(f"files of {size / MIB:.0f} MiB: {idle:.0f} MiB before, {uploads:.0f} MiB with {CLIENTS} uploads, "
        f"{both:.0f} MiB with {CLIENTS} downloads as well")
    return both


def main():
    as_client()
    small, large = measure(SMALL, SMALL // 2), measure(LARGE, LARGE // 8)
    ratio("memory with 200 + 200 under way, files of 1 GiB against 50 MiB", large, small, "MiB", at_most=1.1)


if __name__ == "__main__":
    main()
