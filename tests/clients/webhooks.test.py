"""The Standard Webhooks library for Python verifies what a receiver in Python gets."""

import json
import queue
import threading
import unittest
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

from service import Service


class Receiver(BaseHTTPRequestHandler):
    came = queue.Queue()
    statuses = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.came.put((dict(self.headers), body))
        self.send_response(self.statuses.pop(0) if self.statuses else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Webhooks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service(GANTRY_WEBHOOKS__ALLOW_HTTP="true", GANTRY_WEBHOOKS__ALLOW_NETWORKS="127.0.0.0/8")
        server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status, hook = cls.service.ask("POST", "/v1/webhooks", {
            "url": f"http://127.0.0.1:{server.server_port}/hook",
            "events": ["asset.ready"],
        })
        assert status == 201, hook
        cls.hook, cls.secret = hook, hook["secret"]

    def upload(self, body):
        _, opened = self.service.ask("POST", "/v1/uploads", {"filename": "a.txt", "size": len(body)})
        put = urllib.request.Request(opened["put"]["url"], body, {"If-None-Match": "*"}, method="PUT")
        urllib.request.urlopen(put)
        status, _ = self.service.ask("POST", f"/v1/uploads/{opened['upload']['id']}/complete")
        self.assertEqual(status, 200)
        return opened["asset"]["id"]

    def test_verifies_on_every_try(self):
        Receiver.statuses.append(500)
        asset = self.upload(b"hello")
        first, again = Receiver.came.get(timeout=30), Receiver.came.get(timeout=30)
        for headers, body in (first, again):
            event = Webhook(self.secret).verify(body, headers)
            self.assertEqual((event["type"], event["data"]["asset_id"]), ("asset.ready", asset))
        self.assertEqual(first[0]["webhook-id"], again[0]["webhook-id"])
        with self.assertRaises(WebhookVerificationError):
            Webhook(self.secret).verify(first[1] + b" ", first[0])

    def test_verifies_with_both_secrets_while_they_change(self):
        status, rotated = self.service.ask("POST", f"/v1/webhooks/{self.hook['id']}/rotate")
        self.assertEqual(status, 200)
        self.upload(b"changing")
        headers, body = Receiver.came.get(timeout=30)
        for secret in (self.secret, rotated["secret"]):
            self.assertEqual(Webhook(secret).verify(body, headers), json.loads(body))
        type(self).secret = rotated["secret"]


if __name__ == "__main__":
    unittest.main(verbosity=2)
