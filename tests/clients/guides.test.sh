#!/usr/bin/env bash
# The guides of web/guides: every block of shell runs in order, against a fresh service for each guide. A block after
# `<!-- not run: REASON -->` is left out; one after `<!-- file: NAME -->` is what stands in that file.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'kill $(cat "$work"/*/pids) 2>/dev/null; wait; rm -rf "$work"' EXIT
source tests/clients/service.sh
mkdir "$work/bin"
ln -s "$(realpath "${GANTRY_TEST_BIN:-target/debug/gantry}")" "$work/bin/gantry"
export PATH="$work/bin:$PATH" AWS_EC2_METADATA_DISABLED=true

# extract GUIDE DIR: its files into DIR, and its shell as DIR/blocks.sh. Ports that the guides name become free ones.
extract() {
  local ports=() name
  for name in 6379 9000 9001 9002; do ports+=(-e "s/\b$name\b/$(port)/g"); done
  sed "${ports[@]}" "$1" | awk -v dir="$2" '
    /^<!-- not run: / { skip = 1; next }
    /^<!-- file: / { name = $3; next }
    /^```/ && !on { on = 1; to = skip ? "" : name ? dir "/" name : /^```sh/ ? dir "/blocks.sh" : ""; skip = 0; name = ""; next }
    /^```/ { on = 0; if (to == dir "/blocks.sh") print "" >to; next }
    on && to { print >to }'
}

# serve DIR SETTING...: a service in DIR, as the guides have it: its data is in gantry-data there.
serve() {
  local dir=$1
  shift
  local listen=127.0.0.1:$(port) store=127.0.0.1:$(port)
  # Commands of the operator go by the same settings.
  echo "export GANTRY_STORE_LISTEN=$store" >"$dir/settings"
  (cd "$dir" && exec env GANTRY_LISTEN="$listen" GANTRY_STORE_LISTEN="$store" GANTRY_WEBHOOKS__ALLOW_HTTP=true \
    GANTRY_WEBHOOKS__ALLOW_NETWORKS=127.0.0.1/32 "$@" gantry serve >out 2>log) & echo $! >>"$dir/pids"
  for _ in $(seq 300); do curl -sf "http://$listen/readyz" >/dev/null && return || sleep 0.1; done
  echo "no service: $(cat "$dir/log")" >&2
  exit 1
}

# run GUIDE DIR: its shell, with files to send. A shell of its own: `set -e` counts for nothing in the condition of an `if`.
run() {
  head -c 12000000 /dev/urandom >"$2/video.bin"
  echo "a report" >"$2/report.txt"
  cat >"$2/run.sh" <<'SCRIPT'
set -euo pipefail
eval "$(grep -o 'export GANTRY_URL=.*' out)"
export GANTRY_DATA_DIR=$PWD/gantry-data XDG_CONFIG_HOME=$PWD/config XDG_STATE_HOME=$PWD/state
source ./settings
file=$PWD/video.bin
trap 'jobs -p >>pids' EXIT
set -x
source ./blocks.sh
SCRIPT
  if ! (cd "$2" && exec bash run.sh) >"$2/said" 2>&1 </dev/null; then
    tail -n 30 "$2/said" >&2
    echo "not ok: the guide $1" >&2
    exit 1
  fi
}

ran=0
for guide in web/guides/*.md; do
  name=$(basename "$guide" .md)
  dir=$work/$name
  mkdir "$dir"
  extract "$guide" "$dir"
  [ -s "$dir/blocks.sh" ] || { echo "ok: $name has no shell to run"; continue; }
  settings=()
  if [ "$name" = processors ]; then
    redis=$(sed -n 's/^redis-cli -p \([0-9]*\) .*/\1/p' "$dir/blocks.sh")
    redis-server --bind 127.0.0.1 --port "$redis" --dir "$dir" --save '' >"$dir/redis.log" & echo $! >>"$dir/pids"
    for _ in $(seq 100); do redis-cli -p "$redis" ping >/dev/null 2>&1 && break || sleep 0.1; done
    settings+=("GANTRY_HANDOFF=redis://127.0.0.1:$redis/0?stream=gantry")
  fi
  serve "$dir" "${settings[@]}"
  run "$name" "$dir"
  ran=$((ran + 1))
  echo "ok: $(grep -c . "$dir/blocks.sh") lines of the guide $name"
done
[ "$ran" -ge 5 ] || { echo "not ok: only $ran guides have shell" >&2; exit 1; }

# What the receivers of the guide for backends printed: the test event, by its webhook-id.
grep -q '^msg_' "$work/backends/received.txt" || { cat "$work/backends/receiver.log" >&2; exit 1; }
grep -q '^msg_' "$work/backends/received-by-node.txt"
echo "ok: the receivers in Python and Node verified what was sent"

# What the guide for operators backed up serves the files that were there.
copy=$work/restored/gantry-data
mkdir "$work/restored"
GANTRY_DATA_DIR=$copy gantry restore "$work/operators/backup"
serve "$work/restored" "GANTRY_DATA_DIR=$copy"
url=$(grep -o 'http://127[0-9.:]*' "$work/restored/out" | head -n 1)
asset=$(jq -r .asset.id "$work/operators/sent.json")
key=$(GANTRY_DATA_DIR=$copy gantry key create --scopes admin)
curl -s -o "$work/restored/answer" -w '%{http_code}\n' -H "Authorization: Bearer $key" "$url/v1/assets?limit=1" | grep -q 200
echo "ok: a service starts on the restored backup"
