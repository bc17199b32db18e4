"""Lists, searches, sums, sweeps and the start beside very many assets: the time at 1 000 000 against that at 10 000.

    generated.py [--assets 10000000] [--only sqlite|postgres]

Rows are made by the database itself, an upload and an event to each asset. Measured over HTTP as clients ask; the sweep, which
no client asks for, by its statements. What is not flat is printed with its plan: PostgreSQL tells it by auto_explain, SQLite is
asked for the plan of each statement that the service logs. The size of a row of each table is printed too. Runs by itself
(GANTRY_TEST_BIN names the binary) or by run.sh; PostgreSQL is started by tests/servers.sh.
"""

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time
import urllib.parse

ROOT = os.path.realpath(f"{os.path.dirname(os.path.abspath(__file__))}/../..")
GANTRY = os.environ.get("GANTRY_TEST_BIN", f"{ROOT}/target/release/gantry")
FEW = 10_000
ROUNDS = 25
STARTS_WITHIN_S = 3
# The levels that the indexes of a million rows have and those of ten thousand have not, and pages that are in no cache.
FLAT = 2
STATES = "CASE WHEN n % 100 < 94 THEN 'ready' WHEN n % 100 < 97 THEN 'awaiting' WHEN n % 100 < 99 THEN 'failed' ELSE 'rejected' END"

ASSETS = """
INSERT INTO asset (id, tenant_id, owner_id, revision, state, name, size, media_type, metadata, object_key, etag, stored_at,
    detected_type, sha256, verdict_code, verdict_sentence, created_at, changed_at, quota_charge)
SELECT {id}, {tenant}, {tenant}, 3, state, {word} || '-' || n || '.bin', {size}, 'application/octet-stream', {metadata},
    CASE WHEN state <> 'awaiting' THEN 'a/' || n END, CASE WHEN state <> 'awaiting' THEN 'etag-' || n END,
    CASE WHEN state <> 'awaiting' THEN at END, CASE WHEN state = 'ready' THEN 'application/octet-stream' END, {sha256},
    CASE WHEN state IN ('failed', 'rejected') THEN 'unreadable' END, CASE WHEN state IN ('failed', 'rejected') THEN 'No.' END,
    at, at, CASE WHEN state = 'rejected' THEN NULL ELSE {size} END
FROM ({numbers}) AS made
"""
UPLOADS = """
INSERT INTO upload (id, tenant_id, asset_id, owner_id, revision, state, protocol, transfer, size, part_size, store_id, object_key,
    write_token, created_at, changed_at, expires_at, next_check_at, quota_charge, last_activity_at)
SELECT {id}, {tenant}, {id}, {tenant}, 2, CASE WHEN state = 'awaiting' THEN 'open' ELSE 'completed' END, 'native', 'multipart', {size},
    8388608, 'store-' || n, 'a/' || n, 'token-' || n, at, at, {later},
    CASE WHEN state = 'awaiting' THEN {later} END, CASE WHEN state = 'awaiting' THEN 0 END, at
FROM ({numbers}) AS made
"""
EVENTS = """
INSERT INTO event (asset_id, seq, tenant_id, kind, at) SELECT {id}, 1, {tenant}, 'asset.ready', at FROM ({numbers}) AS made
"""
# As src/store/sql/port.rs and tenancy.rs have them.
SWEEP = {
    "sweep of uploads": "SELECT * FROM upload WHERE next_check_at IS NOT NULL AND next_check_at <= {now} ORDER BY next_check_at LIMIT 100",
    "sweep of bytes": "SELECT * FROM asset WHERE purge_at IS NOT NULL AND purge_at <= {now} ORDER BY purge_at LIMIT 100",
    "sweep of old files": "SELECT * FROM asset WHERE delete_at IS NOT NULL AND delete_at <= {now} ORDER BY delete_at LIMIT 100",
}


