"""What the checks of infra/ share: the binary, and what it says of settings."""

import os
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
BINARY = os.environ.get("GANTRY_TEST_BIN", str(ROOT / "target/debug/gantry"))
SECRETS = {
    "GANTRY_DATABASE_URL": "postgres://gantry:secret@postgres/gantry",
    "GANTRY_SIGNING_KEY": "0123456789abcdef0123456789abcdef0123456789abcdef",
    "GANTRY_TRUSTED_PROXY_SECRET": "0123456789abcdef0123456789abcdef",
}


def check_config(where, environment, words=()):
    """What `gantry check-config` says of an environment, with files of secrets in the place of those it names."""
    with tempfile.TemporaryDirectory() as directory:
        env = {"PATH": os.environ["PATH"]}
        for name, value in environment.items():
            if name.endswith("_FILE") and name.startswith("GANTRY_"):
                file = pathlib.Path(directory) / name
                file.write_text(SECRETS[name.removesuffix("_FILE")])
                value = str(file)
            env[name] = value
        checked = subprocess.run(
            [BINARY, "check-config", *words], env=env, capture_output=True, text=True, cwd=directory
        )
        return [] if checked.returncode == 0 else [f"{where}: {checked.stdout}{checked.stderr}"]


def seconds(text):
    """A duration as settings and as Docker's tool write it: 30s, 1m0s."""
    return sum(int(number) * {"s": 1, "m": 60, "h": 3600}[unit] for number, unit in re.findall(r"(\d+)([smh])", text))
