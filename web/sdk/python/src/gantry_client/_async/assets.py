"""Assets: read, listed, waited for, changed, deleted."""

from __future__ import annotations

from time import monotonic
from typing import Any, Sequence

from ..errors import GantryError, Gone, NotReady, Rejected
from ..models import FINAL_STATES, Asset, Json
from .runtime import AsyncIterator
from .transport import AsyncTransport

#: Seconds of one question while an asset is waited for.
POLL = 25


def verdict(asset: Asset) -> GantryError:
    """What to raise about an asset that will never be ready."""
    if asset.state in {"abandoned", "deleted"}:
        return Gone(f"The asset is {asset.state}.", code="gone", problem={"state": asset.state})
    reason = asset.reason or {}
    message = str(reason.get("message") or f"The asset is {asset.state}.")
    return Rejected(message, code="rejected", problem={"state": asset.state, "reason": reason.get("code")})


class AsyncAssets:
    """The calls under `/v1/assets`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, asset_id: str) -> Asset:
        return Asset.from_json(await self._transport.ask("GET", f"/v1/assets/{asset_id}"))

    async def get_many(self, asset_ids: Sequence[str]) -> dict[str, Asset]:
        """Up to a thousand assets by their ids; those that do not exist are left out."""
        answer = await self._transport.ask("POST", "/v1/assets/batch", json={"ids": list(asset_ids)})
        return {one["id"]: Asset.from_json(one["asset"]) for one in answer["results"] if one.get("asset")}

    async def list(self, *, limit: int | None = None, metadata: Json | None = None, **filters: Any) -> AsyncIterator[Asset]:
        """All assets that match, page by page: `state`, `external_id`, `content_type`, `name`, `created_after`, `sort` and
        others of the reference. `limit` is the size of a page."""
        params = {**filters, "limit": limit, **{f"metadata.{name}": value for name, value in (metadata or {}).items()}}
        while True:
            page = await self._transport.ask("GET", "/v1/assets", params=params)
            for asset in page["assets"]:
                yield Asset.from_json(asset)
            if not page.get("next"):
                return
            params["cursor"] = page["next"]

    async def wait(self, asset_id: str, *, timeout: float = 600.0) -> Asset:
        """The asset once it is ready. Raises `Rejected` or `Gone` if it never will be, `NotReady` after `timeout` seconds."""
        end = monotonic() + timeout
        while True:
            left = max(0.0, end - monotonic())
            params = {"wait": f"{int(min(POLL, left + 1))}s", "until": "ready"}
            asset = Asset.from_json(await self._transport.ask("GET", f"/v1/assets/{asset_id}", params=params, timeout=POLL + 30.0))
            if asset.is_ready:
                return asset
            if asset.state in FINAL_STATES:
                raise verdict(asset)
            if left <= 0:
                raise NotReady(f"The asset is {asset.state} still.", code="not_ready", retryable=True, problem={"state": asset.state})

    async def update(self, asset_id: str, *, filename: str | None = None, metadata: Json | None = None) -> Asset:
        """Changes the name, or replaces the metadata."""
        body = {name: value for name, value in {"filename": filename, "metadata": metadata}.items() if value is not None}
        return Asset.from_json(await self._transport.ask("PATCH", f"/v1/assets/{asset_id}", json=body))

    async def delete(self, asset_id: str) -> None:
        await self._transport.send("DELETE", f"/v1/assets/{asset_id}")
