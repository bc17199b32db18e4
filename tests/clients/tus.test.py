"""tuspy, unmodified: an empty metadata header, chunks, SHA-1 per chunk, resuming."""

import os
import tempfile
import unittest
import urllib.request

from tusclient import client

from service import Service


class Tuspy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        cls.client = client.TusClient(f"{cls.service.url}/tus", headers={"Authorization": f"Bearer {cls.service.key}"})

    def file(self, body):
        handle = tempfile.NamedTemporaryFile(dir=self.service.dir, delete=False)
        handle.write(body)
        handle.close()
        return handle.name

    def arrived(self):
        _, listed = self.service.ask("GET", "/v1/assets?limit=1")
        _, asset = self.service.ask("GET", f"/v1/assets/{listed['assets'][0]['id']}?wait=30s&until=ready")
        self.assertEqual(asset["state"], "ready")
        request = urllib.request.Request(
            f"{self.service.url}/v1/assets/{asset['id']}/content?delivery=stream",
            headers={"Authorization": f"Bearer {self.service.key}"})
        with urllib.request.urlopen(request) as answer:
            return asset, answer.read()

    def test_chunks(self):
        body = os.urandom(20_000_003)
        for options in [{}, {"chunk_size": 3_000_000}, {"chunk_size": 7_000_000, "upload_checksum": True}]:
            self.client.uploader(self.file(body), **options).upload()
            self.assertEqual(self.arrived()[1], body)

    def test_metadata(self):
        self.client.uploader(self.file(b"hello"), metadata={"filename": "ä.txt", "k": "v"}).upload()
        asset, body = self.arrived()
        self.assertEqual((asset["filename"], asset["metadata"], body), ("ä.txt", {"k": "v"}, b"hello"))

    def test_resuming(self):
        body = os.urandom(9_000_000)
        path = self.file(body)
        first = self.client.uploader(path, chunk_size=2_000_000)
        first.upload(stop_at=4_000_000)
        second = self.client.uploader(path, chunk_size=2_000_000, url=first.url)
        self.assertEqual(second.offset, 4_000_000)
        second.upload()
        self.assertEqual(self.arrived()[1], body)


if __name__ == "__main__":
    unittest.main(verbosity=2)
