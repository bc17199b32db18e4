"""The feed of events: page by page, or followed as it happens."""

from __future__ import annotations

import json

import httpx

from ..errors import GantryError
from ..models import Event
from .runtime import AsyncIterator, sleep
from .transport import AsyncTransport, network_error

#: The service sends something at least this often; a quieter connection is dead.
SILENCE = httpx.Timeout(30.0, read=90.0)


class AsyncEvents:
    """A tenant's events, or those of one asset, in a single order without gaps."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def page(self, after: str | int = 0, *, limit: int | None = None, wait: str | None = None) -> tuple[list[Event], str]:
        """The events behind `after`, and the `after` of the next page. `wait`, such as `30s`, waits for the first one."""
        params = {"after": str(after), "limit": limit, "wait": wait}
        answer = await self._transport.ask("GET", "/v1/events", params=params, timeout=90.0)
        return [Event.from_json(event) for event in answer["events"]], str(answer["next"])

    async def follow(self, after: str | int | None = None, *, asset_id: str | None = None) -> AsyncIterator[Event]:
        """Events as they happen, for ever. After a cut it goes on behind the last one that it gave (`Last-Event-ID`).

        Without `after` it begins now; 0 is the oldest that is kept. Raises `Gone` if `after` is older than that.
        """
        path = f"/v1/assets/{asset_id}/events" if asset_id else "/v1/events"
        position = None if after is None else str(after)
        failures = 0
        while True:
            headers = {"accept": "text/event-stream", **({"last-event-id": position} if position is not None else {})}
            try:
                async with self._transport.open(path, headers=headers, timeout=SILENCE) as answer:
                    data = []
                    async for line in answer.aiter_lines():
                        name, _, value = line.partition(":")
                        value = value.removeprefix(" ")
                        if name == "data":
                            data.append(value)
                        elif name == "id":
                            position = value
                        elif not line and data:
                            failures = 0
                            yield Event.from_json(json.loads("\n".join(data)))
                            data = []
                error: GantryError | None = None
            except httpx.HTTPError as failed:
                error = network_error(failed)
            failures += 1
            wait = self._transport.retry.wait(min(failures, self._transport.retry.attempts - 1), error) if error else 0.1 * failures
            await sleep(min(wait or 1.0, 30.0))
