"""A service for one client test: the real binary on free ports with a data directory of its own."""

import atexit
import json
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

GANTRY = os.path.abspath(os.environ.get("GANTRY_TEST_BIN", "target/debug/gantry"))


def free_port():
    """A free port below those that the kernel gives to outgoing connections, which would take it before the service listens."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Service:
    def __init__(self, **settings):
        self.dir = tempfile.mkdtemp(prefix="gantry-client-")
        port, store_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.env = {
            **os.environ,
            "GANTRY_DATA_DIR": self.dir,
            "GANTRY_LISTEN": f"127.0.0.1:{port}",
            "GANTRY_STORE_LISTEN": f"127.0.0.1:{store_port}",
            **settings,
        }
        self.process = None
        atexit.register(self.remove)
        self.start()
        self.key = self.run("key", "create", "--scopes", "admin")

    def start(self):
        with open(f"{self.dir}/log.txt", "ab") as log:
            self.process = subprocess.Popen([GANTRY, "serve"], env=self.env, stdout=subprocess.DEVNULL, stderr=log)
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.url}/readyz", timeout=2)
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise SystemExit(f"no service:\n{open(f'{self.dir}/log.txt').read()}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def remove(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *arguments):
        done = subprocess.run([GANTRY, *arguments], env=self.env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def ask(self, method, path, body=None):
        """The status and the JSON of an answer of the native API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Authorization": f"Bearer {self.key}"}, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def store_env(self):
        return dict(re.findall(r"(\w+)=(\S+)", self.run("store-env")))

    def s3(self):
        """boto3 on the embedded store, as `gantry store-env` says."""
        import boto3
        from botocore.config import Config

        exports = self.store_env()
        return boto3.client(
            "s3",
            endpoint_url=exports["AWS_ENDPOINT_URL"],
            region_name=exports["AWS_REGION"],
            aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )
