"""The settings of the package: the dictionary `GANTRY` of the project, then the environment, then the defaults."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from gantry_client import Client

#: Name: where the environment has it, and what it is otherwise.
KNOWN: dict[str, tuple[str | None, Any]] = {
    "URL": ("GANTRY_URL", None),  # where this project reaches the service
    "PUBLIC_URL": ("GANTRY_PUBLIC_URL", None),  # where browsers reach it; by default the same
    "API_KEY": ("GANTRY_API_KEY", None),
    "WEBHOOK_SECRETS": ("GANTRY_WEBHOOK_SECRETS", ()),  # one, or several while they are replaced
    "LINK_EXPIRES_IN": (None, 3600),  # seconds for which an address of a file is good
    "MAY_UPLOAD": (None, "django_gantry.views.is_staff"),  # function(request, field) -> bool
    "READY_TASK": (None, None),  # name of a Celery task that is given the id of an asset
    "ACCEL_PREFIX": (None, "/_gantry"),  # the internal location of nginx for X-Accel-Redirect
}

_clients: dict[int, Client] = {}


def get(name: str) -> Any:
    """The value of a setting."""
    given = getattr(settings, "GANTRY", {})
    if unknown := set(given) - set(KNOWN):
        raise ImproperlyConfigured(f"GANTRY has unknown settings: {', '.join(sorted(unknown))}.")
    variable, default = KNOWN[name]
    value = given.get(name) or (os.environ.get(variable) if variable else None)
    return default if value is None else value


def public_url() -> str:
    url = get("PUBLIC_URL") or get("URL")
    return str(url or "").rstrip("/")


def webhook_secrets() -> list[str]:
    secrets = get("WEBHOOK_SECRETS")
    return secrets.replace(",", " ").split() if isinstance(secrets, str) else list(secrets)


def may_upload() -> Any:
    decide = get("MAY_UPLOAD")
    return import_string(decide) if isinstance(decide, str) else decide


def client() -> Client:
    """The client of this process. Connections are not shared with a process that was forked from it."""
    process = os.getpid()
    if process not in _clients:
        url, key = get("URL"), get("API_KEY")
        if not url or not key:
            raise ImproperlyConfigured("Set GANTRY = {'URL': …, 'API_KEY': …}, or GANTRY_URL and GANTRY_API_KEY.")
        _clients[process] = Client(url, key)
    return _clients[process]


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "GANTRY":
        _clients.clear()


setting_changed.connect(_forget)
