"""Makes the code for threads, `_sync`, from the code for a loop, `_async`. With --check it only says whether they agree."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "gantry_client"
#: Written by hand on both sides.
OWN = {"runtime.py"}
NOTE = "# Made by tools/make_sync.py from {name}: change that file instead.\n"
RULES = [
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsync(ContextManager|Client|Iterator|Transport|Uploads|Assets|Links|Events|Webhooks|Download|Sender|Appender)\b", r"\1"),
    (r"\bhttpx\.AsyncHTTPTransport\b", "httpx.HTTPTransport"),
    (r"__a(enter|exit|iter)__", r"__\1__"),
    (r"__anext__", "__next__"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\baclose\b", "close"),
    (r"\baread\b", "read"),
    (r"\baiter_", "iter_"),
    (r"StopAsyncIteration", "StopIteration"),
]


def made_from(source: Path) -> str:
    text = source.read_text()
    for pattern, by in RULES:
        text = re.sub(pattern, by, text)
    return NOTE.format(name=f"_async/{source.name}") + text


def main() -> int:
    differing = []
    for source in sorted((PACKAGE / "_async").glob("*.py")):
        if source.name in OWN:
            continue
        target = PACKAGE / "_sync" / source.name
        text = made_from(source)
        if target.exists() and target.read_text() == text:
            continue
        differing.append(target.name)
        if "--check" not in sys.argv:
            target.write_text(text)
    if differing and "--check" in sys.argv:
        print(f"out of date, run tools/make_sync.py: {', '.join(differing)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
