"""How a file is named in a database column: the id of its asset, a slash, its filename."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_ID = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/")
#: Characters of an id and its slash.
ID_LENGTH = 37


def asset_id_of(name: str | None) -> str | None:
    """The asset of a name; None if it is the name of something else."""
    found = _ID.match(name or "")
    return found.group(1) if found else None


def name_of(asset_id: str, filename: str, max_length: int | None = None) -> str:
    return f"{asset_id}/{shortened(filename, max_length - ID_LENGTH if max_length else None)}"


def shortened(filename: str, length: int | None) -> str:
    """The last part of a path, with its ending, in so many characters."""
    path = PurePosixPath(filename.replace("\\", "/"))
    base = path.name or "file"
    if length is None or len(base) <= length:
        return base
    suffix = path.suffix if len(path.suffix) < length else ""
    return base[: length - len(suffix)] + suffix
