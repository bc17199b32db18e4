"""Sending a tree of small files: `gantry put -r` against `aws s3 sync` and `rclone copy`, to the same embedded store.

Ours also makes an asset of each file, with its SHA-256 and an event; it returns when every byte is stored, as the others do.
All of them with their own defaults. Clients on one CPU, the store on the other.
"""

import os
import resource
import shutil
import subprocess
import time

from common import BENCH, BENCH_TOOLS, GANTRY, Gantry, alternate, median, pinned, ratio, say, CLI_CPU

ROUNDS = 3
FILES = int(os.environ.get("TREE_FILES", "10000"))
FILE_BYTES = 4096
TREE = f"{BENCH}/data/tree"


def fresh():
    """Other contents each time, so that nobody recognises a file."""
    shutil.rmtree(TREE, ignore_errors=True)
    for number in range(FILES):
        folder = f"{TREE}/{number % 100:02}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/{number}.bin", "wb") as file:
            file.write(os.urandom(FILE_BYTES))


def timed(command, env):
    fresh()
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(pinned(command, CLI_CPU), env={**os.environ, **env}, capture_output=True, text=True)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command}: {done.stdout}{done.stderr}")
    return {"seconds": seconds, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def main():
    with Gantry(GANTRY_PROCESSING__DIGEST_UP_TO="0") as gantry:
        exports = gantry.store_exports()
        bucket = exports["GANTRY_BUCKET"]
        state = f"{BENCH}/data/tree-state"
        ours = {"GANTRY_URL": gantry.url, "GANTRY_API_KEY": gantry.key, "XDG_STATE_HOME": state}
        rclone = {
            "RCLONE_CONFIG": f"{BENCH}/data/rclone.conf",
            "RCLONE_CONFIG_BENCH_TYPE": "s3",
            "RCLONE_CONFIG_BENCH_PROVIDER": "AWS",
            "RCLONE_CONFIG_BENCH_ENDPOINT": exports["AWS_ENDPOINT_URL"],
            "RCLONE_CONFIG_BENCH_REGION": exports["AWS_REGION"],
            "RCLONE_CONFIG_BENCH_FORCE_PATH_STYLE": "true",
            "RCLONE_CONFIG_BENCH_ENV_AUTH": "true",
            **exports,
        }
        tools = {
            "ours": ([GANTRY, "put", "-r", "--quiet", "--no-wait", TREE], ours),
            "aws": ([f"{BENCH_TOOLS}/bin/aws", "s3", "sync", "--quiet", TREE, f"s3://{bucket}/aws"], exports),
            "rclone": ([f"{BENCH_TOOLS}/bin/rclone", "copy", "--s3-no-check-bucket", TREE, f"bench:{bucket}/rclone"], rclone),
        }
        rows = alternate(ROUNDS, **{name: lambda tool=tool: timed(*tool) for name, tool in tools.items()})
        shutil.rmtree(state, ignore_errors=True)
    shutil.rmtree(TREE, ignore_errors=True)
    for name, some in rows.items():
        say(f"{name}: {median(some, 'seconds'):.2f} s, {median(some, 'cpu'):.2f} s of CPU in the client, {FILES} files")
    for name, title in (("aws", "aws s3 sync"), ("rclone", "rclone copy")):
        for key, what in (("seconds", "time"), ("cpu", "CPU")):
            ratio(f"gantry put -r against {title}, {what}", median(rows["ours"], key), median(rows[name], key), "s", at_most=1)


main()