def say(text):
    print(text, flush=True)
    if bench := os.environ.get("BENCH"):
        with open(f"{bench}/results.txt", "a") as results:
            results.write(text + "\n")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Instance:
    """A service without work of its own: its chores would be measured too."""

    def __init__(self, home, url):
        self.home, self.port = home, free_port()
        self.env = {
            **os.environ,
            "GANTRY_DATABASE_URL": url,
            "GANTRY_DATA_DIR": f"{home}/data",
            "GANTRY_LISTEN": f"127.0.0.1:{self.port}",
            "GANTRY_STORE_LISTEN": f"127.0.0.1:{free_port()}",
            "GANTRY_LOG__LEVEL": "warn,sqlx::query=debug",
        }

    def run(self, *words):
        done = subprocess.run([GANTRY, *words], env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"gantry {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def __enter__(self):
        self.log = open(f"{self.home}/serve.log", "ab")
        begun = time.monotonic()
        self.process = subprocess.Popen([GANTRY, "serve"], env=self.env, stdout=self.log, stderr=self.log)
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() - begun > 120:
                raise SystemExit(f"no service, see {self.home}/serve.log")
            time.sleep(0.02)
        self.started = time.monotonic() - begun
        self.key = self.run("key", "create", "--tenant", "default", "--scopes", "admin,upload,read")
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def is_ready(self):
        with contextlib.suppress(OSError):
            probe = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            probe.request("GET", "/readyz")
            return probe.getresponse().status == 200
        return False

    def ask(self, path):
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {self.key}"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {text[:500]}")
        return json.loads(text)

    def time(self, path):
        """Milliseconds of the median answer."""
        self.ask(path)
        times = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            self.ask(path)
            times.append((time.perf_counter() - begun) * 1000)
        return statistics.median(times)


