"""Derivatives of a 12-megapixel photo, two sizes in two formats: ours against Pillow and vipsthumbnail, one core each.

Ours pays for a process and its cell every time, and so does vipsthumbnail, once for each derivative; Pillow runs in one
process that is already warm, without a cell. Pillow and vips shrink while they decode the JPEG, ours does not.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from common import GANTRY, SRV_CPU, alternate, median, pinned, ratio, say

PHOTOS = 10
ROUNDS = 3
EDGES = (1024, 256)

PILLOW = """
import sys, time
from PIL import Image, ImageOps
photo, folder, photos, *edges = sys.argv[1:]
begun = time.perf_counter()
for _ in range(int(photos)):
    image = Image.open(photo)
    image.draft("RGB", (int(edges[0]), int(edges[0])))
    for edge in edges:
        image = ImageOps.exif_transpose(image)
        image.thumbnail((int(edge), int(edge)), Image.Resampling.LANCZOS)
        image.save(f"{folder}/{edge}.webp", quality=80)
        image.save(f"{folder}/{edge}.jpg", quality=82)
print((time.perf_counter() - begun) / int(photos))
"""


def make_photo(folder):
    """Noise over colours: about as hard to decode as a photo."""
    source = "mandelbrot=s=4000x3000:r=1,noise=alls=12:allf=u"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-frames:v", "1", "-q:v", "3", f"{folder}/photo.jpg"]
    subprocess.run(command, check=True)
    return f"{folder}/photo.jpg"


def ours(photo, folder):
    drawings = [{"edge": edge, "webp": f"{folder}/{edge}.webp", "jpeg": f"{folder}/{edge}.jpg"} for edge in EDGES]
    writes = [drawing[kind] for drawing in drawings for kind in ("webp", "jpeg")]
    for file in writes:
        open(file, "w").close()
    picture = {"media_type": "image/jpeg", "pixels": 1 << 28, "frames": 1, "head_only": False, "orientation": None, "drawings": drawings}
    bounds = {"memory": 2 << 30, "cpu": 30, "output": 1 << 28}
    order = json.dumps({"bounds": bounds, "reads": [photo], "writes": writes, "work": {"picture": picture}})
    begun = time.perf_counter()
    for _ in range(PHOTOS):
        done = subprocess.run(pinned([GANTRY, "decode", order]), capture_output=True, text=True, check=True)
        if len(json.loads(done.stdout)["found"]["drawn"]) != len(EDGES):
            raise SystemExit(done.stdout + done.stderr)
    return {"seconds": (time.perf_counter() - begun) / PHOTOS}


def pillow(photo, folder):
    command = [sys.executable, "-c", PILLOW, photo, folder, str(PHOTOS), *map(str, EDGES)]
    done = subprocess.run(pinned(command), capture_output=True, text=True, check=True)
    return {"seconds": float(done.stdout)}


def vips(photo, folder):
    env = {**os.environ, "VIPS_CONCURRENCY": "1"}
    begun = time.perf_counter()
    for _ in range(PHOTOS):
        for edge in EDGES:
            for ending in ("webp[Q=80,strip]", "jpg[Q=82,strip]"):
                command = ["vipsthumbnail", photo, "-s", str(edge), "-o", f"{folder}/v{edge}.{ending}"]
                subprocess.run(pinned(command), env=env, check=True)
    return {"seconds": (time.perf_counter() - begun) / PHOTOS}


def main():
    folder = tempfile.mkdtemp(dir=os.environ["BENCH"])
    try:
        photo = make_photo(folder)
        rows = alternate(
            ROUNDS, ours=lambda: ours(photo, folder), pillow=lambda: pillow(photo, folder), vips=lambda: vips(photo, folder)
        )
        rate = {side: 1 / median(rows[side], "seconds") for side in rows}
        edges = " and ".join(map(str, EDGES))
        for side, value in rate.items():
            say(f"{side}: {value:.2f} photos/s, {1000 / value:.0f} ms each, {edges} px as WebP and JPEG, on CPU {SRV_CPU}")
        for side in ("pillow", "vips"):
            ratio(f"derivatives of a 12 MP photo against {side}", rate["ours"], rate[side], "photos/s", at_least=1)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
