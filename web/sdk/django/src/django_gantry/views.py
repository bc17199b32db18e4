"""The package's own views: permission to upload, and what the service tells."""

from __future__ import annotations

import json
from typing import Any

from django.core.cache import cache
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST

from gantry_client import webhooks
from gantry_client.errors import GantryError, WebhookVerificationError
from gantry_client.models import Event

from . import conf
from .claims import Claim, FieldRules
from .signals import BY_TYPE, event_received

#: Seconds for which a message is known again. The service repeats only what was not acknowledged.
REMEMBERED = 3600


def is_staff(request: HttpRequest, field: str) -> bool:
    """Who may upload unless the setting `MAY_UPLOAD` names another function: who may enter the admin."""
    return request.user.is_active and request.user.is_staff


def _refusal(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse({"code": code, "detail": detail}, status=status)


@csrf_protect
@require_POST
def grant(request: HttpRequest) -> HttpResponse:
    """Opens an upload for the file that the page wants to send, if its user may. The API key stays here."""
    try:
        wish: dict[str, Any] = json.loads(request.body)
        name, size = str(wish["name"]), int(wish["size"])
        rules = FieldRules.load(str(wish["rules"]))
    except BadSignature:
        return _refusal(400, "page_too_old", "This page is too old. Load it again.")
    except (ValueError, KeyError, TypeError):
        return _refusal(400, "invalid", "The request has to have name, size and rules.")
    if not conf.may_upload()(request, rules.label):
        return _refusal(403, "forbidden", "You may not upload here. Log in again.")
    if rules.max_size is not None and size > rules.max_size:
        return _refusal(413, "too_large", f"The file has more than {rules.max_size} bytes.")
    whose = request.user.pk if request.user.is_authenticated else request.session.session_key
    fingerprint = wish.get("fingerprint")
    try:
        opened = conf.client().uploads.create(
            name,
            size,
            content_type=wish.get("type") or None,
            content_types=rules.content_types or None,
            policy=rules.policy,
            # The same file of the same user for the same field goes on where it stopped.
            external_id=f"{rules.label}:{whose}:{fingerprint}"[:255] if fingerprint and whose else None,
        )
    except GantryError as error:
        return _refusal(error.status or 503, error.code, error.args[0])
    claim = Claim(opened.asset.id, opened.asset.filename, rules.label).sign()
    return JsonResponse({"opened": opened.raw, "claim": claim})


@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """Takes what the service tells, if it is from the service, and sends it on as signals."""
    secrets = conf.webhook_secrets()
    if not secrets:
        return HttpResponse("WEBHOOK_SECRETS is not set.", status=503, content_type="text/plain")
    try:
        event = webhooks.verify(request.body, request.headers, secrets)
    except WebhookVerificationError as error:
        return HttpResponse(error.args[0], status=401, content_type="text/plain")
    key = f"django_gantry.message.{event.raw['webhook_id']}"
    if not cache.add(key, True, REMEMBERED):
        return HttpResponse(status=204)
    try:
        tell = {"event": event, "asset_id": event.asset_id, "data": event.data}
        event_received.send(Event, **tell)
        if signal := BY_TYPE.get(event.type):
            signal.send(Event, **tell)
    except Exception:
        # Delivered again, it has to be new.
        cache.delete(key)
        raise
    return HttpResponse(status=204)
