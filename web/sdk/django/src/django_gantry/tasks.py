"""The hook for Celery: a task that is given the id of every asset that became ready."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from . import conf
from .signals import asset_ready


def connect() -> None:
    asset_ready.connect(send_task, dispatch_uid="django_gantry.ready_task")


def send_task(asset_id: str, **_: Any) -> None:
    name = conf.get("READY_TASK")
    if not name:
        return
    from celery import current_app

    def send() -> None:
        # A task that this process knows goes by its own options.
        task = current_app.tasks.get(name)
        if task is not None:
            task.delay(asset_id)
        else:
            current_app.send_task(name, args=[asset_id])

    transaction.on_commit(send)
