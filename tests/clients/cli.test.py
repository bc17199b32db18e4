"""The command line in terminals of 40, 80 and 200 columns: progress fits, nothing of it stays, and a key is not shown.

What a terminal would show is kept in a grid of characters that follows the sequences that programs write.
"""

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unicodedata
import urllib.request
from pathlib import Path

GANTRY = os.path.realpath(os.environ.get("GANTRY_TEST_BIN", "target/debug/gantry"))
PROGRESS = re.compile(r"━|─| %|files  ")


class Screen:
    """A terminal without an end below: every line that was written stays to be looked at."""

    def __init__(self, columns):
        self.columns, self.lines, self.row, self.column = columns, [[]], 0, 0
        self.rest, self.colours, self.wrapped = "", 0, set()

    def write(self, text):
        text, self.rest = self.rest + text, ""
        while text:
            if text[0] == "\x1b":
                sequence = re.match(r"\x1b\[([?\d;]*)([A-Za-z])", text)
                if not sequence:
                    self.rest = text
                    return
                self.obey(sequence[1], sequence[2])
                text = text[sequence.end():]
                continue
            self.put(text[0])
            text = text[1:]

    def obey(self, numbers, letter):
        count = int(numbers) if numbers.isdigit() else 1
        line = self.lines[self.row]
        if letter == "A":
            self.row = max(0, self.row - count)
        elif letter == "B":
            self.row += count
        elif letter == "C":
            self.column += count
        elif letter == "D":
            self.column = max(0, self.column - count)
        elif letter == "G":
            self.column = count - 1
        elif letter == "K":
            if numbers in ("", "0"):
                del line[self.column:]
            elif numbers == "2":
                line.clear()
        elif letter == "J":
            del line[self.column:]
            del self.lines[self.row + 1:]
        elif letter == "m" and numbers not in ("", "0"):
            self.colours += 1
        while len(self.lines) <= self.row:
            self.lines.append([])

    def put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row, self.column = self.row + 1, self.column
            if len(self.lines) <= self.row:
                self.lines.append([])
        elif character == "\b":
            self.column = max(0, self.column - 1)
        elif character >= " ":
            width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
            if self.column + width > self.columns:
                # A line that is filled up with a space ends here; any other goes on below.
                if self.lines[self.row][-1:] != [" "]:
                    self.wrapped.add(self.row)
                self.put("\n")
                self.column = 0
            line = self.lines[self.row]
            line.extend(" " * (self.column - len(line)))
            line[self.column:self.column + width] = [character] + [""] * (width - 1)
            self.column += width

    def text(self):
        return ["".join(line).rstrip() for line in self.lines]

    def progress(self):
        return [line for line in self.text() if PROGRESS.search(line)]

    def broken(self):
        """Lines of progress that did not fit."""
        return [self.text()[row] for row in self.wrapped if row < len(self.lines) and PROGRESS.search(self.text()[row])]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Service:
    def __init__(self, folder):
        self.folder, self.url = folder, f"http://127.0.0.1:{free_port()}"
        store = f"127.0.0.1:{free_port()}"
        environment = {
            **os.environ, "GANTRY_DATA_DIR": f"{folder}/data", "GANTRY_LISTEN": self.url[7:], "GANTRY_STORE_LISTEN": store,
        }
        log = open(f"{folder}/log", "w")
        self.process = subprocess.Popen([GANTRY, "serve"], env=environment, stdout=log, stderr=log, cwd=folder)
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.url}/readyz")
                break
            except OSError:
                time.sleep(0.1)
        self.key = Path(f"{folder}/data/admin.key").read_text().strip()


class Terminal:
    """A command in a terminal of so many columns."""

    def __init__(self, service, columns, arguments, **environment):
        self.screen, self.raw, self.most_lines, self.broken = Screen(columns), "", 0, []
        self.child, self.master = pty.fork()
        if self.child == 0:
            os.chdir(service.folder)
            home = {"XDG_STATE_HOME": f"{service.folder}/state", "XDG_CONFIG_HOME": f"{service.folder}/config"}
            known = {"GANTRY_URL": service.url, "GANTRY_API_KEY": service.key, "TERM": "xterm-256color", "PATH": os.environ["PATH"]}
            # The size is known before the command looks.
            time.sleep(0.2)
            os.execve(GANTRY, ["gantry", *arguments], {**known, **home, **environment})
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

    def read(self, until=None, seconds=60):
        """Reads until the command ends, or until its output matches."""
        end, decoder = time.time() + seconds, b""
        while time.time() < end:
            ready, _, _ = select.select([self.master], [], [], 0.5)
            if ready:
                try:
                    piece = os.read(self.master, 65536)
                except OSError:
                    piece = b""
                if not piece:
                    return
                decoder += piece
                try:
                    text, decoder = decoder.decode(), b""
                except UnicodeDecodeError:
                    continue
                self.raw += text
                self.screen.write(text)
                self.most_lines = max(self.most_lines, len(self.screen.progress()))
                self.broken += self.screen.broken()
                if until and re.search(until, self.raw):
                    return
        raise AssertionError(f"nothing more within {seconds} s: {self.raw[-2000:]!r}")

    def type(self, text):
        os.write(self.master, text.encode())

    def ended(self):
        self.read()
        _, status = os.waitpid(self.child, 0)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)


