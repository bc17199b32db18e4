"""The application."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register


class DjangoGantryConfig(AppConfig):
    name = "django_gantry"
    verbose_name = "Gantry"

    def ready(self) -> None:
        from . import tasks

        tasks.connect()
        register(check_settings)


def check_settings(**_: Any) -> list[CheckMessage]:
    """What `manage.py check` says about the settings, without asking the service."""
    from . import conf

    found: list[CheckMessage] = []
    for name in ("URL", "API_KEY"):
        if not conf.get(name):
            found.append(Error(f"GANTRY has no {name}.", hint=f"Set it there, or GANTRY_{name} in the environment.", id="django_gantry.E001"))
    if not conf.webhook_secrets():
        hint = "Make a webhook, and set WEBHOOK_SECRETS. Until then every message is refused."
        found.append(Warning("GANTRY has no WEBHOOK_SECRETS.", hint=hint, id="django_gantry.W001"))
    return found
