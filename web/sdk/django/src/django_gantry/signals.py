"""What webhooks tell, as signals. Receivers get `event`, `asset_id` and `data`; `sender` is the class of the event.

A receiver that raises makes the service deliver the same event again later: receivers should expect repetitions.
"""

from __future__ import annotations

from django.dispatch import Signal

#: Every event, before the signal of its own kind.
event_received = Signal()
asset_created = Signal()
asset_stored = Signal()
asset_processing = Signal()
asset_ready = Signal()
asset_rejected = Signal()
asset_failed = Signal()
asset_deleted = Signal()

#: By the type of the event.
BY_TYPE: dict[str, Signal] = {
    "asset.created": asset_created,
    "asset.stored": asset_stored,
    "asset.processing": asset_processing,
    "asset.ready": asset_ready,
    "asset.rejected": asset_rejected,
    "asset.failed": asset_failed,
    "asset.deleted": asset_deleted,
}
