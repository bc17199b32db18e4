"""S3 servers to compare with, each on a fresh directory and free ports, and the load that all of them get."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess

import boto3
from botocore.config import Config

from common import BENCH, BENCH_TOOLS, GIB, Server, answers, free_port
from wire import get, put

KEY, SECRET = "GK" + "0123456789abcdef01234567", "0123456789abcdef" * 4


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


@contextlib.contextmanager
def fresh(name):
    home = f"{BENCH}/data/{name}"
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(f"{home}/data")
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def seaweedfs():
    with fresh("seaweedfs") as home:
        server, port = seaweedfs_at(home)
        with server:
            yield Store(server, f"http://127.0.0.1:{port}", "us-east-1", KEY, SECRET, "bench", True)


def seaweedfs_at(home):
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
    return server, port


@contextlib.contextmanager
def garage():
    """One node without replicas, on LMDB, as its quick start has it."""
    with fresh("garage") as home:
        port, rpc, config = free_port(), free_port(), f"{home}/garage.toml"
        with open(config, "w") as file:
            file.write(f'''metadata_dir = "{home}/meta"
data_dir = "{home}/data"
db_engine = "lmdb"
replication_factor = 1
compression_level = "none"
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secrets.token_hex(32)}"
[s3_api]
api_bind_addr = "127.0.0.1:{port}"
s3_region = "garage"
root_domain = ".s3.garage.localhost"
''')
        os.chmod(config, 0o600)
        command = [f"{BENCH_TOOLS}/bin/garage", "-c", config]

        def ask(*words):
            return subprocess.run([*command, *words], capture_output=True, text=True, timeout=30)

        def do(*words):
            done = ask(*words)
            assert done.returncode == 0, f"garage {words}: {done.stderr}"
            return done.stdout.strip()

        with Server("garage", [*command, "server"], lambda: ask("status").returncode == 0, cpu="") as server:
            do("layout", "assign", "-z", "here", "-c", "100G", do("node", "id", "-q").split("@")[0])
            do("layout", "apply", "--version", "1")
            do("key", "import", "--yes", "-n", "bench", KEY, SECRET)
            do("bucket", "create", "bench")
            do("bucket", "allow", "--read", "--write", "--owner", "bench", "--key", KEY)
            yield Store(server, f"http://127.0.0.1:{port}", "garage", KEY, SECRET, "bench", False)
