"""Links and webhooks: what is handed to others."""

from __future__ import annotations

from builtins import list as List
from typing import Any, Mapping, Sequence

from ..errors import service_error
from ..models import Link, Webhook
from .runtime import AsyncIterator
from .transport import AsyncTransport, clean


class AsyncLinks:
    """Download links: good for one file, for a time, for nobody's key."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        asset_id: str,
        *,
        expires_in: int | str | None = None,
        uses: int | None = None,
        disposition: str | None = None,
        filename: str | None = None,
        variant: str | None = None,
        format: str | None = None,
        ip: str | None = None,
    ) -> Link:
        body = clean({
            "expires_in": expires_in, "uses": uses, "disposition": disposition, "filename": filename, "variant": variant,
            "format": format, "ip": ip,
        })
        return Link.from_json(await self._transport.ask("POST", f"/v1/assets/{asset_id}/links", json=body or {}))

    async def create_many(self, wishes: Sequence[Mapping[str, Any]]) -> List[Link]:
        """Up to a thousand links, each wish with `asset` and the members of `create`. Raises the first refusal."""
        answer = await self._transport.ask("POST", "/v1/links", json={"links": [dict(wish) for wish in wishes]})
        for result in answer["links"]:
            if problem := result.get("error"):
                error = service_error(int(problem.get("status", 400)), {}, b"")
                raise type(error)(str(problem.get("detail")), code=str(problem.get("code")), status=error.status, problem=problem)
        return [Link.from_json(result) for result in answer["links"]]

    async def list(self, asset_id: str | None = None, *, limit: int | None = None) -> AsyncIterator[Link]:
        params: dict[str, Any] = {"asset": asset_id, "limit": limit}
        while True:
            page = await self._transport.ask("GET", "/v1/links", params=params)
            for link in page["links"]:
                yield Link.from_json(link)
            if not page.get("next"):
                return
            params["cursor"] = page["next"]

    async def revoke(self, link_id: str) -> None:
        """Ends the link at once, on every node."""
        await self._transport.send("DELETE", f"/v1/links/{link_id}")


class AsyncWebhooks:
    """Endpoints that are told of events. `gantry_client.webhooks` verifies what they get."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, url: str, events: Sequence[str] | None = None, *, description: str | None = None) -> Webhook:
        """Makes an endpoint; `secret` of the answer is shown this once. It is not repeated by itself: a second one would be made."""
        body = clean({"url": url, "events": list(events) if events is not None else None, "description": description})
        return Webhook.from_json(await self._transport.ask("POST", "/v1/webhooks", json=body, repeatable=False))

    async def list(self) -> List[Webhook]:
        answer = await self._transport.ask("GET", "/v1/webhooks")
        return [Webhook.from_json(webhook) for webhook in answer["webhooks"]]

    async def rotate(self, webhook_id: str, *, expires_in: int | str | None = None) -> Webhook:
        """A new secret; the old one signs as well for a while."""
        body = clean({"expires_in": expires_in}) or {}
        return Webhook.from_json(await self._transport.ask("POST", f"/v1/webhooks/{webhook_id}/rotate", json=body, repeatable=False))

    async def delete(self, webhook_id: str) -> None:
        await self._transport.send("DELETE", f"/v1/webhooks/{webhook_id}")
