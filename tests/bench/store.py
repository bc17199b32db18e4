"""PUT and GET of 1 GiB at the embedded store: against the limits of the machine, and against SeaweedFS.

Nothing is pinned here, because a limit leaves a core to its other side. Both stores get the same presigned requests from
the same client. Ours syncs before it answers; SeaweedFS runs as it comes, which is without.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
import socket
import time

import boto3
from botocore.config import Config

from common import BENCH, BENCH_TOOLS, GIB, MIB, Gantry, Server, alternate, answers, free_port, median, micro, quiet, ratio, say
from wire import BUFFER, drain, get, put, send

ROUNDS = 3
KEY, SECRET = "AKGANTRYTEST000001", "gantry-test-secret-0123456789abcdef"


class Store:
    """A store under load: presigned requests to it, and what they cost it."""

    def __init__(self, server, endpoint, region, key, secret, bucket, make_bucket):
        self.server, self.bucket = server, bucket
        config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
        credentials = {"aws_access_key_id": key, "aws_secret_access_key": secret}
        self.s3 = boto3.client("s3", endpoint_url=endpoint, region_name=region, config=config, **credentials)
        if make_bucket:
            self.s3.create_bucket(Bucket=bucket)

    def url(self, operation):
        return self.s3.generate_presigned_url(operation, {"Bucket": self.bucket, "Key": "one.bin"}, ExpiresIn=3600)

    def put(self):
        before = self.server.cpu()
        seconds = put(self.url("put_object"), GIB)
        return {"mibs": 1024 / seconds, "cpu": self.server.cpu() - before}

    def get(self):
        before = self.server.cpu()
        seconds, size = get(self.url("get_object"))
        assert size == GIB
        return {"mibs": 1024 / seconds, "cpu": self.server.cpu() - before}


def seaweedfs():
    home = f"{BENCH}/data/seaweedfs"
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(f"{home}/data")
    identity = {
        "name": "bench",
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
    }
    with open(f"{home}/s3.json", "w") as file:
        json.dump({"identities": [identity]}, file)
    port = free_port()
    ports = [f"-{name}={free_port()}" for name in ("master.port", "volume.port", "filer.port")]
    ports += [f"-{name}.port.grpc={free_port()}" for name in ("master", "volume", "filer", "s3")]
    command = [f"{BENCH_TOOLS}/bin/weed", "server", f"-dir={home}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer",
               "-s3", f"-s3.config={home}/s3.json", f"-s3.port={port}", "-volume.max=0", "-master.volumeSizeLimitMB=1024",
               "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", *ports]
    server = Server("seaweedfs", command, answers(f"http://127.0.0.1:{port}/healthz"), cpu="")
    return server, lambda: Store(server, f"http://127.0.0.1:{port}", "us-east-1", KEY, SECRET, "bench", True)


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
    server, connect = start
    with server:
        other = connect()
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
        compare_with("SeaweedFS", mine, seaweedfs())
        shutil.rmtree(f"{BENCH}/data/seaweedfs", ignore_errors=True)


main()
