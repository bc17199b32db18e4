"""PUT and GET of 1 GiB at the embedded store: against the limits of the machine, SeaweedFS and Garage.

Nothing is pinned here, because a limit leaves a core to its other side. All stores get the same presigned requests from
the same client. Ours syncs before it answers; the others run as they come, which is without.
"""

import hashlib
import multiprocessing
import os
import socket
import time

from common import BENCH, GIB, MIB, Gantry, alternate, median, micro, quiet, ratio, say
from stores import Store, garage, seaweedfs
from wire import BUFFER, drain, send

ROUNDS = 3


def ours(gantry):
    exports = gantry.store_exports()
    return Store(gantry, exports["AWS_ENDPOINT_URL"], exports["AWS_REGION"], exports["AWS_ACCESS_KEY_ID"],
                 exports["AWS_SECRET_ACCESS_KEY"], exports["GANTRY_BUCKET"], False)


def loopback():
    """MiB/s of a process that only sends from memory, to the client that also loads the stores."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def sender():
            s, _ = listener.accept()
            send(s, GIB)

        child = multiprocessing.get_context("fork").Process(target=sender)
        child.start()
        begun = time.perf_counter()
        with socket.create_connection(listener.getsockname()) as s:
            drain(s, GIB)
        seconds = time.perf_counter() - begun
        child.join()
    return {"mibs": 1024 / seconds}


def disk():
    """MiB/s of writing a file of 1 GiB where the stores keep theirs, and of making it durable."""
    path = f"{BENCH}/data/disk"
    begun = time.perf_counter()
    with open(path, "wb", buffering=0) as file:
        for _ in range(1024):
            file.write(BUFFER)
        os.fdatasync(file.fileno())
    seconds = time.perf_counter() - begun
    os.unlink(path)
    return {"mibs": 1024 / seconds}


def openssl_md5():
    begun, md5 = time.perf_counter(), hashlib.md5()
    for _ in range(1024):
        md5.update(BUFFER)
    md5.digest()
    return {"mibs": 1024 / (time.perf_counter() - begun)}


def crate_md5():
    """The crate that the embedded store uses."""
    return {"mibs": micro("md5", cpu="")["bytes_per_second"] / MIB}


def compare_with(name, mine, start):
    with start() as other:
        rows = alternate(3, ours_put=mine.put, their_put=other.put, ours_get=mine.get, their_get=other.get)
    for verb in ("put", "get"):
        ours_rows, theirs = rows[f"ours_{verb}"], rows[f"their_{verb}"]
        for side, some in (("ours", ours_rows), (name, theirs)):
            say(f"{side} {verb.upper()} 1 GiB: {median(some, 'mibs'):.0f} MiB/s, {median(some, 'cpu'):.2f} s of CPU")
        ratio(f"{verb.upper()} against {name}", median(ours_rows, "mibs"), median(theirs, "mibs"), "MiB/s", at_least=1)
        what = f"{verb.upper()} against {name}, CPU per GiB"
        ratio(what, median(ours_rows, "cpu"), median(theirs, "cpu"), "s", at_most=1)


def main():
    with Gantry(cpu="") as gantry:
        mine = ours(gantry)
        with quiet():
            mine.put()
        rows = alternate(ROUNDS, put=mine.put, get=mine.get, loopback=loopback, disk=disk, md5=crate_md5, openssl=openssl_md5)
        speed = {name: median(some, "mibs") for name, some in rows.items()}
        say("limits: " + ", ".join(f"{name} {speed[name]:.0f} MiB/s" for name in ("loopback", "disk", "md5", "openssl")))
        say(f"ours: PUT {speed['put']:.0f} MiB/s, {median(rows['put'], 'cpu'):.2f} s of CPU; "
            f"GET {speed['get']:.0f} MiB/s, {median(rows['get'], 'cpu'):.2f} s of CPU")
        ratio("GET 1 GiB against loopback", speed["get"], speed["loopback"], "MiB/s", at_least=0.8)
        limit = min(("disk", "md5"), key=speed.get)
        named = {"disk": "disk with fdatasync", "md5": "one core of the crate's MD5"}[limit]
        ratio(f"PUT 1 GiB against {named}", speed["put"], speed[limit], "MiB/s", at_least=0.8)
        ratio("PUT 1 GiB against OpenSSL's MD5", speed["put"], speed["openssl"], "MiB/s", at_least=0.8)
        compare_with("SeaweedFS", mine, seaweedfs)
        compare_with("Garage", mine, garage)


main()
