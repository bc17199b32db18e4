"""The client against a running service, in sync and async code. Run by tests/sdk/run.sh on the installed wheel."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import httpx

import gantry_client
from gantry_client import AsyncClient, Client, Retry, errors
from service import Service

BIG = os.urandom(37_000_000)
DIGEST = hashlib.sha256(BIG).hexdigest()
service: Service


def setUpModule() -> None:
    global service
    service = Service()


class Unreliable(httpx.HTTPTransport):
    """A network that breaks as it is told: `broken(request)` says which requests get no answer."""

    def __init__(self, broken) -> None:
        super().__init__()
        self.broken, self.seen = broken, []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if self.broken(request):
            answer = super().handle_request(request)
            answer.read()
            raise httpx.ReadError("cut", request=request)
        return super().handle_request(request)


class Stream(io.RawIOBase):
    """Bytes of which nobody says how many they are."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer) -> int:
        return self._inner.readinto(buffer)


class SyncClient(unittest.TestCase):
    def setUp(self) -> None:
        self.client = Client(service.url, service.key)
        self.addCleanup(self.client.close)
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def path(self, data: bytes = BIG, name: str = "film.bin") -> Path:
        path = Path(self.dir.name, name)
        path.write_bytes(data)
        return path

    def test_sends_a_path_in_parts_and_fetches_it_again(self) -> None:
        told: list[int] = []
        asset = self.client.upload(self.path(), metadata={"shelf": 3}, progress=lambda sent, size: told.append(sent))
        self.assertEqual((asset.state, asset.size, asset.sha256, asset.filename), ("ready", len(BIG), DIGEST, "film.bin"))
        self.assertEqual(asset.metadata, {"shelf": 3})
        self.assertEqual(told[-1], len(BIG))
        target = Path(self.dir.name, "back.bin")
        self.client.download(asset.id, target)
        self.assertEqual(target.read_bytes(), BIG)
        with self.client.open(asset.id, begin=10, end=20) as download:
            self.assertEqual(download.read(), BIG[10:20])
        with self.client.open(asset.id, begin=len(BIG) - 5, delivery="stream") as download:
            self.assertEqual(download.read(), BIG[-5:])

    def test_a_small_file_object_and_bytes(self) -> None:
        file = io.BytesIO(b"..hello")
        file.seek(2)
        asset = self.client.upload(file, filename="hello.txt")
        self.assertEqual((asset.size, asset.content_type), (5, "text/plain"))
        self.assertEqual(self.client.upload(b"", filename="empty").size, 0)

    def test_a_stream_of_unknown_length(self) -> None:
        asset = self.client.upload(Stream(BIG), filename="stream.bin", metadata={"from": "a pipe"})
        self.assertEqual((asset.sha256, asset.filename, asset.metadata), (DIGEST, "stream.bin", {"from": "a pipe"}))
        whole = 16 << 20
        self.assertEqual(self.client.upload(Stream(BIG[:whole])).size, whole)
        self.assertEqual(self.client.upload(Stream(b"")).size, 0)

    def test_a_stream_goes_on_after_lost_answers(self) -> None:
        lost = set()

        def broken(request: httpx.Request) -> bool:
            offset = request.headers.get("upload-offset")
            return request.method == "PATCH" and offset not in lost and not lost.add(offset)

        with Client(service.url, service.key, http=httpx.Client(transport=Unreliable(broken)), retry=Retry(first=0.01)) as client:
            self.assertEqual(client.upload(Stream(BIG)).sha256, DIGEST)
        self.assertGreater(len(lost), 3)

    def test_a_killed_process_is_gone_on_with_by_another(self) -> None:
        path = self.path(name="killed.bin")
        code = (
            "import os, sys, gantry_client as g\n"
            "def progress(sent, size):\n    if sent >= 16_000_000: os._exit(9)\n"
            f"g.Client({service.url!r}, {service.key!r}).upload({str(path)!r}, parallel=1, progress=progress)\n"
        )
        self.assertEqual(subprocess.run([sys.executable, "-c", code]).returncode, 9)
        transport = Unreliable(lambda request: False)
        with Client(service.url, service.key, http=httpx.Client(transport=transport)) as client:
            self.assertEqual(client.upload(path).sha256, DIGEST)
        sent = sum(int(request.headers["content-length"]) for request in transport.seen if request.method == "PUT")
        self.assertLess(sent, len(BIG) - 16_000_000)
        again = self.client.upload(path)
        self.assertEqual(again.sha256, DIGEST)
        self.assertEqual(len(list(self.client.assets.list(name="killed.bin"))), 2)

    def test_answers_that_are_lost_change_nothing(self) -> None:
        counts: dict[tuple[str, str], int] = {}

        def broken(request: httpx.Request) -> bool:
            key = (request.method, str(request.url.path) + str(request.url.params.get("partNumber")))
            counts[key] = counts.get(key, 0) + 1
            return counts[key] == 1

        with Client(service.url, service.key, http=httpx.Client(transport=Unreliable(broken)), retry=Retry(first=0.01)) as client:
            asset = client.upload(BIG, filename="lossy.bin", external_id="lossy")
            small = client.upload(b"small", filename="lossy.txt", external_id="lossy small")
            link = client.links.create(asset.id, uses=1)
        self.assertEqual((asset.sha256, small.state), (DIGEST, "ready"))
        for external_id in ("lossy", "lossy small"):
            self.assertEqual(len(list(self.client.assets.list(external_id=external_id))), 1)
        self.assertEqual([one.id for one in self.client.links.list(asset.id)], [link.id])

    def test_a_download_goes_on_after_a_break(self) -> None:
        asset = self.client.upload(self.path())
        target = Path(self.dir.name, "resumed.bin")
        Path(f"{target}.part").write_bytes(BIG[:30_000_000])
        self.client.download(asset.id, target)
        self.assertEqual(target.read_bytes(), BIG)
        Path(f"{target}.part").write_bytes(b"other bytes")
        with self.assertRaises(errors.DigestMismatch):
            self.client.download(asset.id, target)

        class Cut(httpx.HTTPTransport):
            cuts = 0

            def handle_request(self, request: httpx.Request) -> httpx.Response:
                answer = super().handle_request(request)
                if answer.status_code in {200, 206} and "/content" in request.url.path and Cut.cuts < 3:
                    Cut.cuts += 1
                    inner = answer.stream

                    class Part(httpx.SyncByteStream):
                        def __iter__(self):
                            sent = 0
                            for piece in inner:
                                yield piece
                                if (sent := sent + len(piece)) > 5_000_000:
                                    raise httpx.ReadError("cut")

                    answer.stream = Part()
                return answer

        with Client(service.url, service.key, http=httpx.Client(transport=Cut()), retry=Retry(first=0.01)) as client:
            with client.open(asset.id, delivery="stream") as download:
                self.assertEqual(hashlib.sha256(download.read()).hexdigest(), DIGEST)
        self.assertEqual(Cut.cuts, 3)

    def test_a_grant_for_a_browser(self) -> None:
        opened = self.client.uploads.create(max_size=1000, content_types=["image/*"], expires_in="1h", external_id="avatar of 42")
        self.assertTrue(opened.grant.startswith("gu_"))
        self.assertNotIn(opened.grant, repr(opened))
        form = {"file": ("a.png", b"\x89PNG\r\n\x1a\n", "image/png")}
        self.assertEqual(httpx.post(opened.endpoints["form"], files=form).status_code, 200)
        self.client.uploads.abort(self.client.uploads.create("b", 5).upload.id)

    def test_assets_links_and_errors(self) -> None:
        made = [self.client.upload(f"number {n}".encode(), filename=f"n{n}.txt", metadata={"kind": "listed"}) for n in range(3)]
        listed = list(self.client.assets.list(limit=2, metadata={"kind": "listed"}))
        self.assertEqual({one.id for one in listed}, {one.id for one in made})
        self.assertEqual(set(self.client.assets.get_many([one.id for one in made] + ["nobody"])), {one.id for one in made})
        renamed = self.client.assets.update(made[0].id, filename="other.txt")
        self.assertEqual(renamed.filename, "other.txt")
        link = self.client.links.create(made[1].id, expires_in="1h", uses=1)
        self.assertEqual(httpx.get(str(link.url), follow_redirects=True).text, "number 1")
        self.client.links.revoke(link.id)
        self.assertIn(httpx.get(str(link.url)).status_code, {404, 410})
        self.client.assets.delete(made[2].id)
        with self.assertRaises((errors.Gone, errors.NotFound)):
            self.client.assets.wait(made[2].id)
        with self.assertRaises(errors.NotFound) as caught:
            self.client.assets.get("01a21f89-0000-7000-8000-000000000000")
        self.assertEqual((caught.exception.code, caught.exception.status, caught.exception.retryable), ("not_found", 404, False))
        self.assertTrue(caught.exception.request_id)
        with self.assertRaises(errors.InvalidRequest) as invalid:
            self.client.uploads.create("a", 5, expires_in="yesterday")
        self.assertEqual(invalid.exception.field, "expires_in")
        with Client(service.url, "gk_wrong.key") as stranger, self.assertRaises(errors.AuthenticationError):
            stranger.assets.get(made[0].id)
        with Client("http://127.0.0.1:9", "gk_a.b", retry=Retry(attempts=2, first=0.01)) as nobody, self.assertRaises(errors.NetworkError):
            nobody.limits()

    def test_a_rejected_file_says_why(self) -> None:
        opened = self.client.uploads.create("a.png", 5, content_types=["image/*"], content_type="image/png")
        httpx.put(opened.put.url, headers=dict(opened.put.headers), content=b"hello").raise_for_status()
        asset = self.client.uploads.complete(opened.upload.id)
        with self.assertRaises(errors.Rejected) as caught:
            self.client.assets.wait(asset.id)
        self.assertEqual(caught.exception.reason, "type_not_allowed")

    def test_a_function_is_asked_for_a_new_credential(self) -> None:
        keys = iter(["gk_old.key", service.key])
        with Client(service.url, lambda: next(keys)) as client:
            client.assets.get(self.client.upload(b"a").id)

    def test_events_follow_without_a_gap(self) -> None:
        before, after = self.client.events.page(0, limit=1)
        self.assertEqual((before[0].id, after), ("1", "1"))
        feed = self.client.events.follow(0)
        first = [next(feed).id for _ in range(3)]
        self.assertEqual(first, ["1", "2", "3"])
        asset = self.client.upload(b"followed")
        kinds = []
        for event in self.client.events.follow(0, asset_id=asset.id):
            kinds.append(event.type)
            if event.type == "asset.ready":
                break
        self.assertEqual(kinds[0], "asset.created")


