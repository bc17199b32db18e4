"""The package in the project of the guide, against a running service. tests/sdk/run.sh makes the project and runs this there."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from datetime import timedelta
from pathlib import Path
from unittest import mock

import httpx
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db.migrations.writer import MigrationWriter
from django.forms import modelform_factory
from django.test import Client as Browser
from django.test import LiveServerTestCase, TestCase, override_settings
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils import timezone
from django_gantry import conf, signals
from django_gantry.claims import Claim, FieldRules
from django_gantry.fields import GantryFileField
from django_gantry.names import asset_id_of, shortened
from django_gantry.responses import FileResponse
from django_gantry.storage import GantryStorage
from gantry_client import webhooks
from library.models import Film

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BYTES = os.urandom(100_000)


def with_settings(**more):
    return override_settings(GANTRY={**getattr(settings, "GANTRY", {}), **more})


class Storage(TestCase):
    def test_keeps_reads_and_deletes_a_file(self):
        storage = GantryStorage()
        name = storage.save("films/2026/a film.bin", ContentFile(BYTES))
        self.assertRegex(name, r"^[0-9a-f-]{36}/a film.bin$")
        self.assertTrue(storage.exists(name))
        self.assertEqual(storage.size(name), len(BYTES))
        with storage.open(name) as file:
            self.assertEqual(file.read(10), BYTES[:10])
            file.seek(-5, io.SEEK_END)
            self.assertEqual(file.read(), BYTES[-5:])
            file.seek(0)
            self.assertEqual(file.read(), BYTES)
        asset = storage.asset(name)
        self.assertEqual(asset.metadata, {"name": "films/2026/a film.bin"})
        self.assertLess(timezone.now() - storage.get_created_time(name), timedelta(minutes=1))
        url = storage.url(name)
        self.assertEqual(httpx.get(url, follow_redirects=True).content, BYTES)
        self.assertEqual(storage.url(name), url, "links are kept in the cache")
        storage.delete(name)
        storage.delete(name)
        self.assertFalse(storage.exists(name))
        with self.assertRaises(FileNotFoundError):
            storage.open(name)
        self.assertFalse(storage.exists("not/ours.bin"))
        with self.assertRaises(ValueError):
            storage.open(name, "w")

    def test_shortens_long_names(self):
        self.assertEqual(shortened("a/" + "n" * 300 + ".bin", 20), "n" * 16 + ".bin")
        name = GantryStorage().save("n" * 120 + ".txt", ContentFile(b"a"), max_length=100)
        self.assertEqual(len(name), 100)
        self.assertTrue(name.endswith(".txt"))


class Field(TestCase):
    def form(self, data=None, files=None):
        kind = modelform_factory(Film, fields=["title", "file"])
        return kind({"title": "One", **(data or {})}, files or {})

    def sent(self, content: bytes = BYTES, label: str = "library.Film.file", **more) -> str:
        asset = conf.client().upload(content, filename="sent.bin", wait=False, **more)
        return Claim(asset.id, asset.filename, label).sign()

    def test_code_saves_a_file_as_with_any_field(self):
        film = Film(title="One")
        film.file.save("one.bin", ContentFile(BYTES))
        film.refresh_from_db()
        self.assertEqual(film.file.read(), BYTES)
        self.assertEqual((film.file.asset.state, film.file.asset_id), ("ready", asset_id_of(film.file.name)))
        self.assertEqual(httpx.get(film.file.link(uses=1), follow_redirects=True).content, BYTES)

    def test_a_form_takes_what_the_browser_sent(self):
        form = self.form({"file-sent": self.sent()})
        self.assertTrue(form.is_valid(), form.errors)
        film = form.save()
        film.refresh_from_db()
        self.assertEqual(film.file.read(), BYTES)
        shown = modelform_factory(Film, fields=["file"])(instance=film).as_p()
        self.assertIn(f'<a href="{film.file.url}" rel="noreferrer">sent.bin</a>', shown)
        self.assertNotIn(conf.get("API_KEY"), shown)

    def test_a_form_without_scripts_brings_the_file_itself(self):
        form = self.form(files={"file": SimpleUploadedFile("plain.bin", BYTES)})
        self.assertEqual(form.save().file.read(), BYTES)
        small = modelform_factory(Film, fields=["title", "file"])
        limited = small({"title": "One"}, {"file": SimpleUploadedFile("plain.bin", BYTES)})
        limited.fields["file"].rules = FieldRules("library.Film.file", max_size=10)
        self.assertIn("more than 10 bytes", str(limited.errors))

    def test_a_form_refuses_what_was_not_sent_for_it(self):
        claim = self.sent()
        opened = conf.client().uploads.create("never.bin", 5)
        refused = [claim + "x", "x", self.sent(label="library.Film.other"), Claim(opened.asset.id, "a", "library.Film.file").sign()]
        with override_settings(SECRET_KEY="another"):
            refused.append(self.sent())
        # One of them has no bytes: nobody waits for these.
        with mock.patch("django_gantry.forms.EXAMINATION", 0.0):
            for text in refused:
                self.assertIn("file", self.form({"file-sent": text}).errors)
        with mock.patch("django_gantry.claims.MAX_AGE", -1):
            self.assertIn("file", self.form({"file-sent": claim}).errors)

    def test_a_rejected_file_is_an_error_of_the_form(self):
        opened = conf.client().uploads.create("a.png", 5, content_type="image/png", content_types=["image/*"])
        httpx.put(opened.put.url, headers=dict(opened.put.headers), content=b"hello").raise_for_status()
        conf.client().uploads.complete(opened.upload.id)
        form = self.form({"file-sent": Claim(opened.asset.id, "a.png", "library.Film.file").sign()})
        self.assertIn("The file is refused", str(form.errors))

    def test_a_form_with_another_error_keeps_the_file(self):
        claim = self.sent()
        form = self.form({"title": "", "file-sent": claim})
        self.assertFalse(form.is_valid())
        self.assertIn(f'value="{claim}"', str(form["file"]))
        self.assertIn("sent.bin", str(form["file"]))

    def test_migrations_name_the_field_alone(self):
        field = GantryFileField(max_size=5, content_types=["image/*"])
        field.set_attributes_from_name("file")
        text, imports = MigrationWriter.serialize(field)
        self.assertEqual(text, "django_gantry.fields.GantryFileField(content_types=['image/*'], max_size=5, upload_to='')")
        self.assertEqual(imports, {"import django_gantry.fields"})
        call_command("makemigrations", "--check", "--dry-run", verbosity=0)


class Grant(TestCase):
    def setUp(self):
        self.browser = Browser(enforce_csrf_checks=True)
        self.user = User.objects.create_user("editor", password="p", is_staff=True)
        self.rules = FieldRules("library.Film.file", max_size=1000, content_types=("text/*",))

    def token(self) -> str:
        self.browser.get("/admin/login/")
        return self.browser.cookies["csrftoken"].value

    def ask(self, csrf=True, **more):
        wish = {"name": "a.txt", "size": 5, "type": "text/plain", "fingerprint": "f", "rules": self.rules.sign(), **more}
        headers = {"x-csrftoken": self.token()} if csrf else {}
        return self.browser.post("/gantry/grant/", json.dumps(wish), content_type="application/json", headers=headers)

    def test_is_for_those_who_may_and_for_what_the_field_takes(self):
        self.assertEqual(self.ask().status_code, 403, "nobody is logged in")
        self.browser.force_login(self.user)
        self.assertEqual(self.ask(csrf=False).status_code, 403, "the token is missing")
        self.assertEqual(self.ask(size=1001).status_code, 413)
        self.assertEqual(self.ask(rules="forged").status_code, 400)
        self.assertEqual(self.ask(size="many").status_code, 400)
        self.assertEqual(self.browser.get("/gantry/grant/").status_code, 405)
        answer = self.ask()
        self.assertEqual(answer.status_code, 200, answer.content)
        given = answer.json()
        self.assertTrue(given["opened"]["grant"].startswith("gu_"))
        self.assertNotIn(conf.get("API_KEY"), answer.text)
        again = self.ask().json()
        self.assertEqual(again["opened"]["upload"]["id"], given["opened"]["upload"]["id"], "the same file goes on")
        other = User.objects.create_user("other", is_staff=True)
        self.browser.force_login(other)
        self.assertNotEqual(self.ask().json()["opened"]["upload"]["id"], given["opened"]["upload"]["id"])
        text = {"file": ("a.txt", b"hello", "text/plain")}
        self.assertEqual(httpx.post(given["opened"]["endpoints"]["form"], files=text).status_code, 200)
        self.assertEqual(conf.client().assets.wait(Claim.load(given["claim"]).asset_id).state, "ready")

    def test_goes_by_the_projects_own_rule(self):
        with with_settings(MAY_UPLOAD=lambda request, field: field == "library.Film.file"):
            self.assertEqual(self.ask(fingerprint=None).status_code, 200)
        with with_settings(MAY_UPLOAD="django_gantry.views.is_staff"):
            self.assertEqual(self.ask().status_code, 403)


class Webhook(LiveServerTestCase):
    def setUp(self):
        cache.clear()
        self.told = []
        signals.asset_ready.connect(self.hear)
        self.addCleanup(signals.asset_ready.disconnect, self.hear)

    def hear(self, asset_id, **_):
        self.told.append(asset_id)
        if len(self.told) == 1 and self.fails:
            raise RuntimeError("the first time")

    fails = False

    def post(self, body: bytes, secret: str = SECRET, message_id: str = "msg_1"):
        now = int(time.time())
        headers = {
            "webhook-id": message_id, "webhook-timestamp": str(now), "webhook-signature": webhooks.sign(secret, message_id, now, body),
        }
        return self.client.post("/gantry/webhook/", body, content_type="application/json", headers=headers)

    BODY = b'{"type": "asset.ready", "data": {"id": "1", "type": "asset.ready", "asset_id": "a", "seq": 1, "data": {}}}'

    def test_takes_what_is_genuine_once(self):
        with with_settings(WEBHOOK_SECRETS=["whsec_b3RoZXI=", SECRET], READY_TASK=None):
            self.assertEqual(self.post(self.BODY).status_code, 204)
            self.assertEqual(self.post(self.BODY).status_code, 204)
            self.assertEqual(self.told, ["a"])
            self.assertEqual(self.post(self.BODY, "whsec_YQ==").status_code, 401)
        with with_settings(WEBHOOK_SECRETS=()):
            os.environ.pop("GANTRY_WEBHOOK_SECRETS", None)
            self.assertEqual(self.post(self.BODY).status_code, 503)

    def test_hears_of_a_failure_again(self):
        self.fails = True
        self.client.raise_request_exception = False
        with with_settings(WEBHOOK_SECRETS=SECRET, READY_TASK=None):
            self.assertEqual(self.post(self.BODY).status_code, 500)
            self.assertEqual(self.post(self.BODY).status_code, 204)
        self.assertEqual(self.told, ["a", "a"])

    def test_the_service_tells_and_a_task_runs(self):
        from mysite.celery import app

        app.conf.task_always_eager = True
        app.loader.import_default_modules()
        film = Film(title="Told")
        hook = conf.client().webhooks.create(f"{self.live_server_url}/gantry/webhook/", ["asset.ready"])
        self.addCleanup(conf.client().webhooks.delete, hook.id)
        with with_settings(WEBHOOK_SECRETS=hook.secret):
            # The row is there before the file is examined.
            opened = conf.client().uploads.create("told.bin", len(BYTES))
            film.file = f"{opened.asset.id}/told.bin"
            film.save()
            httpx.put(opened.put.url, headers=dict(opened.put.headers), content=BYTES).raise_for_status()
            conf.client().uploads.complete(opened.upload.id)
            end = time.monotonic() + 30
            while not film.sha256 and time.monotonic() < end:
                time.sleep(0.1)
                film.refresh_from_db()
        self.assertEqual(film.sha256, film.file.asset.sha256)
        self.assertEqual(self.told, [opened.asset.id])


class Downloads(TestCase):
    def test_are_for_those_whom_the_view_lets(self):
        film = Film(title="One")
        film.file.save("one.bin", ContentFile(BYTES))
        self.assertEqual(self.client.get(f"/films/{film.pk}/").headers["location"].split("?")[0], "/accounts/login/")
        self.client.force_login(User.objects.create_user("reader"))
        answer = self.client.get(f"/films/{film.pk}/")
        self.assertEqual((answer.status_code, answer.headers["cache-control"]), (302, "private, no-store"))
        self.assertEqual(httpx.get(answer.headers["location"], follow_redirects=True).content, BYTES)
        accel = FileResponse(film.file, accel=True, disposition="inline")
        place = accel["X-Accel-Redirect"]
        self.assertRegex(place, r"^/_gantry/d/gd_[^?]+\?delivery=stream&disposition=inline$")
        self.assertNotIn("Location", accel)
        self.assertNotIn("Content-Type", accel)
        behind = httpx.get(conf.get("URL") + place.removeprefix("/_gantry"))
        self.assertEqual((behind.status_code, behind.content), (200, BYTES))


urlpatterns = [path("films/<int:pk>/", lambda request, pk: FileResponse(get_object_or_404(Film, pk=pk).file, accel=True))]


@unittest.skipUnless(shutil.which("nginx") or os.path.exists("/usr/sbin/nginx"), "nginx is not installed")
@override_settings(ROOT_URLCONF="library.tests")
class BehindNginx(LiveServerTestCase):
    """The location that the guide has, in an nginx before the project."""

    def start_nginx(self) -> str:
        guide = Path(os.environ["DJANGO_GUIDE"]).read_text()
        location = re.search(r"```nginx\n(.*?)```", guide, re.S)[1].replace("http://127.0.0.1:8080", conf.get("URL"))
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        place = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, place)
        temporary = "".join(f"{kind}_temp_path {place}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        server = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {self.live_server_url}; }}\n{location} }}"
        (place / "nginx.conf").write_text(f"daemon off; pid {place}/pid; events {{}} http {{ access_log off; {temporary} {server} }}")
        command = [shutil.which("nginx") or "/usr/sbin/nginx", "-e", f"{place}/error", "-c", f"{place}/nginx.conf"]
        nginx = subprocess.Popen(command)
        self.addCleanup(nginx.wait)
        self.addCleanup(nginx.terminate)
        for _ in range(100):
            try:
                httpx.get(f"http://127.0.0.1:{port}/")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        return f"http://127.0.0.1:{port}"

    def test_the_file_comes_without_a_link(self):
        film = Film(title="One")
        film.file.save("one.bin", ContentFile(BYTES))
        origin = self.start_nginx()
        answer = httpx.get(f"{origin}/films/{film.pk}/")
        self.assertEqual((answer.status_code, answer.content), (200, BYTES))
        self.assertEqual(answer.headers["content-disposition"], 'attachment; filename="one.bin"')
        self.assertEqual(answer.headers["content-type"], film.file.asset.content_type)
        part = httpx.get(f"{origin}/films/{film.pk}/", headers={"range": "bytes=10-19"})
        self.assertEqual((part.status_code, part.content), (206, BYTES[10:20]))
        self.assertEqual(httpx.get(f"{origin}/_gantry/v1/limits").status_code, 404, "the location is for nginx alone")


class Commands(TestCase):
    def test_check_says_what_is_wrong(self):
        out = io.StringIO()
        with with_settings(WEBHOOK_SECRETS=SECRET):
            call_command("gantry_check", stdout=out)
            self.assertEqual(out.getvalue().count("ok:"), 5, out.getvalue())
            with self.assertRaises(CommandError):
                call_command("gantry_check", "--origin", "https://stranger.example", stdout=out)
        with with_settings(API_KEY="gk_wrong.key"), self.assertRaises(CommandError):
            call_command("gantry_check", stdout=out)
        self.assertIn("no:", out.getvalue())
        with override_settings(GANTRY={"URI": "x"}), self.assertRaises(Exception):
            conf.get("URL")

    def test_import_moves_files_and_can_be_repeated(self):
        old = FileSystemStorage()
        name = old.save("films/old.bin", ContentFile(BYTES))
        self.addCleanup(old.delete, name)
        film = Film.objects.create(title="Old", file=name)
        missing = Film.objects.create(title="Missing", file="films/missing.bin")
        out, complaints = io.StringIO(), io.StringIO()
        arguments = ("gantry_import", "library.Film.file", "--from", "default")
        with self.assertRaises(CommandError):
            call_command(*arguments, "--dry-run", stdout=out, stderr=complaints)
        film.refresh_from_db()
        self.assertEqual(film.file.name, name)
        with self.assertRaises(CommandError):
            call_command(*arguments, stdout=out, stderr=complaints)
        film.refresh_from_db()
        missing.refresh_from_db()
        self.assertEqual(film.file.read(), BYTES)
        self.assertEqual(missing.file.name, "films/missing.bin")
        missing.delete()
        before = film.file.name
        call_command(*arguments, stdout=out)
        film.refresh_from_db()
        self.assertEqual(film.file.name, before)
        self.assertIn("0 files, 0 bytes sent, 0 failed.", out.getvalue())
        for wrong in ("library.Film.title", "library.Film.nothing", "nothing"):
            with self.assertRaises(CommandError):
                call_command("gantry_import", wrong)
