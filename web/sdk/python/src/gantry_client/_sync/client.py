# Made by tools/make_sync.py from _async/client.py: change that file instead.
"""The client: the service's address, a credential, and what can be done with them."""

from __future__ import annotations

import os
from types import TracebackType
from typing import ContextManager

import httpx

from .._retry import Retry
from .._sources import SourceLike
from ..models import Asset, Json
from .assets import Assets
from .downloads import Download, open_download, save
from .events import Events
from .links import Links, Webhooks
from .runtime import Credential
from .sender import Progress, send_file
from .transport import Transport
from .uploads import Uploads


class Client:
    """A client of Gantry.

    `url` and `credential` are those of the environment (`GANTRY_URL`, `GANTRY_API_KEY`) where they are not given. A
    credential is an API key, a token, or a function that answers with one and is asked again when it is refused. The
    client is made once and used by everybody; `close` or a `with` block ends its connections.
    """

    def __init__(
        self,
        url: str | None = None,
        credential: Credential | None = None,
        *,
        timeout: float = 30.0,
        retry: Retry = Retry(),
        http: httpx.Client | None = None,
    ) -> None:
        url = url or os.environ.get("GANTRY_URL")
        credential = credential or os.environ.get("GANTRY_API_KEY")
        if not url or not credential:
            raise ValueError("Give url and credential, or set GANTRY_URL and GANTRY_API_KEY.")
        self._http = http or httpx.Client(timeout=timeout, limits=httpx.Limits(max_connections=100))
        self._owned = http is None
        self.transport = Transport(url, credential, self._http, retry)
        self.uploads = Uploads(self.transport)
        self.assets = Assets(self.transport)
        self.links = Links(self.transport)
        self.events = Events(self.transport)
        self.webhooks = Webhooks(self.transport)

    def upload(
        self,
        source: SourceLike,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        metadata: Json | None = None,
        policy: str | None = None,
        external_id: str | None = None,
        resume: bool = True,
        parallel: int = 4,
        progress: Progress | None = None,
        wait: bool = True,
    ) -> Asset:
        """Sends a path, bytes, or a file object, and answers with the asset once it is ready.

        Parts travel in parallel, each bound to its SHA-256. A path that was cut off, even in another process, goes on
        where it stopped for a day (`resume`), and with an `external_id` for as long as its upload is open. A stream that cannot
        seek is sent in order; `policy` and `external_id` are not for streams. `progress(sent, size)` is told of bytes that the storage has.
        With `wait=False` the answer comes when every byte has arrived, before the file is examined.
        """
        wish = {
            "filename": filename, "content_type": content_type, "metadata": metadata, "policy": policy,
            "external_id": external_id, "resume": resume, "parallel": parallel, "progress": progress,
        }
        asset = send_file(self.transport, self.uploads, source, wish)
        return self.assets.wait(asset.id) if wait else asset

    def open(
        self,
        asset_id: str,
        *,
        begin: int = 0,
        end: int | None = None,
        variant: str | None = None,
        delivery: str | None = None,
        if_match: str | None = None,
    ) -> ContextManager[Download]:
        """The bytes as they come: use it with `with`. `begin` and `end` (exclusive) choose a range."""
        params = {"variant": variant, "delivery": delivery}
        return open_download(self.transport, f"/v1/assets/{asset_id}/content", params, begin, end, if_match)

    def download(self, asset_id: str, target: str | os.PathLike[str], *, check: bool = True, delivery: str | None = None) -> str:
        """Saves the asset under the name `target`. What an earlier call left in `target.part` is gone on with, and the whole
        is checked against the asset's SHA-256."""
        asset = self.assets.get(asset_id)
        path = f"/v1/assets/{asset_id}/content"
        return save(self.transport, asset, path, os.fspath(target), {"delivery": delivery}, check)

    def limits(self) -> Json:
        """What the service accepts for this credential."""
        answer: Json = self.transport.ask("GET", "/v1/limits")
        return answer

    def close(self) -> None:
        if self._owned:
            self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


__all__ = ["Client"]
