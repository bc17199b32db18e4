"""Requests to the service and its storage, repeated where that is safe."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any, Callable, Mapping
from uuid import uuid4

import httpx

from .._retry import Retry
from ..errors import GantryError, NetworkError, service_error, storage_error
from .runtime import AsyncIterator, Credential, ask_credential, sleep

USER_AGENT = "gantry-client-python/0.1.0"
#: Completing can take the storage a while.
COMPLETION_TIMEOUT = 700.0


def network_error(error: httpx.HTTPError) -> NetworkError:
    return NetworkError(str(error) or type(error).__name__, code="network", retryable=isinstance(error, httpx.TransportError))


class AsyncTransport:
    """One connection pool, one credential, one rule for repetitions."""

    def __init__(self, url: str, credential: Credential, http: httpx.AsyncClient, retry: Retry) -> None:
        self.url = url.rstrip("/")
        self.http = http
        self.retry = retry
        self._credential = credential
        self._token: str | None = None

    async def authorization(self, *, renew: bool = False) -> dict[str, str]:
        if self._token is None or renew:
            self._token = await ask_credential(self._credential)
        return {"authorization": f"Bearer {self._token}", "user-agent": USER_AGENT}

    async def persevere(self, headers: Mapping[str, str] | None, once: Callable[[dict[str, str]], Any], repeatable: bool) -> Any:
        """Does something with the credential until it succeeds or further tries are of no use."""
        attempt, renewed = 0, False
        while True:
            attempt += 1
            try:
                return await once({**await self.authorization(), **(headers or {})})
            except httpx.HTTPError as failed:
                error: GantryError = network_error(failed)
                if not repeatable and not isinstance(failed, (httpx.ConnectError, httpx.PoolTimeout)):
                    raise error from failed
            except GantryError as failed:
                error = failed
                # A token of the caller's function may have run out.
                if failed.status == 401 and callable(self._credential) and not renewed:
                    renewed = True
                    await self.authorization(renew=True)
                    continue
                if not repeatable and failed.status not in {429, 503}:
                    raise
            wait = self.retry.wait(attempt, error)
            if wait is None:
                raise error
            await sleep(wait)

    async def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        repeatable: bool = True,
        timeout: float | None = None,
    ) -> httpx.Response:
        """A request of the API. A POST carries an `Idempotency-Key`, the same in every repetition."""
        own = dict(headers or {})
        if method == "POST":
            own.setdefault("idempotency-key", str(uuid4()))
        more: dict[str, Any] = {} if timeout is None else {"timeout": timeout}

        async def once(all_headers: dict[str, str]) -> httpx.Response:
            answer = await self.http.request(
                method, self.url + path, json=json, params=clean(params), headers=all_headers, content=content, **more
            )
            if answer.status_code >= 400:
                raise service_error(answer.status_code, answer.headers, answer.content)
            return answer

        answer: httpx.Response = await self.persevere(own, once, repeatable)
        return answer

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """The JSON of an answer; None if it has no body."""
        answer = await self.send(method, path, **more)
        return answer.json() if answer.content else None

    async def begin(
        self, path: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None, timeout: Any = None
    ) -> httpx.Response:
        """An answer whose body is still to be read, and which the caller closes. Redirects to the storage are followed, without
        the credential."""

        async def once(all_headers: dict[str, str]) -> httpx.Response:
            request = self.http.build_request(
                "GET", self.url + path, params=clean(params), headers=all_headers, timeout=timeout or self.http.timeout
            )
            answer = await self.http.send(request, stream=True, follow_redirects=True)
            if answer.status_code < 400:
                return answer
            try:
                body = await answer.aread()
            finally:
                await answer.aclose()
            ours = str(answer.url).startswith(self.url + "/")
            raise (service_error if ours else storage_error)(answer.status_code, answer.headers, body)

        answer: httpx.Response = await self.persevere(headers, once, True)
        return answer

    @asynccontextmanager
    async def open(self, path: str, **more: Any) -> AsyncIterator[httpx.Response]:
        """As `begin`, for a `with` block."""
        answer = await self.begin(path, **more)
        try:
            yield answer
        finally:
            await answer.aclose()

    async def put_to_storage(self, url: str, headers: Mapping[str, str], content: Any) -> None:
        """One try to send bytes to a signed address, which needs no credential."""
        try:
            answer = await self.http.put(url, headers=dict(headers), content=content, timeout=httpx.Timeout(60.0, read=300.0))
        except httpx.HTTPError as failed:
            raise network_error(failed) from failed
        if answer.status_code >= 300:
            raise storage_error(answer.status_code, answer.headers, answer.content)


def clean(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The parameters that were given."""
    return {name: value for name, value in params.items() if value is not None} if params else None
