"""A client of Gantry: large files up and down, resumed after a break.

`Client` is for threads, `AsyncClient` for an event loop; both have the same methods. `gantry_client.webhooks` verifies
webhooks, `gantry_client.errors` has what is raised.
"""

from . import errors, webhooks
from ._async.client import AsyncClient
from ._retry import Retry
from ._sync.client import Client
from .errors import GantryError
from .models import Asset, Event, Link, OpenedUpload, SignedUrl, Upload, Webhook

__version__ = "0.1.0"

__all__ = [
    "Asset",
    "AsyncClient",
    "Client",
    "Event",
    "GantryError",
    "Link",
    "OpenedUpload",
    "Retry",
    "SignedUrl",
    "Upload",
    "Webhook",
    "errors",
    "webhooks",
]
