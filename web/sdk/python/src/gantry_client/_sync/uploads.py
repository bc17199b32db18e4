# Made by tools/make_sync.py from _async/uploads.py: change that file instead.
"""Uploads: created for oneself or for a browser, watched, completed, aborted."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ..models import Asset, Json, OpenedUpload, SignedUrl, Upload
from .transport import COMPLETION_TIMEOUT, Transport, clean


class Uploads:
    """The calls under `/v1/uploads`. `Client.upload` uses them to send a file."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        filename: str | None = None,
        size: int | None = None,
        *,
        max_size: int | None = None,
        content_type: str | None = None,
        content_types: Sequence[str] | None = None,
        sha256: str | None = None,
        external_id: str | None = None,
        policy: str | None = None,
        metadata: Json | None = None,
        method: str | None = None,
        part_size: int | None = None,
        checksum: str | None = None,
        urls: int | None = None,
        expires_in: int | str | None = None,
        idempotency_key: str | None = None,
    ) -> OpenedUpload:
        """Opens an upload, or finds the one that is open under this `external_id` or `idempotency_key`.

        A known file has `filename` and `size`. For a file that somebody is still to choose, give `max_size` instead, and
        hand out `grant` of the answer: it is good for this one upload.
        """
        body = clean({
            "filename": filename, "size": size, "max_size": max_size, "content_type": content_type,
            "content_types": list(content_types) if content_types is not None else None, "sha256": sha256,
            "external_id": external_id, "policy": policy, "metadata": metadata, "method": method, "part_size": part_size,
            "checksum": checksum, "urls": urls, "expires_in": expires_in,
        })
        headers = {"idempotency-key": idempotency_key} if idempotency_key else None
        return OpenedUpload.from_json(self._transport.ask("POST", "/v1/uploads", json=body or {}, headers=headers))

    def check(self, filename: str, size: int, **more: Any) -> Json:
        """Raises what creating this upload would raise, and creates nothing."""
        body = {"filename": filename, "size": size, **more}
        answer: Json = self._transport.ask("POST", "/v1/uploads/check", json=body)
        return answer

    def get(self, upload_id: str) -> Upload:
        return Upload.from_json(self._transport.ask("GET", f"/v1/uploads/{upload_id}"))

    def sign(self, upload_id: str, parts: Sequence[int], checksums: Mapping[int, str] | None = None) -> list[SignedUrl]:
        """Addresses of the storage for these parts; with a `sha256:…` each takes no other bytes."""
        body: dict[str, Any] = {"parts": list(parts)}
        if checksums:
            body["checksums"] = {str(part): checksum for part, checksum in checksums.items()}
        answer = self._transport.ask("POST", f"/v1/uploads/{upload_id}/urls", json=body)
        return [SignedUrl.from_json(url) for url in answer["urls"]]

    def complete(self, upload_id: str, *, sha256: str | None = None) -> Asset:
        """Says that every byte was sent. The answer is the same however often this is asked."""
        body = {"sha256": sha256} if sha256 else {}
        path = f"/v1/uploads/{upload_id}/complete"
        return Asset.from_json(self._transport.ask("POST", path, json=body, timeout=COMPLETION_TIMEOUT))

    def abort(self, upload_id: str) -> None:
        """Ends the upload, and with it its grant."""
        self._transport.send("DELETE", f"/v1/uploads/{upload_id}")
