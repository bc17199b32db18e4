"""Errors of the service as exceptions: a class for each meaning, the service's own code in each."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, Mapping


class GantryError(Exception):
    """The base of everything that this package raises about a request.

    `code` is the cause for programs, `status` the HTTP status (0 if nobody answered), `request_id` the id to name in a
    report, `retryable` whether the same request may succeed later, and `problem` the whole problem document.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "internal",
        status: int = 0,
        request_id: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retryable = retryable
        self.retry_after = retry_after
        self.problem: Mapping[str, Any] = problem or {}

    @property
    def field(self) -> str | None:
        """The member or parameter that is invalid, where the code is `invalid`."""
        return self.problem.get("field")

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{super().__str__()} [{self.code}]{request}"


class NetworkError(GantryError):
    """Nobody answered, or the connection broke."""


class InvalidRequest(GantryError):
    """The request itself has to change: 400, 405, 415, 422."""


class AuthenticationError(GantryError):
    """The credential is missing, unknown, expired or revoked: 401."""


class PermissionDenied(GantryError):
    """The credential does not allow this: 403."""


class NotFound(GantryError):
    """Nothing has this id for this credential: 404."""


class Conflict(GantryError):
    """The state of the upload or asset does not allow this: 409, 423."""


class NotReady(Conflict):
    """The asset is still being examined."""


class Gone(GantryError):
    """It existed and was removed, or it has expired: 410."""


class Rejected(GantryError):
    """The asset was rejected or has failed; `reason` says why. No route delivers it."""

    @property
    def reason(self) -> str | None:
        return self.problem.get("reason")


class TooLarge(GantryError):
    """The file or the body is larger than a limit: 413."""


class QuotaExceeded(GantryError):
    """The tenant's quota is used up."""


class RateLimited(GantryError):
    """Too many requests: 429."""


class Unavailable(GantryError):
    """The service or its storage does not answer as it should: 5xx."""


class StorageError(GantryError):
    """The storage behind a signed URL refused a request."""


class DigestMismatch(GantryError):
    """The bytes that arrived are not those of the asset."""


class WebhookVerificationError(GantryError):
    """The message is not from the service, or too old."""


_BY_CODE: dict[str, type[GantryError]] = {
    "quota_exceeded": QuotaExceeded,
    "rejected": Rejected,
    "not_ready": NotReady,
    "rate_limited": RateLimited,
    "too_large": TooLarge,
}
_BY_STATUS: dict[int, type[GantryError]] = {
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: Conflict,
    413: TooLarge,
    423: Conflict,
    429: RateLimited,
}
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


def parse_retry_after(text: str | None) -> float | None:
    """Seconds from now, of a number or a date."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (TypeError, ValueError):
        return None


def service_error(status: int, headers: Mapping[str, str], body: bytes) -> GantryError:
    """The exception for a refusal by the service (RFC 9457)."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    code = str(problem.get("code") or ("body_limit" if status == 413 else "service"))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status) or (Unavailable if status >= 500 else InvalidRequest)
    retryable = problem.get("retryable")
    return kind(
        str(problem.get("detail") or f"The service answered {status}."),
        code=code,
        status=status,
        request_id=problem.get("request_id") or headers.get("x-request-id"),
        retryable=retryable if isinstance(retryable, bool) else status in _RETRYABLE,
        retry_after=parse_retry_after(headers.get("retry-after")),
        problem=problem,
    )


def storage_error(status: int, headers: Mapping[str, str], body: bytes) -> StorageError:
    """The exception for a refusal by the storage, whose answers are XML."""
    text = body.decode("utf-8", "replace")

    def member(name: str) -> str | None:
        _, found, rest = text.partition(f"<{name}>")
        return rest.partition("<")[0] if found else None

    code = member("Code")
    return StorageError(
        f"The storage answered {status}" + (f": {code}, {member('Message')}" if code else "."),
        code="storage",
        status=status,
        request_id=member("RequestId") or headers.get("x-amz-request-id"),
        retryable=status >= 500 or status in {400, 403, 408, 409, 429},
        retry_after=parse_retry_after(headers.get("retry-after")),
        problem={"storage_code": code} if code else None,
    )
