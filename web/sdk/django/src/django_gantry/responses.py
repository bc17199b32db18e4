"""Downloads that the project itself permits, without carrying the bytes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.db.models.fields.files import FieldFile
from django.http import HttpResponse

from . import conf

#: Seconds for which the address behind the answer is good.
EXPIRES_IN = 300


class FileResponse(HttpResponse):
    """An answer that leads to a file of a `GantryFileField`. Who may have it is decided by the view that makes the answer.

    By default it redirects the browser to a link that lives for `expires_in` seconds. With `accel=True` nginx fetches the file
    from the service itself (`X-Accel-Redirect` to an internal location), and no link ever reaches the browser. Other arguments
    narrow the link: `disposition`, `filename`, `variant`, `uses`, `ip`.
    """

    def __init__(self, file: FieldFile, *, accel: bool = False, expires_in: int = EXPIRES_IN, **wish: Any) -> None:
        super().__init__(status=200 if accel else 302)
        link: str = file.storage.url(file.name, expires_in=expires_in, **wish)
        # The type is that of the file, which nginx or the browser is told by the service.
        del self["Content-Type"]
        if accel:
            query = {"delivery": "stream", **({"disposition": wish["disposition"]} if "disposition" in wish else {})}
            self["X-Accel-Redirect"] = f"{conf.get('ACCEL_PREFIX')}{urlsplit(link).path}?{urlencode(query)}"
        else:
            self["Location"] = link
        self["Cache-Control"] = "private, no-store"
        self["Referrer-Policy"] = "no-referrer"
