"""What differs between code that awaits and code that waits. Its counterpart for threads is `_sync/runtime.py`."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, AsyncIterator, Awaitable, Callable, Iterable, TypeVar, Union

T = TypeVar("T")
S = TypeVar("S")

Credential = Union[str, Callable[[], Union[str, Awaitable[str]]]]


async def ask_credential(credential: Credential) -> str:
    """The credential itself, or what the caller's function answers."""
    if isinstance(credential, str):
        return credential
    answer = credential()
    return await answer if inspect.isawaitable(answer) else answer


async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Runs what reads or writes files without holding up the loop."""
    return await asyncio.to_thread(work, *arguments)


async def run_all(work: Callable[[S], Awaitable[None]], items: Iterable[S], parallel: int) -> None:
    """Works on all items, so many at once. The first failure ends the others."""
    left = iter(items)

    async def lane() -> None:
        for item in left:
            await work(item)

    lanes = [asyncio.ensure_future(lane()) for _ in range(parallel)]
    try:
        await asyncio.gather(*lanes)
    finally:
        for one in lanes:
            one.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)


__all__ = ["AsyncIterator", "Credential", "ask_credential", "in_thread", "run_all", "sleep"]
