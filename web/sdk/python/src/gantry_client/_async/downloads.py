"""Downloads: as a stream that goes on after a break, or into a file that is checked."""

from __future__ import annotations

import hashlib
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from ..errors import DigestMismatch, GantryError, NetworkError
from ..models import Asset
from .runtime import AsyncIterator, in_thread, sleep
from .transport import AsyncTransport, network_error


@dataclass
class AsyncDownload:
    """The bytes of an asset, from `begin` to `end` (exclusive)."""

    transport: AsyncTransport
    path: str
    params: dict[str, Any]
    begin: int
    end: int | None
    answer: httpx.Response
    etag: str | None

    @property
    def content_type(self) -> str | None:
        kind: str | None = self.answer.headers.get("content-type")
        return kind

    @property
    def size(self) -> int | None:
        """Bytes of this range."""
        length = self.answer.headers.get("content-length")
        return int(length) if length is not None else None

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """All bytes. After a break the rest is asked for, of the same content alone."""
        position, size = self.begin, self.size
        stop = self.end if size is None else self.begin + size
        answer, attempt = self.answer, 0
        while True:
            try:
                async for piece in answer.aiter_bytes():
                    position += len(piece)
                    attempt = 0
                    yield piece
                if stop is None or position >= stop:
                    return
                error: GantryError = NetworkError("The connection ended early.", code="network", retryable=True)
            except httpx.HTTPError as failed:
                error = network_error(failed)
            finally:
                await answer.aclose()
            attempt += 1
            wait = self.transport.retry.wait(attempt, error)
            if wait is None:
                raise error
            await sleep(wait)
            answer = await self._again(position, stop)

    async def _again(self, position: int, stop: int | None) -> httpx.Response:
        headers = {"range": f"bytes={position}-" + (str(stop - 1) if stop is not None else "")}
        if self.etag:
            headers["if-match"] = self.etag
        # The loop that reads this answer closes it.
        answer = await self.transport.begin(self.path, params=self.params, headers={**headers, "accept-encoding": "identity"})
        if answer.status_code != 206:
            await answer.aclose()
            raise NetworkError("The rest of the file cannot be asked for.", code="network")
        return answer

    async def aread(self) -> bytes:
        """All of it in memory."""
        return b"".join([piece async for piece in self.aiter_bytes()])


@asynccontextmanager
async def open_download(
    transport: AsyncTransport, path: str, params: dict[str, Any], begin: int = 0, end: int | None = None, if_match: str | None = None
) -> AsyncIterator[AsyncDownload]:
    headers = {"accept-encoding": "identity"}
    if begin or end is not None:
        headers["range"] = f"bytes={begin}-" + (str(end - 1) if end is not None else "")
    if if_match:
        headers["if-match"] = if_match
    async with transport.open(path, params=params, headers=headers) as answer:
        if "range" in headers and answer.status_code != 206:
            raise NetworkError("The service did not answer with the range.", code="network")
        yield AsyncDownload(transport, path, params, begin, end, answer, answer.headers.get("etag"))


async def save(transport: AsyncTransport, asset: Asset, path: str, target: str, params: dict[str, Any], check: bool) -> str:
    """Writes into `target.part`, which a later call goes on with, and gives it its name when its digest is right."""
    part = f"{target}.part"
    file: Any = await in_thread(open, part, "ab")
    try:
        have = file.tell()
        if have > asset.size:
            file.truncate(0)
            have = 0
        if have < asset.size:
            async with open_download(transport, path, params, begin=have) as download:
                async for piece in download.aiter_bytes():
                    await in_thread(file.write, piece)
        await in_thread(file.flush)
        await in_thread(os.fsync, file.fileno())
    finally:
        file.close()
    if check and asset.sha256 and await in_thread(digest_of_file, part) != asset.sha256:
        os.unlink(part)
        raise DigestMismatch("The file that arrived is not the asset's.", code="digest_mismatch", retryable=True)
    os.replace(part, target)
    return target


def digest_of_file(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
