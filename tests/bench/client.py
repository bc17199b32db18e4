"""Sending a file of 1 GiB: `gantry put` against `aws s3 cp` and `rclone copyto`, to the same embedded store.

Ours also computes the file's SHA-256 and completes through the API; it returns when every byte is stored, as the others
do. All of them with their own defaults. Clients on one CPU, the store on the other.
"""

import os
import resource
import shutil
import subprocess
import time

from common import BENCH, BENCH_TOOLS, GIB, GANTRY, Gantry, alternate, median, pinned, ratio, say, CLI_CPU

ROUNDS = 3
FILE = f"{BENCH}/data/client.bin"


def fresh():
    """Another content each time, so that nobody recognises the file."""
    with open(FILE, "r+b") as file:
        file.write(os.urandom(4096))


def timed(command, env):
    fresh()
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(pinned(command, CLI_CPU), env={**os.environ, **env}, capture_output=True, text=True)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command}: {done.stdout}{done.stderr}")
    return {"seconds": seconds, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def main():
    with open(FILE, "wb") as file:
        for _ in range(64):
            file.write(os.urandom(GIB // 64))
    with Gantry(GANTRY_PROCESSING__DIGEST_UP_TO="0") as gantry:
        exports = gantry.store_exports()
        bucket = exports["GANTRY_BUCKET"]
        state = f"{BENCH}/data/client-state"
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
            "ours": ([GANTRY, "put", "--quiet", "--no-wait", FILE], ours),
            "aws": ([f"{BENCH_TOOLS}/bin/aws", "s3", "cp", "--quiet", FILE, f"s3://{bucket}/aws.bin"], exports),
            "rclone": ([f"{BENCH_TOOLS}/bin/rclone", "copyto", "--s3-no-check-bucket", FILE, f"bench:{bucket}/rclone.bin"], rclone),
        }
        rows = alternate(ROUNDS, **{name: lambda tool=tool: timed(*tool) for name, tool in tools.items()})
        shutil.rmtree(state, ignore_errors=True)
    os.unlink(FILE)
    for name, some in rows.items():
        say(f"{name}: {median(some, 'seconds'):.2f} s, {median(some, 'cpu'):.2f} s of CPU in the client")
    for name, title in (("aws", "the AWS CLI"), ("rclone", "rclone")):
        for key, what in (("seconds", "time"), ("cpu", "CPU")):
            ratio(f"gantry put against {title}, {what}", median(rows["ours"], key), median(rows[name], key), "s", at_most=1)


main()
