"""The wall clock of a running service jumps an hour ahead and back (libfaketime): nothing of its own is refused."""

import email.utils
import glob
import json
import os
import tempfile
import time
import urllib.error
import urllib.request

from service import Service

library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")[0]
clock = tempfile.NamedTemporaryFile(prefix="gantry-clock-", delete=False).name


def jump(offset):
    with open(clock + ".new", "w") as file:
        file.write(f"{offset:+d}\n")
    os.replace(clock + ".new", clock)


jump(0)
service = Service(
    LD_PRELOAD=library, FAKETIME_TIMESTAMP_FILE=clock, FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1"
)


def send(method, url, data=b"", headers=None):
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def created(**wish):
    status, made = service.ask("POST", "/v1/uploads", {"filename": "a.bin", "size": 1000, **wish})
    assert status == 201, (status, made)
    return made


def complete(made):
    status, asset = service.ask("POST", f"/v1/uploads/{made['upload']['id']}/complete")
    assert status == 200, (status, asset)


def through_the_service():
    made = created(method="append")
    url = f"{service.url}/v1/uploads/{made['upload']['id']}/content"
    status, body, _ = send("PUT", url, b"x" * 1000, {"Authorization": f"Bearer {service.key}"})
    assert status < 300, (status, body)


def put(made):
    status, body, _ = send("PUT", made["put"]["url"], b"x" * 1000, made["put"]["headers"])
    assert status == 200, (status, body)


def shows(offset):
    """Every listener's Date follows the clock, on HTTP/1.1 connections of any age."""
    for url in [f"{service.url}/livez", f"{service.store_env()['AWS_ENDPOINT_URL']}/-/health"]:
        date = email.utils.parsedate_to_datetime(send("GET", url, None)[2]["Date"]).timestamp()
        assert abs(date - time.time() - offset) < 30, (url, offset, date - time.time())


def works(offset):
    for _ in range(3):
        through_the_service()
        made = created(method="put")
        put(made)
        complete(made)
    shows(offset)
    assert send("GET", f"{service.url}/readyz", None)[0] == 200


for before, after in [(0, 3600), (3600, 0), (0, -3600), (-3600, 0)]:
    jump(before)
    works(before)
    early = created(method="put")
    jump(after)
    if after < before:
        # A URL that the service signed a moment ago is as good as one that it signs now.
        put(early)
        complete(early)
    works(after)

print("ok: uploads, completions and Date headers while the clock jumped by an hour, four times")
