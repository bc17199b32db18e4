"""A model field whose files are sent by the browser straight to Gantry."""

from __future__ import annotations

from typing import Any, Sequence

from django.db import models
from django.db.models.fields.files import FieldFile

from gantry_client import Asset

from . import conf
from .claims import FieldRules
from .forms import GantryFileWidget, GantryFormField
from .names import asset_id_of
from .storage import default_storage


class GantryFieldFile(FieldFile):
    """As every file of a model, with its asset."""

    @property
    def asset_id(self) -> str | None:
        return asset_id_of(self.name)

    @property
    def asset(self) -> Asset:
        """The asset as the service has it now: state, digest, type, derivatives."""
        self._require_file()
        return conf.client().assets.get(str(self.asset_id))

    def link(self, **wish: Any) -> str:
        """A link of its own, like `url`: `expires_in`, `uses`, `disposition`, `filename`, `variant`, `ip`."""
        self._require_file()
        url: str = self.storage.url(self.name, **wish)
        return url


class GantryFileField(models.FileField):
    """A file in Gantry. In forms and in the admin it is sent by the browser, in parts, and goes on after a break.

    `max_size` is in bytes, `content_types` are like `image/*`, `policy` is the name of a policy of the tenant.
    """

    attr_class = GantryFieldFile

    def __init__(
        self,
        verbose_name: Any = None,
        name: str | None = None,
        upload_to: Any = "",
        storage: Any = None,
        *,
        max_size: int | None = None,
        content_types: Sequence[str] = (),
        policy: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.max_size, self.content_types, self.policy = max_size, tuple(content_types), policy
        kwargs.setdefault("max_length", 255)
        super().__init__(verbose_name, name, upload_to, storage or default_storage, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        if kwargs.get("storage") is default_storage:
            del kwargs["storage"]
        if kwargs.get("max_length") == 255:
            del kwargs["max_length"]
        own = {"max_size": self.max_size, "content_types": list(self.content_types), "policy": self.policy}
        return name, path, args, {**kwargs, **{name: value for name, value in own.items() if value}}

    def rules(self) -> FieldRules:
        label = f"{self.model._meta.label}.{self.name}" if hasattr(self, "model") else str(self.name)
        return FieldRules(label, self.max_size, self.content_types, self.policy)

    def formfield(self, **kwargs: Any) -> Any:
        # The admin wants its own widget for every field of files.
        widget = kwargs.pop("widget", None)
        kind = widget if isinstance(widget, type) else type(widget)
        if not issubclass(kind, GantryFileWidget):
            widget = GantryFileWidget
        return super().formfield(**{"form_class": GantryFormField, "rules": self.rules(), "widget": widget, **kwargs})