class Postgres:
    name = "PostgreSQL"

    def __init__(self, home):
        self.home = home
        os.chmod(home, 0o711)
        exports = subprocess.run(["bash", f"{ROOT}/tests/servers.sh", "start", home, "postgres"], check=True, capture_output=True, text=True).stdout
        self.server = re.search(r"GANTRY_TEST_POSTGRES=(\S+)", exports)[1]
        self.url = re.sub("/[^/]*$", "/generated", self.server)
        self.psql(self.server, "CREATE DATABASE generated")

    def psql(self, url, statement):
        done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", url], input=statement, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{statement[:300]}: {done.stderr}")
        return done.stdout.strip()

    def run(self, statement):
        return self.psql(self.url, statement)

    def tenant(self):
        return self.run("SELECT id FROM tenant WHERE name = 'default'")

    def fill(self, tenant, first, last):
        made = f"""SELECT n, {STATES} AS state, 1700000000000000 + n * 60000 AS at FROM generate_series({first}, {last}) AS n"""
        hexes = "substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15)"
        words = {
            "numbers": made,
            "id": f"(lpad(to_hex(at / 1000), 12, '0') || '7' || {hexes})::uuid",
            "tenant": f"'{tenant}'::uuid",
            "word": "(ARRAY['report','holiday','invoice','backup','lecture'])[1 + n % 5] || substr(md5(n::text), 1, 6)",
            "size": "(1000 + abs(hashint8(n)::bigint) % 1000000000)",
            "metadata": "jsonb_build_object('case', n % 1000)",
            "sha256": "CASE WHEN state = 'ready' THEN sha256(int8send(n)) END",
            "later": "at + 3000000000000000",
        }
        for statement in (ASSETS, UPLOADS, EVENTS):
            self.run(statement.format(**words))

    def settle(self):
        self.run("VACUUM ANALYZE")
        self.run("CHECKPOINT")

    def sizes(self):
        tables = "SELECT relname, reltuples::bigint, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class WHERE relname IN ('asset', 'upload', 'event')"
        for line in self.run(tables + " AND relkind = 'r' ORDER BY 1").splitlines():
            table, rows, heap, indexes = line.split("|")
            rows = max(1, int(rows))
            yield table, int(heap) / rows, int(indexes) / rows

    def time(self, statement):
        times = []
        for _ in range(ROUNDS):
            plan = self.run(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
            found = json.loads(plan)[0]
            times.append(found["Planning Time"] + found["Execution Time"])
        return statistics.median(times)

    @contextlib.contextmanager
    def plans(self):
        """The plans of what a service that starts within asks for."""
        with open(f"{self.home}/postgres.log") as log:
            for setting in ("session_preload_libraries = 'auto_explain'", "auto_explain.log_min_duration = 0", "auto_explain.log_analyze = on", "auto_explain.log_buffers = on"):
                self.run(f"ALTER DATABASE generated SET {setting}")
            log.seek(0, os.SEEK_END)
            found = []
            yield found
            found.append(log.read())
        self.run("ALTER DATABASE generated RESET ALL")

    def stop(self):
        subprocess.run(["bash", f"{ROOT}/tests/servers.sh", "stop", self.home], check=True)


class Sqlite:
    name = "SQLite"

    def __init__(self, home):
        self.home, self.file = home, f"{home}/generated.db"
        self.url = f"sqlite://{self.file}"

    def connect(self):
        connection = sqlite3.connect(self.file, timeout=60)
        connection.create_function("v7", 2, lambda at, n: bytes.fromhex(f"{at // 1000:012x}7{n % 4096:03x}8{n * 2654435761 % 2**60:015x}"), deterministic=True)
        connection.create_function("digest", 1, lambda n: hashlib.sha256(str(n).encode()).digest(), deterministic=True)
        connection.create_function("spread", 1, lambda n: n * 2654435761 % 2**32, deterministic=True)
        return connection

    def run(self, statement):
        with contextlib.closing(self.connect()) as connection, connection:
            return connection.execute(statement).fetchall()

    def tenant(self):
        return self.run("SELECT lower(hex(id)) FROM tenant WHERE name = 'default'")[0][0]

    def fill(self, tenant, first, last):
        made = f"""WITH RECURSIVE counted (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM counted WHERE n < {last})
            SELECT n, {STATES} AS state, 1700000000000000 + n * 60000 AS at FROM counted"""
        words = {
            "numbers": made,
            "id": "v7(at, n)",
            "tenant": f"x'{tenant}'",
            "word": "(CASE n % 5 WHEN 0 THEN 'report' WHEN 1 THEN 'holiday' WHEN 2 THEN 'invoice' WHEN 3 THEN 'backup' ELSE 'lecture' END) || lower(printf('%06x', spread(n) % 16777216))",
            "size": "(1000 + spread(n) % 1000000000)",
            "metadata": "json_object('case', n % 1000)",
            "sha256": "CASE WHEN state = 'ready' THEN digest(n) END",
            "later": "at + 3000000000000000",
        }
        for statement in (ASSETS, UPLOADS, EVENTS):
            self.run(statement.format(**words))
        # The service's chore would add them a thousand at a time.
        self.run("INSERT INTO asset_name (rowid, name) SELECT row, name FROM asset_name_row JOIN asset ON asset.id = asset_id "
                 "WHERE row > coalesce((SELECT max(rowid) FROM asset_name), 0) ORDER BY row")

    def settle(self):
        with contextlib.closing(self.connect()) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def sizes(self):
        rows = self.run("SELECT count(*) FROM asset")[0][0]
        yield "asset, upload and event", os.path.getsize(self.file) / rows, 0.0

    def time(self, statement):
        with contextlib.closing(self.connect()) as connection:
            times = []
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                connection.execute(statement).fetchall()
                times.append((time.perf_counter() - begun) * 1000)
            return statistics.median(times)

    @contextlib.contextmanager
    def plans(self):
        with open(f"{self.home}/serve.log") as log:
            log.seek(0, os.SEEK_END)
            found = []
            yield found
            text = log.read()
        with contextlib.closing(self.connect()) as connection:
            for statement in sorted(set(re.findall(r'(?:summary|statement)="((?:[^"\\]|\\.)*asset(?:[^"\\]|\\.)*)"', text))):
                statement = statement.replace("\\n", "\n").replace('\\"', '"')
                values = [None] * len(set(re.findall(r"\$\d+", statement)))
                with contextlib.suppress(sqlite3.Error):
                    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
                    found.append("\n".join([statement, *(f"    {row[3]}" for row in plan)]))

    def stop(self):
        pass


def requests(instance, assets):
    """What is asked for, by what it is called. Pages from the middle begin at a time."""
    middle = urllib.parse.quote(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_700_000_000 + assets * 0.06 / 2)))
    by_size = instance.ask("/v1/assets?limit=50&sort=size&size_from=500000000")["next"]
    return {
        "first page": "/v1/assets?limit=50",
        "page from the middle": f"/v1/assets?limit=50&created_before={middle}",
        "page of a frequent state": "/v1/assets?limit=50&state=ready",
        "page of a rare state": "/v1/assets?limit=50&state=rejected",
        "page of a rare state by size": "/v1/assets?limit=50&state=rejected&sort=size",
        "names with a text that few have": "/v1/assets?limit=50&name=-4711.bin",
        "names with a text that many have": "/v1/assets?limit=50&name=report",
        "page by name": "/v1/assets?limit=50&sort=name",
        "page by size": "/v1/assets?limit=50&sort=size",
        "page by size from the middle": f"/v1/assets?limit=50&sort=size&size_from=500000000&cursor={urllib.parse.quote(by_size)}",
        "page by a property": "/v1/assets?limit=50&metadata.case=471",
        "page of open uploads": "/v1/uploads?limit=50&state=open",
        "overview": "/v1/admin/overview",
        "a tenant's usage": "/v1/tenants",
        "events": "/v1/events?limit=50&after=0",
    }


