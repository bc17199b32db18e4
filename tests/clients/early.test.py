"""urllib sends a whole body before it looks at the answer: it reads why a large one was refused, on every address."""

import os
import re
import unittest
import urllib.error
import urllib.request

from service import Service

BODY = os.urandom(24 << 20)
UNKNOWN = "01a1fec8-13f3-732f-a7af-f32f0e28ea07"


class EarlyRefusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()

    def answer(self, method, url, headers, body=BODY):
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def test_every_address(self):
        url, auth = self.service.url, {"Authorization": f"Bearer {self.service.key}"}
        wrong = {"Authorization": "Bearer gk_no"}
        tus = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        created = self.answer("POST", f"{url}/tus", {**auth, "Tus-Resumable": "1.0.0", "Upload-Length": str(len(BODY))}, b"")
        location = created[1]["location"]
        _, opened = self.service.ask("POST", "/v1/uploads", {"filename": "a", "size": 5, "method": "put"})
        forged = re.sub(r"X-Amz-Signature=\w{8}", "X-Amz-Signature=00000000", opened["put"]["url"])
        self.assertNotEqual(forged, opened["put"]["url"])
        cases = [
            ("PUT", f"{url}/v1/uploads/{UNKNOWN}/content", wrong, 401),
            ("PUT", f"{url}/v1/uploads/{UNKNOWN}/content", auth, 404),
            ("POST", f"{url}/v1/uploads", {"Content-Type": "application/json"}, 401),
            ("POST", f"{url}/v1/uploads", {**auth, "Content-Type": "application/json"}, 413),
            ("POST", f"{url}/u/gu_no/form", form, 401),
            ("POST", f"{url}/s3/form/gu_no", form, 401),
            ("PATCH", location, {**auth, **tus, "Upload-Offset": "7"}, 409),
            ("POST", f"{url}/files", wrong, 401),
            ("PUT", forged, {}, 403),
            ("POST", f"{url}/nothing", {}, 404),
        ]
        for method, target, headers, status in cases:
            for _ in range(3):
                with self.subTest(method=method, target=target.split("?")[0], status=status):
                    got, _, said = self.answer(method, target, headers)
                    self.assertEqual(got, status, said[:300])


if __name__ == "__main__":
    unittest.main(verbosity=2)
