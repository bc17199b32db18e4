"""What differs between code that awaits and code that waits. Its counterpart for a loop is `_async/runtime.py`."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterable, Iterator, TypeVar, Union

T = TypeVar("T")
S = TypeVar("S")

Credential = Union[str, Callable[[], str]]


def ask_credential(credential: Credential) -> str:
    """The credential itself, or what the caller's function answers."""
    return credential if isinstance(credential, str) else credential()


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Runs it here: this code is on a thread of its own already."""
    return work(*arguments)


def run_all(work: Callable[[S], None], items: Iterable[S], parallel: int) -> None:
    """Works on all items, so many at once. After the first failure no other item is begun."""
    left = iter(items)
    lock = threading.Lock()
    failed = threading.Event()

    def lane() -> None:
        while not failed.is_set():
            with lock:
                item = next(left, None)
            if item is None:
                return
            try:
                work(item)
            except BaseException:
                failed.set()
                raise

    with ThreadPoolExecutor(parallel) as pool:
        lanes = [pool.submit(lane) for _ in range(parallel)]
    for one in lanes:
        one.result()


__all__ = ["Credential", "Iterator", "ask_credential", "in_thread", "run_all", "sleep"]
