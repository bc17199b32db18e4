"""What can be sent: files by path, file objects, bytes, and streams of unknown length."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import IO, Protocol, Union

SourceLike = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, IO[bytes]]

_SAMPLE = 64 * 1024
_PIECE = 1 << 20


class Source(Protocol):
    """Bytes that can be read anywhere, by several threads at once."""

    name: str | None
    size: int

    def read_at(self, offset: int, length: int) -> bytes: ...

    def fingerprint(self) -> str | None: ...

    def close(self) -> None: ...


class BytesSource:
    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self.name: str | None = None
        self._data = memoryview(data).cast("B")
        self.size = len(self._data)

    def read_at(self, offset: int, length: int) -> bytes:
        return bytes(self._data[offset : offset + length])

    def fingerprint(self) -> str | None:
        return None

    def close(self) -> None:
        pass


class FileSource:
    """A file object that can seek, from where it is now to its end."""

    def __init__(self, file: IO[bytes], *, owned: bool = False, identity: str = "") -> None:
        self._file = file
        self._owned = owned
        self._identity = identity
        self._lock = threading.Lock()
        self._begin = file.tell()
        self.size = file.seek(0, os.SEEK_END) - self._begin
        file.seek(self._begin)
        name = getattr(file, "name", None)
        self.name: str | None = os.path.basename(name) if isinstance(name, str) and name else None

    def read_at(self, offset: int, length: int) -> bytes:
        pieces = []
        with self._lock:
            self._file.seek(self._begin + offset)
            while length > 0 and (piece := self._file.read(length)):
                pieces.append(piece)
                length -= len(piece)
        if length > 0:
            raise OSError("The file became shorter while it was being sent.")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def fingerprint(self) -> str | None:
        """The same for the same file in every process: of its place, size, time and some of its bytes."""
        if not self._identity:
            return None
        known = hashlib.sha256(f"{self._identity}\0{self.size}\0".encode())
        for offset in {0, max(0, (self.size - _SAMPLE) // 2), max(0, self.size - _SAMPLE)}:
            known.update(self.read_at(offset, min(_SAMPLE, self.size - offset)))
        return known.hexdigest()

    def close(self) -> None:
        if self._owned:
            self._file.close()


class StreamSource:
    """A stream of unknown length, read once from its beginning to its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        name = getattr(stream, "name", None)
        self.name: str | None = os.path.basename(name) if isinstance(name, str) and name else None

    def read(self, length: int) -> bytes:
        """So many bytes, or fewer at the end."""
        pieces = []
        while length > 0 and (piece := self._stream.read(min(length, _PIECE))):
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)


def open_source(given: SourceLike) -> Source | StreamSource:
    """The source of what the caller gave."""
    if isinstance(given, (bytes, bytearray, memoryview)):
        return BytesSource(given)
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        file = path.open("rb")
        modified = os.fstat(file.fileno()).st_mtime_ns
        return FileSource(file, owned=True, identity=f"{path.resolve()}\0{modified}")
    if not hasattr(given, "read"):
        raise TypeError("Send a path, bytes, or a file object that was opened for bytes.")
    try:
        seekable = given.seekable()
    except AttributeError:
        seekable = hasattr(given, "seek") and hasattr(given, "tell")
    return FileSource(given) if seekable else StreamSource(given)


def sha256_of(source: Source, begin: int, end: int) -> str:
    """The digest of these bytes, in hexadecimal."""
    digest = hashlib.sha256()
    for offset in range(begin, end, _PIECE):
        digest.update(source.read_at(offset, min(_PIECE, end - offset)))
    return digest.hexdigest()