class AsyncVersion(unittest.IsolatedAsyncioTestCase):
    async def test_the_same_with_await(self) -> None:
        with tempfile.TemporaryDirectory() as dir:
            path = Path(dir, "film.bin")
            path.write_bytes(BIG)
            async with AsyncClient(service.url, service.key) as client:
                assets = await asyncio.gather(client.upload(path), client.upload(BIG[:5], filename="five"), client.upload(Stream(BIG)))
                self.assertEqual([asset.size for asset in assets], [len(BIG), 5, len(BIG)])
                self.assertEqual(assets[0].sha256, DIGEST)
                await client.download(assets[0].id, Path(dir, "back.bin"))
                self.assertEqual(Path(dir, "back.bin").read_bytes(), BIG)
                async with client.open(assets[0].id, begin=5, end=9) as download:
                    self.assertEqual(await download.aread(), BIG[5:9])
                self.assertIn(assets[1].id, [asset.id async for asset in client.assets.list()])
                async for event in client.events.follow(0):
                    self.assertEqual(event.id, "1")
                    break
                link = await client.links.create(assets[1].id)
                await client.links.revoke(link.id)

    async def test_follows_while_the_service_is_started_again(self) -> None:
        own = Service()
        async with AsyncClient(own.url, own.key, retry=Retry(first=0.05, longest=0.5, attempts=20)) as client:
            for _ in range(2):
                await client.upload(b"first", resume=False)
            feed = client.events.follow(0)
            seen = [(await anext(feed)).id for _ in range(3)]
            own.kill()
            own.start()
            await client.upload(b"second")
            while len(seen) < 8:
                seen.append((await asyncio.wait_for(anext(feed), 20)).id)
        self.assertEqual(seen, [str(number) for number in range(1, 9)])

    async def test_a_failed_part_ends_the_others(self) -> None:
        class Broken(httpx.AsyncHTTPTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                if request.method == "PUT":
                    return httpx.Response(404, content=b"<Error><Code>NoSuchUpload</Code></Error>")
                return await super().handle_async_request(request)

        began = time.monotonic()
        async with AsyncClient(service.url, service.key, http=httpx.AsyncClient(transport=Broken())) as client:
            with self.assertRaises(errors.StorageError):
                await client.upload(BIG)
        self.assertLess(time.monotonic() - began, 10)


class Webhooks(unittest.TestCase):
    SECRET, OTHER = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "Zm9ydHktdHdvIGJ5dGVzIG9mIGEgc2VjcmV0IQ=="
    BODY = b'{"type": "asset.ready", "timestamp": "t", "data": {"id": "6", "type": "asset.ready", "asset_id": "a", "seq": 6}}'

    def headers(self, secret: str, at: int, body: bytes = BODY) -> dict[str, str]:
        signature = gantry_client.webhooks.sign(secret, "msg_1", at, body)
        return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(at), "Webhook-Signature": f"v1a,eHh4 v1,eHh4 {signature}"}

    def test_genuine_old_and_forged(self) -> None:
        verify, now = gantry_client.webhooks.verify, int(time.time())
        event = verify(self.BODY, self.headers(self.SECRET, now), self.SECRET)
        self.assertEqual((event.type, event.asset_id, event.raw["webhook_id"]), ("asset.ready", "a", "msg_1"))
        verify(self.BODY, self.headers(self.OTHER, now), [self.SECRET, self.OTHER])
        verify(self.BODY, self.headers(self.SECRET, now - 3000), self.SECRET, now=now - 3000)
        refused = [
            (self.BODY + b" ", self.headers(self.SECRET, now)),
            (self.BODY, self.headers(self.OTHER, now)),
            (self.BODY, self.headers(self.SECRET, now - 301)),
            (self.BODY, self.headers(self.SECRET, now + 301)),
            (self.BODY, {}),
            (self.BODY, {**self.headers(self.SECRET, now), "Webhook-Timestamp": "²"}),
            (b"[]", self.headers(self.SECRET, now, b"[]")),
        ]
        for body, headers in refused:
            with self.assertRaises(errors.WebhookVerificationError):
                verify(body, headers, self.SECRET)

    def test_agrees_with_the_reference(self) -> None:
        from standardwebhooks import Webhook

        now = int(time.time())
        Webhook(self.SECRET).verify(self.BODY, {name.lower(): value for name, value in self.headers(self.SECRET, now).items()})


if __name__ == "__main__":
    unittest.main(verbosity=2)
