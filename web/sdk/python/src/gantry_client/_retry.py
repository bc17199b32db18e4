"""Waiting between tries."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .errors import GantryError


@dataclass(frozen=True)
class Retry:
    """Tries of one request: `attempts` in all, waits that double from `first` to `longest` seconds.

    Each wait is shortened at random by up to half, and is never shorter than what the service asked for.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0

    def wait(self, attempt: int, error: GantryError) -> float | None:
        """Seconds before the next try after `attempt` tries; None: no more."""
        if not error.retryable or attempt >= self.attempts:
            return None
        wait: float = min(self.longest, self.first * 2.0 ** (attempt - 1)) * (0.5 + random.random() / 2)
        return max(wait, error.retry_after or 0.0)
