"""manage.py gantry_check: asks the service whether everything that the project needs of it works."""

from __future__ import annotations

from typing import Any, Callable

import httpx
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gantry_client.errors import GantryError

from ... import conf


class Command(BaseCommand):
    help = "Checks the address of the service, the scopes of the key, the webhook and the origins of pages."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--origin", action="append", default=[], help="An origin of pages with uploads, like https://shop.example.")

    def handle(self, *args: Any, origin: list[str], **options: Any) -> None:
        try:
            client = conf.client()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        checks: list[tuple[str, Callable[[], Any]]] = [
            (f"the service answers at {conf.get('URL')}", client.limits),
            ("the key may upload (scope `upload`)", lambda: client.uploads.check("check.bin", 1)),
            ("the key may read (scope `read`)", lambda: next(client.assets.list(limit=1), None)),
            ("the key may make links (scope `link`)", lambda: next(client.links.list(limit=1), None)),
            ("a secret for webhooks is set", self.require_secret),
        ]
        for one in origin or [url for url in settings.CSRF_TRUSTED_ORIGINS if "*" not in url]:
            checks.append((f"pages of {one} may upload (`cors_origins`)", lambda one=one: self.require_origin(one)))
        failed = 0
        for what, check in checks:
            try:
                check()
            except (GantryError, CommandError, httpx.HTTPError) as error:
                failed += 1
                self.stdout.write(self.style.ERROR(f"no:  {what}: {error}"))
            else:
                self.stdout.write(self.style.SUCCESS(f"ok:  {what}"))
        if failed:
            raise CommandError(f"{failed} of {len(checks)} checks failed.")

    @staticmethod
    def require_secret() -> None:
        if not conf.webhook_secrets():
            raise CommandError("set WEBHOOK_SECRETS")

    @staticmethod
    def require_origin(origin: str) -> None:
        asked = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        answer = httpx.options(f"{conf.public_url()}/v1/uploads", headers=asked, timeout=10)
        if answer.headers.get("access-control-allow-origin") not in {origin, "*"}:
            raise CommandError("the service does not name it; set GANTRY_CORS_ORIGINS there")
