# Made by tools/make_sync.py from _async/append.py: change that file instead.
"""A stream of unknown length, in order through the service (tus 1.0). A piece that was lost is sent again from memory."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Callable

from .._sources import StreamSource
from ..errors import Conflict, GantryError
from ..models import Asset, Json
from .runtime import in_thread, sleep
from .transport import COMPLETION_TIMEOUT, Transport
from .uploads import Uploads

VERSION = {"tus-resumable": "1.0.0"}
BYTES = {"content-type": "application/offset+octet-stream"}
#: Bytes of one request, which memory holds until they are acknowledged.
PIECE = 8 << 20


def metadata_header(pairs: Json) -> str:
    encoded = ((name, base64.b64encode(str(value).encode()).decode()) for name, value in pairs.items())
    return ",".join(f"{name} {value}" for name, value in encoded)


@dataclass
class Appender:
    """The transfer of one stream."""

    transport: Transport
    uploads: Uploads
    source: StreamSource
    key: str
    offset: int = 0

    def send(
        self, filename: str, content_type: str | None, metadata: Json | None, progress: Callable[[int, int], None] | None
    ) -> Asset:
        pairs = {**(metadata or {}), "filename": filename, **({"filetype": content_type} if content_type else {})}
        headers = {**VERSION, "upload-defer-length": "1", "upload-metadata": metadata_header(pairs), "idempotency-key": self.key}
        created = self.transport.send("POST", "/tus", headers=headers, repeatable=False)
        upload_id = created.headers["location"].rsplit("/", 1)[-1]
        while piece := in_thread(self.source.read, PIECE):
            self.append(upload_id, piece)
            if progress:
                progress(self.offset, 0)
        # The length comes by itself, so that repeating it does no harm.
        headers = {**VERSION, **BYTES, "upload-offset": str(self.offset), "upload-length": str(self.offset)}
        self.transport.send("PATCH", f"/tus/{upload_id}", headers=headers, timeout=COMPLETION_TIMEOUT)
        upload = self.uploads.get(upload_id)
        return Asset.from_json(self.transport.ask("GET", f"/v1/assets/{upload.asset_id}"))

    def append(self, upload_id: str, piece: bytes) -> None:
        """Sends a piece until all of it is acknowledged."""
        begin, end, attempt = self.offset, self.offset + len(piece), 0
        while self.offset < end:
            attempt += 1
            headers = {**VERSION, **BYTES, "upload-offset": str(self.offset)}
            rest = piece[self.offset - begin :]
            try:
                answer = self.transport.send(
                    "PATCH", f"/tus/{upload_id}", headers=headers, content=rest, repeatable=False, timeout=300.0
                )
            except GantryError as error:
                wait = self.transport.retry.wait(attempt, error)
                # Another offset than this is what an answer that was lost leaves behind.
                if wait is None and (error.code != "offset_mismatch" or attempt >= self.transport.retry.attempts):
                    raise
                sleep(wait or 0.1)
                answer = self.transport.send("HEAD", f"/tus/{upload_id}", headers=VERSION)
            self.offset = int(answer.headers["upload-offset"])
            if not begin <= self.offset <= end:
                raise Conflict("The service has other bytes than were sent.", code="offset_mismatch")


__all__ = ["Appender"]
