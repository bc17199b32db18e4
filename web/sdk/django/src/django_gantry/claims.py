"""What passes through a browser and comes back: signed, so that it is what this project said."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.core import signing

_FIELD, _CLAIM = "django_gantry.field", "django_gantry.claim"
#: Seconds for which a page may stay open, and for which a file may wait to be saved: as long as an upload lives.
MAX_AGE = 7 * 24 * 3600


@dataclass(frozen=True)
class FieldRules:
    """Which files a field takes. `label` names the field, like `library.Film.file`."""

    label: str
    max_size: int | None = None
    content_types: tuple[str, ...] = ()
    policy: str | None = None

    def sign(self) -> str:
        return signing.dumps(asdict(self), salt=_FIELD, compress=True)

    @classmethod
    def load(cls, text: str) -> FieldRules:
        data: dict[str, Any] = signing.loads(text, salt=_FIELD, max_age=MAX_AGE)
        return cls(data["label"], data["max_size"], tuple(data["content_types"]), data["policy"])


@dataclass(frozen=True)
class Claim:
    """An asset that somebody was allowed to send for a field."""

    asset_id: str
    filename: str
    label: str

    def sign(self) -> str:
        return signing.dumps([self.asset_id, self.filename, self.label], salt=_CLAIM)

    @classmethod
    def load(cls, text: str) -> Claim:
        return cls(*signing.loads(text, salt=_CLAIM, max_age=MAX_AGE))