def noise(folder, name, size):
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return name


def expect(condition, terminal, why):
    if not condition:
        screen = "\n".join(f"  |{line}" for line in terminal.screen.text())
        sys.exit(f"not ok: {why}\n{screen}\n{terminal.raw[-1500:]!r}")


def fits(terminal, most):
    expect(terminal.broken == [], terminal, f"lines of progress do not fit: {terminal.broken[:3]}")
    expect(terminal.most_lines >= 1, terminal, "there was no progress")
    expect(terminal.most_lines <= most, terminal, f"{terminal.most_lines} lines of progress at once")
    expect(terminal.screen.progress() == [], terminal, "progress stays on the screen")


def run_all(service):
    folder = service.folder
    long_name = "a-name-that-is-longer-than-any-column-of-it-" + "漢字" * 6 + ".bin"
    for columns in (40, 80, 200):
        one = Terminal(service, columns, ["put", "--limit-rate", "8MiB/s", noise(folder, f"{columns}-{long_name}", 12 << 20)])
        expect(one.ended() == 0, one, "a file")
        fits(one, 1)
        expect(len([line for line in one.screen.text() if "-" in line and len(line) == 36]) == 1, one, "the id stays")

        several = [noise(folder, f"{columns}-{number}.bin", 4 << 20) for number in range(3)]
        three = Terminal(service, columns, ["put", "--limit-rate", "6MiB/s", *several])
        expect(three.ended() == 0, three, "three files")
        expect(three.most_lines >= 3, three, "each file has a line")
        fits(three, 4)

        for number in range(30):
            noise(folder, f"tree-{columns}/{number}", 20_000)
        many = Terminal(service, columns, ["put", "-r", "--limit-rate", "400k", f"tree-{columns}"])
        expect(many.ended() == 0, many, "a tree")
        fits(many, 1)
        expect("30 of 30 files sent" in "".join(many.screen.text()), many, "the summary")
        print(f"ok: progress fits {columns} columns and leaves nothing behind")

    stopped = Terminal(service, 80, ["put", "--limit-rate", "2MiB/s", noise(folder, "stopped.bin", 64 << 20)])
    stopped.read(until=r"\d %.*MiB/s")
    stopped.type("\x03")
    expect(stopped.ended() == 130, stopped, "Ctrl-C")
    expect(stopped.screen.progress() == [], stopped, "progress stays after Ctrl-C")
    expect("run the same command again" in " ".join(stopped.screen.text()), stopped, "how to go on")
    print("ok: Ctrl-C says how to go on, and leaves no line of progress")

    plain = Terminal(service, 80, ["put", "nowhere"], NO_COLOR="1")
    expect(plain.ended() == 1 and plain.screen.colours == 0, plain, "NO_COLOR")
    wrong = Terminal(service, 80, ["put", "--nonsense"], NO_COLOR="1")
    expect(wrong.ended() == 2 and wrong.screen.colours == 0, wrong, "NO_COLOR of a wrong option")
    coloured = Terminal(service, 80, ["put", "--nonsense"])
    expect(coloured.ended() == 2 and coloured.screen.colours > 0, coloured, "colours without NO_COLOR")
    print("ok: NO_COLOR is respected")

    login = Terminal(service, 80, ["login", service.url])
    login.read(until="API key: ")
    time.sleep(0.3)
    login.type(f"{service.key}\n")
    expect(login.ended() == 0, login, "login")
    expect(service.key not in login.raw and "profile" in login.raw, login, "the key is not shown")
    listed = Terminal(service, 80, ["ls", "--limit", "2"], GANTRY_URL="", GANTRY_API_KEY="")
    expect(listed.ended() == 0 and "ready" in listed.raw, listed, "the profile opens the service")
    print("ok: a key that is typed is not shown, and opens the service afterwards")


with tempfile.TemporaryDirectory() as folder:
    service = Service(folder)
    try:
        run_all(service)
    finally:
        service.process.send_signal(signal.SIGTERM)
        service.process.wait()
