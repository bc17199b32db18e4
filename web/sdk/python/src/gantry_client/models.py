"""What the service answers with, as frozen dataclasses. `raw` has the JSON, with members that this version does not know."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Mapping

Json = Mapping[str, Any]

#: States in which nothing more will happen to an asset by itself.
FINAL_STATES = frozenset({"ready", "rejected", "failed", "abandoned", "deleted"})


def parse_time(text: str | None) -> datetime | None:
    """A time of the service: RFC 3339 in UTC."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


@dataclass(frozen=True)
class Asset:
    """A file that the service keeps. Only a `ready` one is delivered."""

    id: str
    state: str
    filename: str
    size: int
    content_type: str | None
    sha256: str | None
    external_id: str | None
    policy: str | None
    metadata: Json
    reason: Json | None
    created_at: datetime | None
    changed_at: datetime | None
    derivatives: tuple[Json, ...] = ()
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_ready(self) -> bool:
        return self.state == "ready"

    @classmethod
    def from_json(cls, data: Json) -> Asset:
        return cls(
            id=data["id"],
            state=data["state"],
            filename=data["filename"],
            size=data["size"],
            content_type=data.get("content_type"),
            sha256=data.get("sha256"),
            external_id=data.get("external_id"),
            policy=data.get("policy"),
            metadata=data.get("metadata") or {},
            reason=data.get("reason"),
            created_at=parse_time(data.get("created_at")),
            changed_at=parse_time(data.get("changed_at")),
            derivatives=tuple(data.get("derivatives") or ()),
            raw=data,
        )


@dataclass(frozen=True)
class Upload:
    """An upload, with the parts that the storage has of it."""

    id: str
    asset_id: str
    state: str
    method: str
    size: int | None
    max_size: int | None
    part_size: int | None
    part_count: int | None
    received: tuple[tuple[int, int], ...]
    received_bytes: int
    expires_at: datetime | None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Upload:
        return cls(
            id=data["id"],
            asset_id=data["asset_id"],
            state=data["state"],
            method=data["method"],
            size=data.get("size"),
            max_size=data.get("max_size"),
            part_size=data.get("part_size"),
            part_count=data.get("part_count"),
            received=tuple((part["part"], part["size"]) for part in data.get("received") or ()),
            received_bytes=data.get("received_bytes", 0),
            expires_at=parse_time(data.get("expires_at")),
            raw=data,
        )


@dataclass(frozen=True)
class SignedUrl:
    """An address of the storage that takes these bytes and no others."""

    url: str
    headers: Mapping[str, str]
    part: int | None
    expires_at: datetime | None

    @classmethod
    def from_json(cls, data: Json) -> SignedUrl:
        return cls(data["url"], data.get("headers") or {}, data.get("part"), parse_time(data.get("expires_at")))


@dataclass(frozen=True)
class OpenedUpload:
    """The answer to the creation of an upload. `grant` may be handed to whoever sends the file; `raw` to a browser."""

    upload: Upload
    asset: Asset
    grant: str = field(repr=False)
    endpoints: Mapping[str, str] = field(repr=False)
    put: SignedUrl | None = field(default=None, repr=False)
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> OpenedUpload:
        return cls(
            upload=Upload.from_json(data["upload"]),
            asset=Asset.from_json(data["asset"]),
            grant=data["grant"],
            endpoints=data["endpoints"],
            put=SignedUrl.from_json(data["put"]) if data.get("put") else None,
            raw=data,
        )


@dataclass(frozen=True)
class Link:
    """A download link. `url` is known when it is made, and never again."""

    id: str
    asset_id: str | None
    url: str | None = field(repr=False)
    expires_at: datetime | None
    revoked_at: datetime | None
    uses: int | None
    used: int
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Link:
        return cls(
            id=data["id"],
            asset_id=data.get("asset_id"),
            url=data.get("url"),
            expires_at=parse_time(data.get("expires_at")),
            revoked_at=parse_time(data.get("revoked_at")),
            uses=data.get("uses"),
            used=data.get("used", 0),
            raw=data,
        )


@dataclass(frozen=True)
class Event:
    """A change of an asset. `id` is the place in the tenant's feed, `seq` the order of the asset's own events."""

    id: str
    type: str
    asset_id: str
    seq: int
    at: datetime | None
    data: Json
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Event:
        return cls(
            id=str(data["id"]),
            type=data["type"],
            asset_id=data.get("asset_id", ""),
            seq=data.get("seq", 0),
            at=parse_time(data.get("at")),
            data=data.get("data") or {},
            raw=data,
        )


@dataclass(frozen=True)
class Webhook:
    """An endpoint that is told of events. `secret` is known when it is made or replaced, and never again."""

    id: str
    url: str
    events: tuple[str, ...]
    enabled: bool
    secret: str | None = field(repr=False)
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Webhook:
        return cls(
            id=data["id"],
            url=data["url"],
            events=tuple(data.get("events") or ()),
            enabled=data.get("enabled", True),
            secret=data.get("secret"),
            raw=data,
        )
