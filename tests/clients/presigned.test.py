"""Presigned URLs, judged by botocore: it computes the same signatures, and boto3 finds what they have stored."""

import datetime
import hashlib
import os
import unittest
import urllib.error
import urllib.request
from unittest import mock
from urllib.parse import parse_qs, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from service import Service

MIB = 1024 * 1024


def botocore_signature(service, method, url, headers):
    """What botocore signs for the same request at the same second."""
    s3 = service.s3()
    keys = s3._request_signer._credentials
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    date = datetime.datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    params = {name: value for name, value in query.items() if not name.startswith("X-Amz-")}
    bare = f"{parts.scheme}://{parts.netloc}{parts.path}"
    request = AWSRequest(method=method, url=bare, params=params, headers=headers)
    auth = S3SigV4QueryAuth(Credentials(keys.access_key, keys.secret_key), "s3", service.store_env()["AWS_REGION"], int(query["X-Amz-Expires"]))
    naive = date.replace(tzinfo=None)
    with mock.patch("botocore.auth.get_current_datetime", return_value=naive, create=True), \
         mock.patch("botocore.auth.datetime") as clock:
        clock.datetime.utcnow.return_value = naive
        clock.datetime.now.return_value = date
        auth.add_auth(request)
    return parse_qs(urlsplit(request.prepare().url).query)["X-Amz-Signature"][0]


def put(url, body, headers):
    # The length is what the client really sends.
    sent = {name: value for name, value in headers.items() if name != "content-length"}
    request = urllib.request.Request(url, body, {**sent, "Content-Type": ""}, method="PUT")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


class Presigned(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        cls.s3 = cls.service.s3()

    def signature(self, url):
        return parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]

    def test_a_single_put(self):
        body = os.urandom(100_000)
        digest = hashlib.sha256(body).hexdigest()
        wish = {"filename": "naïve \"quoted\" 🦀.bin", "size": len(body), "sha256": digest}
        status, opened = self.service.ask("POST", "/v1/uploads", wish)
        self.assertEqual(status, 201)
        signed = opened["put"]
        self.assertIn("x-amz-checksum-sha256", signed["headers"])
        self.assertEqual(
            self.signature(signed["url"]), botocore_signature(self.service, "PUT", signed["url"], signed["headers"]))
        self.assertEqual(put(signed["url"], body[:-1], signed["headers"])[0], 403)
        self.assertEqual(put(signed["url"], bytes(len(body)), signed["headers"])[0], 400)
        self.assertEqual(put(signed["url"], body, signed["headers"])[0], 200)
        self.assertEqual(put(signed["url"], body, signed["headers"])[0], 412)
        key = urlsplit(signed["url"]).path.split("/", 2)[2]
        self.assertEqual(self.s3.get_object(Bucket="gantry", Key=key)["Body"].read(), body)
        status, asset = self.service.ask("POST", f"/v1/uploads/{opened['upload']['id']}/complete")
        self.assertEqual((status, asset["id"]), (200, opened["asset"]["id"]))

    def test_parts(self):
        bodies = [os.urandom(5 * MIB), os.urandom(5 * MIB), os.urandom(123)]
        wish = {"filename": "parts.bin", "size": sum(map(len, bodies)), "part_size": 5 * MIB, "method": "multipart"}
        _, opened = self.service.ask("POST", "/v1/uploads", wish)
        for signed, body in zip(opened["multipart"]["urls"], bodies):
            self.assertEqual(
                self.signature(signed["url"]), botocore_signature(self.service, "PUT", signed["url"], signed["headers"]))
            status, headers = put(signed["url"], body, {})
            self.assertEqual((status, headers["ETag"]), (200, f'"{hashlib.md5(body).hexdigest()}"'))
        parts = parse_qs(urlsplit(opened["multipart"]["urls"][0]["url"]).query)
        key = urlsplit(opened["multipart"]["urls"][0]["url"]).path.split("/", 2)[2]
        listed = self.s3.list_parts(Bucket="gantry", Key=key, UploadId=parts["uploadId"][0])["Parts"]
        self.assertEqual([part["Size"] for part in listed], list(map(len, bodies)))
        status, asset = self.service.ask("POST", f"/v1/uploads/{opened['upload']['id']}/complete")
        self.assertEqual(status, 200)
        self.assertEqual(self.s3.get_object(Bucket="gantry", Key=key)["Body"].read(), b"".join(bodies))
        self.assertEqual(put(opened["multipart"]["urls"][0]["url"], bodies[0], {})[0], 404)

    def test_the_compact_form(self):
        wish = {"filename": "many.bin", "size": 100 * 5 * MIB, "part_size": 5 * MIB, "urls": 100}
        _, opened = self.service.ask("POST", "/v1/uploads", wish)
        path = f"/v1/uploads/{opened['upload']['id']}/urls"
        _, compact = self.service.ask("POST", path, {"parts": "1-100", "form": "compact"})
        self.assertEqual(len(compact["signatures"]), 100)
        url = compact["template"].replace("{part}", "42").replace("{signature}", compact["signatures"][41])
        self.assertEqual(
            self.signature(url), botocore_signature(self.service, "PUT", url, {"content-length": str(5 * MIB)}))
        self.assertEqual(put(url, os.urandom(5 * MIB), {})[0], 200)

    def test_a_redirect(self):
        body = b"<!doctype html><script>alert(1)</script>"
        _, opened = self.service.ask("POST", "/v1/uploads", {"filename": "page.html", "size": len(body)})
        put(opened["put"]["url"], body, opened["put"]["headers"])
        self.service.ask("POST", f"/v1/uploads/{opened['upload']['id']}/complete")
        asset = opened["asset"]["id"]
        self.service.ask("GET", f"/v1/assets/{asset}?wait=20s&until=ready")
        _, link = self.service.ask("POST", f"/v1/assets/{asset}/links", {"filename": "über.html"})
        with urllib.request.urlopen(link["url"]) as answer:
            self.assertEqual(answer.read(), body)
            self.assertEqual(self.signature(answer.url), botocore_signature(self.service, "GET", answer.url, {}))
            self.assertEqual(
                answer.headers["Content-Disposition"], "attachment; filename=\"_ber.html\"; filename*=UTF-8''%C3%BCber.html")
            tampered = answer.url.replace("attachment", "inline")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(tampered)
        self.assertEqual(refused.exception.code, 403)


if __name__ == "__main__":
    unittest.main(verbosity=2)
