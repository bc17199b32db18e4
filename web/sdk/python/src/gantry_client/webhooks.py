"""Verification of webhooks as Standard Webhooks says: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from time import time
from typing import Iterable, Mapping

from .errors import WebhookVerificationError
from .models import Event

#: Seconds that a message may be old, or ahead of this machine's clock.
TOLERANCE = 300.0


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("A webhook's secret is whsec_ and base64.") from error


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature that the header `webhook-signature` carries. Useful in tests of receivers."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Iterable[str],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> Event:
    """Checks a message and answers with its event, or raises `WebhookVerificationError`.

    `body` has to be the bytes as they came. While a secret is replaced, both may be given: one match is enough. The
    comparison takes the same time whatever differs. `event.raw["webhook_id"]` is the id by which repetitions are known.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id = given.get("webhook-id", "")
    stamp = given.get("webhook-timestamp", "")
    signatures = given.get("webhook-signature", "")
    if not message_id or not signatures or not (stamp.isascii() and stamp.isdigit()):
        raise WebhookVerificationError("The message is not signed.", code="not_signed")
    if abs((time() if now is None else now) - int(stamp)) > tolerance:
        raise WebhookVerificationError("The message is too old.", code="too_old")
    expected = [sign(secret, message_id, int(stamp), body) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not expected:
        raise ValueError("A secret is needed.")
    pairs = [(own, text) for own in expected for text in signatures.split(" ")]
    # Every pair is compared, so that the time says nothing about which of them matched.
    if not any([hmac.compare_digest(own.encode(), text.encode()) for own, text in pairs]):
        raise WebhookVerificationError("The signature is wrong.", code="wrong_signature")
    try:
        message = json.loads(body)
        return Event.from_json({**message["data"], "webhook_id": message_id})
    except (ValueError, KeyError, TypeError) as error:
        raise WebhookVerificationError("The message is no event.", code="invalid_json") from error
