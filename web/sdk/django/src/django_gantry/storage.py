"""A storage of Django that keeps files in Gantry."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.core.files.base import File
from django.core.files.storage import Storage
from django.utils.deconstruct import deconstructible

from gantry_client import Asset, Client
from gantry_client.errors import Gone, NotFound

from . import conf
from .names import ID_LENGTH, asset_id_of, name_of, shortened

#: Bytes that are asked for at once when a file is read.
_READ = 1 << 20


class _RangeReader(io.RawIOBase):
    """Reads an asset where it is asked to, by ranges. Nothing is fetched before it is read."""

    def __init__(self, client: Client, asset_id: str, size: int) -> None:
        self._client, self._asset_id, self._size, self._at = client, asset_id, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._size, self._at + len(buffer))
        if end <= self._at:
            return 0
        with self._client.open(self._asset_id, begin=self._at, end=end) as download:
            data = download.read()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@deconstructible(path="django_gantry.storage.GantryStorage")
class GantryStorage(Storage):
    """Files are assets, named `<id>/<filename>`. Directories of `upload_to` are kept in the asset's metadata, as `name`.

    `policy` is the name of the policy for new files, `link_expires_in` the seconds for which `url` answers with the same link.
    """

    def __init__(self, policy: str | None = None, link_expires_in: int | None = None) -> None:
        self.policy = policy
        self.link_expires_in = link_expires_in

    @property
    def client(self) -> Client:
        return conf.client()

    def asset(self, name: str) -> Asset:
        """The asset behind a name. Raises `FileNotFoundError` if there is none."""
        asset_id = asset_id_of(name)
        if asset_id is None:
            raise FileNotFoundError(name)
        try:
            asset = self.client.assets.get(asset_id)
        except (NotFound, Gone) as error:
            raise FileNotFoundError(name) from error
        if asset.state in {"deleted", "abandoned"}:
            raise FileNotFoundError(name)
        return asset

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        # Ids make names unique; what is left is to make room for the id.
        return shortened(name, max_length - ID_LENGTH) if max_length else name

    def _save(self, name: str, content: Any) -> str:
        source: Any = content.file if getattr(content, "file", None) is not None else content
        if hasattr(source, "seek"):
            source.seek(0)
        filename = shortened(name, None)
        asset = self.client.upload(
            source,
            filename=filename,
            content_type=getattr(content, "content_type", None),
            metadata={"name": name} if name != filename else None,
            policy=self.policy,
        )
        return name_of(asset.id, filename)

    def _open(self, name: str, mode: str = "rb") -> Any:
        if set(mode) - set("rb"):
            raise ValueError("Files in Gantry are not changed: save a new one instead.")
        asset = self.asset(name)
        raw = io.BufferedReader(_RangeReader(self.client, asset.id, asset.size), _READ)
        file = File(raw, name)
        file.size = asset.size
        return file

    def delete(self, name: str) -> None:
        asset_id = asset_id_of(name)
        if asset_id is None:
            return
        try:
            self.client.assets.delete(asset_id)
        except (NotFound, Gone):
            pass

    def exists(self, name: str) -> bool:
        try:
            self.asset(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        return self.asset(name).size

    def url(self, name: str | None, **wish: Any) -> str:
        """A link that anybody may use until it ends. It is kept in the cache for half of its life, so that a page costs nothing.

        `wish` narrows it, as `links.create` of the client says: `uses`, `disposition`, `filename`, `variant`, `ip`.
        """
        asset_id = asset_id_of(name)
        if asset_id is None:
            raise ValueError("This file is not in Gantry.")
        life = int(wish.pop("expires_in", None) or self.link_expires_in or conf.get("LINK_EXPIRES_IN"))
        described = repr((conf.get("URL"), asset_id, life, sorted(wish.items())))
        key = "django_gantry.link." + hashlib.sha256(described.encode()).hexdigest()
        link: str | None = None if wish.get("uses") else cache.get(key)
        if link is None:
            link = str(self.client.links.create(asset_id, expires_in=life, **wish).url)
            if not wish.get("uses"):
                cache.set(key, link, life // 2)
        return link

    def get_created_time(self, name: str) -> datetime:
        return self._time(self.asset(name).created_at)

    def get_modified_time(self, name: str) -> datetime:
        return self._time(self.asset(name).created_at)

    get_accessed_time = get_modified_time

    @staticmethod
    def _time(time: datetime | None) -> datetime:
        from django.conf import settings
        from django.utils import timezone

        assert time is not None
        return time if settings.USE_TZ else timezone.make_naive(time, timezone.get_default_timezone())


def default_storage() -> GantryStorage:
    """What fields use that name no storage."""
    return GantryStorage()
