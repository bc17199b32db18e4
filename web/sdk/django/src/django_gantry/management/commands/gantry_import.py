"""manage.py gantry_import: moves the files of a field from another storage into Gantry."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.core.files.storage import InvalidStorageError, storages
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gantry_client.errors import GantryError

from ... import conf
from ...fields import GantryFileField
from ...names import asset_id_of, name_of, shortened


class Command(BaseCommand):
    help = (
        "Sends the files of a GantryFileField that still lie in another storage, and writes their new names. It may be interrupted "
        "and run again: rows that are done are left alone. The old files stay where they are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("field", help="The field, like library.Film.file.")
        parser.add_argument("--from", dest="storage", default="default", help="The storage (of STORAGES) that has the files.")
        parser.add_argument("--dry-run", action="store_true", help="Only says what would be sent.")

    def handle(self, *args: Any, field: str, storage: str, dry_run: bool, **options: Any) -> None:
        model, name, column = self.find(field)
        try:
            old = storages[storage]
        except InvalidStorageError as error:
            raise CommandError(str(error)) from error
        done = bytes_sent = failed = 0
        rows = model._default_manager.exclude(**{name: ""}).exclude(**{f"{name}__isnull": True}).order_by("pk")
        for pk, was in rows.values_list("pk", name).iterator():
            if asset_id_of(was):
                continue
            try:
                size = old.size(was)
                if not dry_run:
                    self.send(model, name, column, pk, was, old, f"{field}:{pk}")
            except (OSError, GantryError) as error:
                failed += 1
                self.stderr.write(self.style.ERROR(f"{pk}: {was}: {error}"))
                continue
            done, bytes_sent = done + 1, bytes_sent + size
            self.stdout.write(f"{pk}: {was} ({size} bytes)")
        verb = "would be sent" if dry_run else "sent"
        self.stdout.write(self.style.SUCCESS(f"{done} files, {bytes_sent} bytes {verb}, {failed} failed."))
        if failed:
            raise CommandError(f"{failed} files failed. Run the command again to try them once more.")

    @staticmethod
    def send(model: Any, name: str, column: GantryFileField, pk: Any, was: str, old: Any, external_id: str) -> None:
        with old.open(was, "rb") as file:
            source = file.file if hasattr(file, "file") else file
            asset = conf.client().upload(
                source, filename=shortened(was, None), metadata={"name": was}, policy=column.policy, external_id=external_id
            )
        new = name_of(asset.id, asset.filename, column.max_length)
        # A row that was changed meanwhile keeps its change.
        if not model._default_manager.filter(pk=pk, **{name: was}).update(**{name: new}):
            conf.client().assets.delete(asset.id)

    @staticmethod
    def find(label: str) -> tuple[Any, str, GantryFileField]:
        try:
            path, name = label.rsplit(".", 1)
            model = apps.get_model(path)
            field = model._meta.get_field(name)
        except (ValueError, LookupError, FieldDoesNotExist) as error:
            raise CommandError(f"{label} is no field: {error}") from error
        if not isinstance(field, GantryFileField):
            raise CommandError(f"{label} is no GantryFileField.")
        return model, name, field
