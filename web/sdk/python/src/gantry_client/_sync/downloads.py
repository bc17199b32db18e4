# Made by tools/make_sync.py from _async/downloads.py: change that file instead.
"""Downloads: as a stream that goes on after a break, or into a file that is checked."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from ..errors import DigestMismatch, GantryError, NetworkError
from ..models import Asset
from .runtime import Iterator, in_thread, sleep
from .transport import Transport, network_error


@dataclass
class Download:
    """The bytes of an asset, from `begin` to `end` (exclusive)."""

    transport: Transport
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

    def iter_bytes(self) -> Iterator[bytes]:
        """All bytes. After a break the rest is asked for, of the same content alone."""
        position, size = self.begin, self.size
        stop = self.end if size is None else self.begin + size
        answer, attempt = self.answer, 0
        while True:
            try:
                for piece in answer.iter_bytes():
                    position += len(piece)
                    attempt = 0
                    yield piece
                if stop is None or position >= stop:
                    return
                error: GantryError = NetworkError("The connection ended early.", code="network", retryable=True)
            except httpx.HTTPError as failed:
                error = network_error(failed)
            finally:
                answer.close()
            attempt += 1
            wait = self.transport.retry.wait(attempt, error)
            if wait is None:
                raise error
            sleep(wait)
            answer = self._again(position, stop)

    def _again(self, position: int, stop: int | None) -> httpx.Response:
        headers = {"range": f"bytes={position}-" + (str(stop - 1) if stop is not None else "")}
        if self.etag:
            headers["if-match"] = self.etag
        # The loop that reads this answer closes it.
        answer = self.transport.begin(self.path, params=self.params, headers={**headers, "accept-encoding": "identity"})
        if answer.status_code != 206:
            answer.close()
            raise NetworkError("The rest of the file cannot be asked for.", code="network")
        return answer

    def read(self) -> bytes:
        """All of it in memory."""
        return b"".join([piece for piece in self.iter_bytes()])


@contextmanager
def open_download(
    transport: Transport, path: str, params: dict[str, Any], begin: int = 0, end: int | None = None, if_match: str | None = None
) -> Iterator[Download]:
    headers = {"accept-encoding": "identity"}
    if begin or end is not None:
        headers["range"] = f"bytes={begin}-" + (str(end - 1) if end is not None else "")
    if if_match:
        headers["if-match"] = if_match
    with transport.open(path, params=params, headers=headers) as answer:
        if "range" in headers and answer.status_code != 206:
            raise NetworkError("The service did not answer with the range.", code="network")
        yield Download(transport, path, params, begin, end, answer, answer.headers.get("etag"))


def save(transport: Transport, asset: Asset, path: str, target: str, params: dict[str, Any], check: bool) -> str:
    """Writes into `target.part`, which a later call goes on with, and gives it its name when its digest is right."""
    part = f"{target}.part"
    file: Any = in_thread(open, part, "ab")
    try:
        have = file.tell()
        if have > asset.size:
            file.truncate(0)
            have = 0
        if have < asset.size:
            with open_download(transport, path, params, begin=have) as download:
                for piece in download.iter_bytes():
                    in_thread(file.write, piece)
        in_thread(file.flush)
        in_thread(os.fsync, file.fileno())
    finally:
        file.close()
    if check and asset.sha256 and in_thread(digest_of_file, part) != asset.sha256:
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
