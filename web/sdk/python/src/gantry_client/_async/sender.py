"""One file on its way: opened or found again, sent in parallel parts, completed."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Callable, Mapping
from uuid import uuid4

from .._retry import Retry
from .._sources import Source, StreamSource, open_source, sha256_of
from ..errors import Conflict, GantryError
from ..models import Asset, Json, OpenedUpload, SignedUrl, Upload
from .append import AsyncAppender
from .runtime import AsyncIterator, in_thread, run_all, sleep
from .transport import AsyncTransport
from .uploads import AsyncUploads

Progress = Callable[[int, int], None]

#: Files up to this size are sent by one request, and are read once before for a digest that binds them.
SMALL = 16 << 20
#: Up to this size the digest of the whole is made beside the parts'.
DIGEST_UP_TO = 256 << 20
#: How often a day the same file is sent in a way that can be resumed.
MOST_REPETITIONS = 16
_PIECE = 1 << 18
#: The storage has the object already: a try whose answer was lost had arrived.
_THERE = {409, 412}


@dataclass(frozen=True)
class Wish:
    """How a file is to be sent."""

    filename: str
    content_type: str | None = None
    metadata: Json | None = None
    policy: str | None = None
    external_id: str | None = None
    resume: bool = True
    parallel: int = 4
    progress: Progress | None = None

    def described(self, size: int) -> dict[str, Any]:
        given = {
            "filename": self.filename, "size": size, "content_type": self.content_type, "metadata": self.metadata,
            "policy": self.policy, "external_id": self.external_id,
        }
        return {name: value for name, value in given.items() if value is not None}


def guess_type(filename: str) -> str | None:
    return mimetypes.guess_type(filename)[0]


@dataclass
class AsyncSender:
    """The transfer of one source."""

    transport: AsyncTransport
    uploads: AsyncUploads
    source: Source
    wish: Wish
    confirmed: int = 0
    _lock: Lock = field(default_factory=Lock)

    async def send(self) -> Asset:
        opened = await self.open()
        upload = opened.upload
        if upload.state != "open":
            return opened.asset
        if upload.method == "put":
            await self.send_whole(opened)
        else:
            await self.send_parts(upload)
        return await self.complete(upload)

    async def open(self) -> OpenedUpload:
        """Opens the upload. A file of the disk is found again under a key made of its place, size, time and bytes."""
        size = self.source.size
        described = self.wish.described(size)
        if size <= SMALL:
            described["sha256"] = await in_thread(sha256_of, self.source, 0, size)
        described.update(checksum="sha256", urls=0)
        fingerprint = await in_thread(self.source.fingerprint) if self.wish.resume else None
        if not fingerprint:
            return await self.uploads.create(**described)
        whole = json.dumps([fingerprint, described], sort_keys=True)
        key = "file-" + hashlib.sha256(whole.encode()).hexdigest()
        # What was completed, aborted or has expired under a key is not begun again by it: the next one is.
        for number in range(MOST_REPETITIONS):
            opened = await self.uploads.create(**described, idempotency_key=f"{key}-{number}")
            if opened.upload.state == "open":
                return opened
        return await self.uploads.create(**described)

    async def send_whole(self, opened: OpenedUpload) -> None:
        signed = opened.put or (await self.uploads.sign(opened.upload.id, [1]))[0]

        async def renew() -> SignedUrl:
            return (await self.uploads.sign(opened.upload.id, [1]))[0]

        try:
            await self.persevere(signed, renew, 0, self.source.size)
        except GantryError as error:
            if error.status not in _THERE:
                raise
        self.confirm(self.source.size)

    async def send_parts(self, upload: Upload) -> None:
        part_size, size = upload.part_size or self.source.size, self.source.size

        def span(part: int) -> tuple[int, int]:
            return (part - 1) * part_size, min(part * part_size, size)

        there = {part for part, length in upload.received if length == span(part)[1] - span(part)[0]}
        self.confirm(sum(span(part)[1] - span(part)[0] for part in there))

        async def send_part(part: int) -> None:
            begin, end = span(part)
            digest = await in_thread(sha256_of, self.source, begin, end)

            async def sign() -> SignedUrl:
                return (await self.uploads.sign(upload.id, [part], {part: f"sha256:{digest}"}))[0]

            await self.persevere(await sign(), sign, begin, end)
            self.confirm(end - begin)

        missing = [part for part in range(1, (upload.part_count or 1) + 1) if part not in there]
        await run_all(send_part, missing, max(1, self.wish.parallel))

    async def persevere(self, signed: SignedUrl, renew: Callable[[], Any], begin: int, end: int) -> None:
        """Sends a range until the storage has it. A refused signature is made anew."""
        retry: Retry = self.transport.retry
        attempt = 0
        while True:
            attempt += 1
            headers = {**signed.headers, "content-length": str(end - begin)}
            try:
                return await self.transport.put_to_storage(signed.url, headers, self.pieces(begin, end))
            except GantryError as error:
                wait = None if error.status in _THERE else retry.wait(attempt, error)
                if wait is None:
                    raise
                await sleep(wait)
                if error.status == 403:
                    signed = await renew()

    async def pieces(self, begin: int, end: int) -> AsyncIterator[bytes]:
        for offset in range(begin, end, _PIECE):
            yield await in_thread(self.source.read_at, offset, min(_PIECE, end - offset))

    def confirm(self, length: int) -> None:
        with self._lock:
            self.confirmed += length
            if self.wish.progress:
                self.wish.progress(self.confirmed, self.source.size)

    async def complete(self, upload: Upload) -> Asset:
        whole = None
        if upload.method == "multipart" and self.source.size <= DIGEST_UP_TO:
            whole = await in_thread(sha256_of, self.source, 0, self.source.size)
        try:
            return await self.uploads.complete(upload.id, sha256=whole)
        except Conflict as error:
            if error.code != "incomplete":
                raise
        # The storage lost a part, or was too early to say that it has it.
        self.confirmed = 0
        await self.send_parts(await self.uploads.get(upload.id))
        return await self.uploads.complete(upload.id, sha256=whole)


async def send_file(transport: AsyncTransport, uploads: AsyncUploads, given: Any, wish: Mapping[str, Any]) -> Asset:
    """Sends what the caller gave; a stream of unknown length in order, everything else in parallel parts."""
    source = await in_thread(open_source, given)
    filename = wish.get("filename") or source.name or "upload"
    content_type = wish.get("content_type") or guess_type(filename)
    made = Wish(**{**wish, "filename": filename, "content_type": content_type})
    if isinstance(source, StreamSource):
        appender = AsyncAppender(transport, uploads, source, str(uuid4()))
        return await appender.send(made.filename, made.content_type, made.metadata, made.progress)
    try:
        return await AsyncSender(transport, uploads, source, made).send()
    finally:
        source.close()


__all__ = ["AsyncSender", "Progress", "Wish", "send_file"]
