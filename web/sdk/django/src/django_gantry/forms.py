"""The form field and its widget: `<gantry-uploader>` where scripts run, an ordinary file input where they do not."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature
from django.forms.widgets import Script
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from gantry_client.errors import GantryError, NotReady, Rejected

from . import conf
from .claims import Claim, FieldRules
from .names import name_of, shortened

#: Seconds that a form waits for a file to be examined. A file that takes longer is saved as it is.
EXAMINATION = 15.0


class SentFile(str):
    """The name of a file that is in Gantry already."""


class GantryFileWidget(forms.ClearableFileInput):
    """A file input that the script of this package turns into an uploader."""

    template_name = "django_gantry/widget.html"

    def __init__(self, attrs: Any = None, rules: FieldRules | None = None) -> None:
        super().__init__(attrs)
        self.rules = rules or FieldRules("")

    @property
    def media(self) -> forms.Media:
        return forms.Media(js=[Script("django_gantry/field.js", type="module")])

    @staticmethod
    def claim_name(name: str) -> str:
        return f"{name}-sent"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        sent = data.get(self.claim_name(name))
        if sent and not files.get(name):
            return str(sent)
        return super().value_from_datadict(data, files, name)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return self.claim_name(name) not in data and super().value_omitted_from_data(data, files, name)

    def is_initial(self, value: Any) -> bool:
        return bool(value and getattr(value, "asset_id", None))

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, None if isinstance(value, str) else value, attrs)
        try:
            grant = reverse("django_gantry:grant")
        except NoReverseMatch:
            grant = ""
        claim = value if isinstance(value, str) else ""
        context["gantry"] = {
            "claim_name": self.claim_name(name), "claim": claim, "sent": _filename_of(claim), "grant": grant,
            "rules": self.rules.sign(), "label": self.rules.label, "endpoint": conf.public_url(), "max_size": self.rules.max_size,
            "accept": ",".join(self.rules.content_types), "current": None,
        }
        if self.is_initial(value):
            context["gantry"]["current"] = {"filename": shortened(value.name, None), "url": _url_of(value)}
        return context


def _filename_of(claim: str) -> str:
    try:
        return Claim.load(claim).filename if claim else ""
    except BadSignature:
        return ""


def _url_of(value: Any) -> str:
    """The link of a saved file; none while it cannot be had, so that the form works all the same."""
    try:
        return str(value.url)
    except GantryError:
        return ""


class GantryFormField(forms.FileField):
    """Takes what the uploader sent before the form was, or a file that came with the form."""

    widget = GantryFileWidget
    default_error_messages = {
        "claim": _("This file was not sent for this field, or too long ago. Choose it again."),
        "rejected": _("The file is refused: %(reason)s"),
        "away": _("The file cannot be checked now. Try again in a moment."),
        "too_large": _("The file has more than %(max_size)s bytes."),
    }

    def __init__(self, *, rules: FieldRules | None = None, **kwargs: Any) -> None:
        self.rules = rules or FieldRules("")
        super().__init__(**kwargs)
        # The limits of the name are kept by the storage.
        self.name_length, self.max_length = self.max_length, None
        if isinstance(self.widget, GantryFileWidget):
            self.widget.rules = self.rules

    def bound_data(self, data: Any, initial: Any) -> Any:
        # A form that is shown again keeps what was sent; a file that came with the form cannot be shown again.
        return data if isinstance(data, str) else super().bound_data(data, initial)

    def clean(self, data: Any, initial: Any = None) -> Any:
        if isinstance(data, str):
            return self.clean_claim(data)
        value = super().clean(data, initial)
        limit = self.rules.max_size
        if data and limit is not None and getattr(value, "size", 0) > limit:
            raise ValidationError(self.error_messages["too_large"], "too_large", {"max_size": limit})
        return value

    def clean_claim(self, text: str) -> SentFile:
        try:
            claim = Claim.load(text)
        except (BadSignature, TypeError, ValueError) as error:
            raise ValidationError(self.error_messages["claim"], "claim") from error
        if claim.label != self.rules.label:
            raise ValidationError(self.error_messages["claim"], "claim")
        filename = claim.filename
        try:
            filename = conf.client().assets.wait(claim.asset_id, timeout=EXAMINATION).filename
        except Rejected as error:
            raise ValidationError(self.error_messages["rejected"], "rejected", {"reason": error.args[0]}) from error
        except NotReady as error:
            if error.problem.get("state") == "awaiting":
                raise ValidationError(self.error_messages["claim"], "claim") from error
        except GantryError as error:
            code = "away" if error.retryable else "claim"
            raise ValidationError(self.error_messages[code], code) from error
        return SentFile(name_of(claim.asset_id, filename, self.name_length))
