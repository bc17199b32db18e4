#!/usr/bin/env bash
# The README's first upload, and the guide for backends with curl alone, word for word, on a real archive of more than a
# gigabyte: the Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'kill "$(cat "$work/pid")" 2>/dev/null; rm -rf "$work"' EXIT
source tests/clients/service.sh

export GANTRY_DATA_DIR=$work/data GANTRY_LISTEN=127.0.0.1:$(port) GANTRY_STORE_LISTEN=127.0.0.1:$(port)
gantry=$(realpath "${GANTRY_TEST_BIN:-target/debug/gantry}")
"$gantry" serve >"$work/out" 2>"$work/log" & echo $! >"$work/pid"
for _ in $(seq 300); do curl -sf "http://$GANTRY_LISTEN/readyz" >/dev/null && break || sleep 0.1; done

# What the first start prints is all that a newcomer needs.
eval "$(grep -o 'export GANTRY_URL=.*' "$work/out")"
tar cf "$work/toolchain.tar" -C "$(rustc --print sysroot)" .
file=$work/toolchain.tar
size=$(stat -c %s "$file")
[ "$size" -gt 1000000000 ] || { echo "the archive is too small: $size bytes" >&2; exit 1; }

# recipe FILE MARK SCRIPT: the block of shell after the mark.
recipe() {
  awk -v mark="$2" 'index($0, mark) { wanted = 1; next } wanted && /^```sh/ { on = 1; next } on && /^```/ { exit } on' "$1" >"$3"
  [ -s "$3" ]
}
recipe README.md "curl.test.sh runs the README's first upload" "$work/first.sh"
recipe web/guides/backends.md "curl.test.sh runs exactly this" "$work/recipe.sh"
recipe web/guides/backends.md "curl.test.sh runs this, too" "$work/grant.sh"
recipe web/guides/backends.md "curl.test.sh runs the drop box" "$work/drop-box.sh"
cd "$work"
expected=$(sha256sum <"$file")

echo "sending $size bytes by the README's first upload"
source "$work/first.sh"
[ "$(sha256sum <copy)" = "$expected" ] || { echo "the copy differs" >&2; exit 1; }
[ "$(jq -r '"\(.id) \(.state) \(.sha256)"' asset.json)  -" = "$asset ready $expected" ] || { cat asset.json >&2; exit 1; }
echo "ok: the README's first upload has the same SHA-256"
rm copy asset.json

echo "sending $size bytes by the recipe of the guide for backends"
source "$work/recipe.sh"
echo

for copy in by-redirect by-stream; do
  [ "$(sha256sum <"$copy")" = "$expected" ] || { echo "$copy differs" >&2; exit 1; }
  echo "ok: $copy has the same SHA-256"
done
[ "$(jq -r .state asset.json) $(jq -r .sha256 asset.json)  -" = "ready $expected" ] || { echo "the asset says otherwise" >&2; exit 1; }
echo "ok: the asset is ready and has the same SHA-256"

# A grant for a picture that is still to be chosen, used by a page's form without any other credential.
source grant.sh >endpoints.json
base64 -d >dot.png <<<iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
curl -sSf -F "file=@dot.png;type=image/png" -H "Accept: application/json" "$(jq -r .form endpoints.json)" -o page
curl -sSf -H "$auth" "$GANTRY_URL/v1/assets?external_id=avatar%20of%2042" -o list.json
picture=$(jq -r '.assets[0].id' list.json)
curl -sSf -H "$auth" "$GANTRY_URL/v1/assets/$picture?wait=60s&until=ready" -o picture.json
[ "$(jq -r '"\(.state) \(.filename) \(.content_type)"' picture.json)" = "ready dot.png image/png" ] || { cat picture.json >&2; exit 1; }
echo "ok: a grant for a picture to be chosen took one"

# A grant for many files, from which a file is sent by a plain PUT.
echo "a report" >report.txt
source drop-box.sh >drop-box.out
[ "$(tail -n 4 drop-box.out | jq -c .)" = '{"files":1,"bytes":9}' ] || { cat drop-box.out >&2; exit 1; }
echo "ok: a grant for many files took one and counts it"