def measure(database, assets):
    now = int(time.time() * 1_000_000)
    with Instance(database.home, database.url) as instance:
        found = {"start": instance.started * 1000}
        for title, path in requests(instance, assets).items():
            found[title] = instance.time(path)
        for title, statement in SWEEP.items():
            found[title] = database.time(statement.format(now=now))
    return found


def explain(database, assets, titles):
    for title in titles:
        if title in SWEEP or title == "start":
            continue
        with database.plans() as plans, Instance(database.home, database.url) as instance:
            path = requests(instance, assets)[title]
            instance.ask(path)
            instance.ask(path)
        say(f"--- {title} on {database.name}: GET {path}")
        texts = [text for text in re.split(r"\n(?=\S)", "\n".join(plans)) if "asset" in text or "upload" in text or "event" in text]
        say("\n".join(texts)[-6000:])


def compare(database, assets):
    with Instance(database.home, database.url):
        pass
    tenant = database.tenant()
    database.fill(tenant, 1, FEW)
    database.settle()
    few = measure(database, FEW)
    begun = time.monotonic()
    for first in range(FEW + 1, assets + 1, 500_000):
        database.fill(tenant, first, min(first + 499_999, assets))
    database.settle()
    say(f"{database.name}: {assets} assets with their uploads and events made in {time.monotonic() - begun:.0f} s")
    for table, heap, indexes in database.sizes():
        say(f"{database.name}: a row of {table} has {heap:.0f} bytes and {indexes:.0f} in indexes")
    many = measure(database, assets)
    slow = []
    for title, before in few.items():
        ratio = many[title] / before
        verdict = "ok"
        if title == "start":
            verdict = "ok" if many[title] < STARTS_WITHIN_S * 1000 else "slow"
        elif ratio > FLAT:
            slow.append(title)
            verdict = "not flat"
        say(f"RATIO {title} on {database.name}: {before:.2f} ms at {FEW}, {many[title]:.2f} ms at {assets}, {ratio:.2f} {verdict}")
    explain(database, assets, slow)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--assets", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["sqlite", "postgres"])
    options = parser.parse_args()
    for name, kind in {"sqlite": Sqlite, "postgres": Postgres}.items():
        if options.only in (None, name):
            home = tempfile.mkdtemp(prefix="gantry-generated-", dir=os.environ.get("TMPDIR"))
            database = kind(home)
            try:
                compare(database, options.assets)
            finally:
                database.stop()
                shutil.rmtree(home, ignore_errors=True)


main()
