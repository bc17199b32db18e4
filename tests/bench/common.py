"""What every benchmark shares: our service and the peers as processes, what they cost, and the lines that come out.

Two CPUs tell the two sides apart: servers run on SRV_CPU, whatever loads them on CLI_CPU (the peers' scripts go by the
same variables). Measured work runs while BENCH_LOCK, a file, is locked, so that builds elsewhere can wait for it.
"""

import contextlib
import fcntl
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse

ROOT = os.path.realpath(f"{os.path.dirname(os.path.abspath(__file__))}/../..")
BENCH = os.environ["BENCH"]
SCRIPTS = f"{BENCH}/scripts"
BENCH_TOOLS = os.environ["BENCH_TOOLS"]
GANTRY = os.environ["GANTRY_TEST_BIN"]
SRV_CPU, CLI_CPU = os.environ.get("SRV_CPU", "0"), os.environ.get("CLI_CPU", "1")
RESULTS = f"{BENCH}/results.txt"
GIB = 1 << 30
MIB = 1 << 20


def say(text):
    print(text, flush=True)
    with open(RESULTS, "a") as results:
        results.write(text + "\n")


def ratio(name, ours, peer, unit, at_least=None, at_most=None):
    """One verdict: ours over the peer's, against an aim in either direction."""
    value = ours / peer
    met = value >= at_least if at_least is not None else value <= at_most
    aim = f"at least {at_least:g}" if at_least is not None else f"at most {at_most:g}"
    say(f"RATIO {name}: ours {ours:.4g} {unit} peer {peer:.4g} {unit} ratio {value:.3g} (aim {aim}) {'ok' if met else 'short'}")


def median(rows, key):
    return statistics.median(row[key] for row in rows)


@contextlib.contextmanager
def quiet():
    """The machine to ourselves, as far as the others play along."""
    path = os.environ.get("BENCH_LOCK")
    if not path:
        yield
        return
    with open(path, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def alternate(rounds, **sides):
    """Runs the sides in turn, round after round; what each returned, by side."""
    rows = {name: [] for name in sides}
    with quiet():
        for _ in range(rounds):
            for name, run in sides.items():
                rows[name].append(run())
    return rows


def as_client():
    """Puts this process on the client's CPU."""
    os.sched_setaffinity(0, {int(CLI_CPU)})


def pinned(command, cpu=SRV_CPU):
    return ["taskset", "-c", cpu, *command] if cpu else command


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _processes():
    """pid → (parent, CPU seconds, resident bytes) of every process."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            cpu = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
            found[int(pid)] = (int(fields[1]), cpu, int(fields[21]) * 4096)
    return found


def cost(*roots):
    """CPU seconds so far and resident bytes now of processes with all their descendants."""
    every, wanted = _processes(), set(roots)
    while grown := {pid for pid, (parent, *_) in every.items() if parent in wanted} - wanted:
        wanted |= grown
    known = [every[pid] for pid in wanted if pid in every]
    return sum(k[1] for k in known), sum(k[2] for k in known)


def prefer(pid):
    """Precedence of a session's leader over strangers on a machine that is shared."""
    with contextlib.suppress(OSError):
        open(f"/proc/{pid}/autogroup", "w").write(os.environ.get("SRV_PRIO", "-20"))


class Server:
    """A process with a session of its own that ends with the `with` block."""

    def __init__(self, name, command, ready, env=None, cpu=SRV_CPU, patience=60):
        self.name, self.command, self.ready, self.patience = name, pinned(command, cpu), ready, patience
        self.env = {**os.environ, **(env or {})}
        self.process = None

    def __enter__(self):
        self.log = f"{BENCH}/logs/{self.name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        prefer(self.process.pid)
        deadline = time.monotonic() + self.patience
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise SystemExit(f"{self.name} did not come up:\n{open(self.log).read()[-2000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def pid(self):
        return self.process.pid

    def cpu(self):
        return cost(self.pid)[0]

    def rss(self):
        return cost(self.pid)[1]


def answers(url):
    """Whether something answers there with success."""

    def ask():
        parts = urllib.parse.urlsplit(url)
        try:
            h = http.client.HTTPConnection(parts.hostname, parts.port, timeout=2)
            h.request("GET", parts.path or "/")
            return h.getresponse().status < 400
        except OSError:
            return False

    return ask


class Gantry(Server):
    """The release binary on free ports, logging warnings only as the peers do, with a data directory of its own."""

    def __init__(self, name="ours", cpu=SRV_CPU, **settings):
        self.dir = f"{BENCH}/data/{name}"
        self.port, self.store_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        env = {
            "GANTRY_DATA_DIR": self.dir,
            "GANTRY_LISTEN": f"127.0.0.1:{self.port}",
            "GANTRY_STORE_LISTEN": f"127.0.0.1:{self.store_port}",
            "GANTRY_LOG__LEVEL": "warn",
            **settings,
        }
        super().__init__(name, [GANTRY, "serve"], answers(f"{self.url}/readyz"), env, cpu)

    def __enter__(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        super().__enter__()
        self.key = self.run("key", "create", "--tenant", "default", "--scopes", "admin,upload,read,link")
        self.auth = f"Authorization: Bearer {self.key}"
        return self

    def __exit__(self, *error):
        super().__exit__(*error)
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *arguments):
        done = subprocess.run([GANTRY, *arguments], env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"gantry {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def ask(self, method, path, body=None):
        """The JSON of a successful answer."""
        h = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        data = None if body is None else json.dumps(body)
        h.request(method, path, data, {"Authorization": f"Bearer {self.key}"})
        answer = h.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:500]}")
        return json.loads(text or b"null")

    def store_exports(self):
        return dict(re.findall(r"(\w+)=(\S+)", self.run("store-env")))


def preferred(command, env=None):
    """What a command prints that takes precedence over strangers as the servers do."""
    env = {**os.environ, **(env or {})}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        prefer(process.pid)
        found = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return found


def micro(*words, cpu=SRV_CPU):
    """What `micro.rs` found out."""
    return json.loads(preferred(pinned([os.environ["BENCH_MICRO"], *words], cpu)))


@contextlib.contextmanager
def peer(*names, **settings):
    """Peers of the shared scripts, started in order and stopped again."""
    env = {**os.environ, **settings}
    try:
        for name in names:
            start = [f"{SCRIPTS}/start-{name}.sh"]
            subprocess.run(start, env=env, check=True, stdout=subprocess.DEVNULL, cwd=os.path.dirname(BENCH))
        yield
    finally:
        subprocess.run([f"{SCRIPTS}/stop.sh", *reversed(names)], env=env, check=True)


def load(script, **options):
    """Runs one of the peers' load scripts; its result lines. Lists become repeated flags, True one without a value."""
    command = [sys.executable, f"{SCRIPTS}/load-{script}.py"]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        for one in value if isinstance(value, list) else [value]:
            command += [flag] if one is True else [flag, str(one)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=os.path.dirname(BENCH))
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def whole(name, pids, base, path, header=()):
    """One GET of a whole file by the peers' load script."""
    (row,) = load("dl", name=name, pids=pids, base=base, path=path, header=list(header), runs=1, no_range=True)
    return row


def told(side, rows):
    """Says what such GETs cost."""
    say(f"{side}: {median(rows, 'cpu_s_per_GiB'):.2f} s of CPU per GiB, {median(rows, 'MiBps'):.0f} MiB/s, "
        f"{max(row['rss_mib'] for row in rows)} MiB")
