"""Streaming a download through the service: CPU per GiB against nginx proxying a presigned URL of the same store.

The store is a process of its own here, an embedded store that another Gantry serves, so that its cost counts for neither.
nginx runs without buffering to disk and with, one worker.
"""

import os
import time

import boto3
from botocore.config import Config

from common import BENCH, CLI_CPU, GIB, Gantry, Server, alternate, answers, free_port, median, ratio, told, whole
from wire import ready_asset

ROUNDS = 3
CONFIG = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  upstream store {{ server 127.0.0.1:{store}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host 127.0.0.1:{store};
    location = /ping {{ return 200 ok; }}
    location /buffered/ {{ proxy_pass http://store/; }}
    location / {{ proxy_buffering off; proxy_pass http://store; }}
  }}
}}
"""


def nginx(store_port):
    home, port = f"{BENCH}/data/nginx-stream", free_port()
    os.makedirs(home, exist_ok=True)
    with open(f"{home}/nginx.conf", "w") as file:
        file.write(CONFIG.format(dir=home, store=store_port, port=port))
    command = ["/usr/sbin/nginx", "-c", f"{home}/nginx.conf"]
    return Server("nginx-stream", command, answers(f"http://127.0.0.1:{port}/ping")), port


def main():
    # The store's owner runs beside the client, as in the peers' own set-up.
    with Gantry("store", cpu=CLI_CPU) as store:
        exports = store.store_exports()
        config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
        s3 = boto3.client("s3", endpoint_url=exports["AWS_ENDPOINT_URL"], region_name=exports["AWS_REGION"], config=config,
                          aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
                          aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"])
        s3.create_bucket(Bucket="stream")
        settings = {
            "GANTRY_STORE": "s3",
            "GANTRY_S3_ENDPOINT": exports["AWS_ENDPOINT_URL"],
            "GANTRY_S3_BUCKET": "stream",
            "GANTRY_S3_REGION": exports["AWS_REGION"],
            "GANTRY_S3_PATH_STYLE": "true",
            "AWS_ACCESS_KEY_ID": exports["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": exports["AWS_SECRET_ACCESS_KEY"],
        }
        server, port = nginx(store.store_port)
        with Gantry(**settings) as gantry, server as proxy:
            asset = ready_asset(gantry, GIB)
            key = max(s3.list_objects_v2(Bucket="stream")["Contents"], key=lambda it: it["Size"])["Key"]
            url = s3.generate_presigned_url("get_object", {"Bucket": "stream", "Key": key}, ExpiresIn=3600)
            signed, base = url.split("/", 3)[3], f"http://127.0.0.1:{port}"
            time.sleep(2)
            content = f"/v1/assets/{asset}/content?delivery=stream"
            rows = alternate(
                ROUNDS,
                ours=lambda: whole("ours", gantry.pid, gantry.url, content, [gantry.auth]),
                nginx=lambda: whole("nginx", proxy.pid, base, f"/{signed}"),
                buffered=lambda: whole("nginx-buffered", proxy.pid, base, f"/buffered/{signed}"),
            )
    for side, some in rows.items():
        told(side, some)
    mine = median(rows["ours"], "cpu_s_per_GiB")
    ratio("streaming against nginx without buffering", mine, median(rows["nginx"], "cpu_s_per_GiB"), "s/GiB", at_most=1.3)
    ratio("streaming against nginx as it comes", mine, median(rows["buffered"], "cpu_s_per_GiB"), "s/GiB", at_most=1.3)


if __name__ == "__main__":
    main()
