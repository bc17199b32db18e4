#!/usr/bin/env python3
"""Enough of systemctl for a machine without systemd: reads the units that are installed, with their drop-ins, and does what they say.

It knows Type=exec, simple, forking and oneshot, User, EnvironmentFile, StateDirectory, WorkingDirectory, ExecStartPre, ExecStart and
ExecReload. Hardening is not applied; `systemd-analyze verify` looks at that.
"""

import os
import pathlib
import pwd
import re
import shlex
import subprocess
import sys

FOLDERS = [pathlib.Path(folder) for folder in ("/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")]
STATE = pathlib.Path("/run/fake-systemd")


def read_unit(name):
    """Settings of [Service] as lists; an empty value empties the list, as with systemd."""
    files = [folder / name for folder in FOLDERS if (folder / name).is_file()][:1]
    if not files:
        sys.exit(f"Unit {name} not found.")
    for folder in FOLDERS:
        files += sorted((folder / f"{name}.d").glob("*.conf"))
    settings, section = {}, ""
    for file in files:
        for line in file.read_text().replace("\\\n", " ").splitlines():
            line = line.strip()
            if line.startswith("["):
                section = line
            elif line and not line.startswith(("#", ";")) and section == "[Service]":
                key, value = (part.strip() for part in line.split("=", 1))
                settings[key] = [*settings.get(key, []), value] if value else []
    return settings


def environment_of(unit):
    env = {"PATH": os.environ["PATH"], "HOME": "/", "LANG": "C.UTF-8"}
    for line in unit.get("EnvironmentFile", []):
        file = pathlib.Path(line.removeprefix("-"))
        if not file.exists():
            if line.startswith("-"):
                continue
            sys.exit(f"{file} does not exist")
        for name, value in re.findall(r"^([A-Z_][A-Z0-9_]*)=(.*)$", file.read_text(), re.M):
            env[name] = value.strip("\"'")
    return env


def command_of(line, env):
    words = [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(line.lstrip("-+!"))]
    expanded = []
    for word in words:
        variable = re.fullmatch(r"\$([A-Z_]+)", word)
        expanded += shlex.split(env.get(variable[1], "")) if variable else [word]
    return expanded


def as_user(unit):
    user = unit.get("User", [""])[-1]
    if not user:
        return {}
    entry = pwd.getpwnam(user)
    for name in unit.get("StateDirectory", []):
        folder = pathlib.Path("/var/lib") / name
        folder.mkdir(exist_ok=True)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": user, "group": entry.pw_gid, "extra_groups": []}


def start(name):
    if name == "postgresql.service":
        # Debian's unit starts the clusters by a generator.
        subprocess.run(
            ["pg_ctlcluster", *subprocess.check_output(["pg_lsclusters", "-h"], text=True).split()[:2], "start"],
            check=True,
        )
        return
    unit = read_unit(name)
    env, identity = environment_of(unit), as_user(unit)
    options = {
        "env": env,
        "cwd": unit.get("WorkingDirectory", ["/"])[-1],
        "umask": int(unit.get("UMask", ["0022"])[-1], 8),
        **identity,
    }
    log = open(STATE / f"{name}.log", "a")
    for line in unit.get("ExecStartPre", []):
        subprocess.run(command_of(line, env), check=not line.startswith("-"), stdout=log, stderr=log, **options)
    kind = unit.get("Type", ["simple"])[-1]
    for line in unit.get("ExecStart", []):
        command = command_of(line, env)
        if kind in ("oneshot", "forking"):
            subprocess.run(command, check=True, stdout=log, stderr=log, **options)
        else:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options
            )
            (STATE / f"{name}.pid").write_text(str(process.pid))


def pid_of(name):
    unit = read_unit(name)
    file = STATE / f"{name}.pid"
    if unit.get("PIDFile"):
        file = pathlib.Path(unit["PIDFile"][-1])
    try:
        pid = int(file.read_text())
        os.kill(pid, 0)
        return pid
    except (OSError, ValueError):
        return None


def stop(name):
    pid = pid_of(name)
    if pid is None:
        return
    os.kill(pid, 15)
    subprocess.run(["tail", f"--pid={pid}", "-f", "/dev/null"], timeout=60, check=True)


def reload(name):
    unit = read_unit(name)
    env = {**environment_of(unit), "MAINPID": str(pid_of(name) or "")}
    for line in unit["ExecReload"]:
        subprocess.run(command_of(line, env), check=True)


def main():
    STATE.mkdir(parents=True, exist_ok=True)
    verb, *words = [word for word in sys.argv[1:] if word not in ("--now", "--system", "--quiet", "-q")]
    now = "--now" in sys.argv
    names = [word if "." in word else f"{word}.service" for word in words]
    for name in names:
        if name.endswith(".timer"):
            file = next(folder / name for folder in FOLDERS if (folder / name).is_file())
            calendar = re.search(r"^OnCalendar=(.*)$", file.read_text(), re.M)[1]
            subprocess.run(["systemd-analyze", "calendar", calendar], check=True, stdout=subprocess.DEVNULL)
        elif verb in ("start", "enable") and (verb == "start" or now):
            if name == "postgresql.service" or pid_of(name) is None:
                start(name)
        elif verb == "restart":
            stop(name)
            start(name)
        elif verb == "reload":
            reload(name)
        elif verb == "stop":
            stop(name)


if __name__ == "__main__":
    main()
