"""Ten thousand part URLs: one request of ours, HTTP and JSON included, against boto3 signing the same in its own process.

Both work on the server's CPU. Then the compact form (one template and the signatures), and signing alone against the
hashing that no signer can avoid.
"""

import http.client
import json
import os
import time

import boto3
from botocore.config import Config

from common import CLI_CPU, MIB, SRV_CPU, Gantry, alternate, as_client, median, micro, quiet, ratio, say

PARTS = 10_000
ROUNDS = 3
REQUESTS = 10


def ours(gantry, upload, form):
    """Seconds of one request, the best understood number being the mean of several in a row."""
    h = http.client.HTTPConnection("127.0.0.1", gantry.port)
    body = json.dumps({"parts": f"1-{PARTS}", "form": form})
    before, begun = gantry.cpu(), time.perf_counter()
    for _ in range(REQUESTS):
        h.request("POST", f"/v1/uploads/{upload}/urls", body, {"Authorization": f"Bearer {gantry.key}"})
        text = h.getresponse().read()
    seconds = (time.perf_counter() - begun) / REQUESTS
    return {"seconds": seconds, "cpu": (gantry.cpu() - before) / REQUESTS, "bytes": len(text)}


def boto3_signing():
    os.sched_setaffinity(0, {int(SRV_CPU)})
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:7110",
        region_name="us-east-1",
        aws_access_key_id="AKIDBENCH",
        aws_secret_access_key="benchsecretbenchsecretbenchsecret12",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    params = {"Bucket": "gantry", "Key": "uploads/0000/file.bin", "UploadId": "0" * 32}
    begun = time.perf_counter()
    for part in range(1, PARTS + 1):
        client.generate_presigned_url("upload_part", {**params, "PartNumber": part}, ExpiresIn=3600)
    seconds = time.perf_counter() - begun
    os.sched_setaffinity(0, {int(CLI_CPU)})
    return {"seconds": seconds}


def main():
    as_client()
    with Gantry() as gantry:
        wish = {"filename": "a.bin", "size": PARTS * 8 * MIB, "part_size": 8 * MIB, "method": "multipart", "urls": 1}
        upload = gantry.ask("POST", "/v1/uploads", wish)["upload"]["id"]
        ours(gantry, upload, "urls")
        rows = alternate(
            ROUNDS,
            whole=lambda: ours(gantry, upload, "urls"),
            compact=lambda: ours(gantry, upload, "compact"),
            boto3=boto3_signing,
        )
    rate = {side: PARTS / median(rows[side], "seconds") for side in rows}
    for side, unit in (("whole", "whole URLs"), ("compact", "signatures and one template")):
        ms, cpu, size = (median(rows[side], key) for key in ("seconds", "cpu", "bytes"))
        say(f"{PARTS} {unit} in one request: {ms * 1e3:.1f} ms, {cpu * 1e3:.1f} ms of CPU, {size / 1e6:.2f} MB")
    say(f"boto3 signing {PARTS} part URLs: {median(rows['boto3'], 'seconds'):.2f} s")
    ratio("10 000 part URLs against boto3", rate["whole"], rate["boto3"], "URLs/s", at_least=200)
    ratio("the same in the compact form", rate["compact"], rate["boto3"], "URLs/s", at_least=200)
    with quiet():
        found = micro("sign")
    ratio("signing one URL against its hashing", found["url_ns"], found["hashing_ns"], "ns", at_most=2)


main()
