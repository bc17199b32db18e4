#!/usr/bin/env bash
# IETF resumable uploads with curl: the recipe of the guide for phones, 104 on HTTP/1.1 and HTTP/2, going on after a cut with nothing but
# what the 104 said; and that nobody hears one unasked, nor through a proxy that shows itself, nginx among them.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'kill $(cat "$work"/*.pid) 2>/dev/null; rm -rf "$work"' EXIT
source tests/clients/service.sh
fail() { echo "not ok: $*" >&2; exit 1; }
gantry=$(realpath "${GANTRY_TEST_BIN:-target/debug/gantry}")
guide=$(realpath web/guides/phones.md)
cd "$work"

# serve NAME SETTING...: a service of that name; its exports in $work/NAME.
serve() {
  local name=$1
  shift
  local listen=127.0.0.1:$(port)
  env GANTRY_DATA_DIR="$work/$name-data" GANTRY_LISTEN="$listen" GANTRY_STORE_LISTEN="127.0.0.1:$(port)" "$@" \
    "$gantry" serve >"$work/$name.out" 2>"$work/$name.log" & echo $! >"$work/$name.pid"
  for _ in $(seq 300); do curl -sf "http://$listen/readyz" >/dev/null && break || sleep 0.1; done
  eval "$(grep -o 'export GANTRY_URL=.*' "$work/$name.out")"
  auth="Authorization: Bearer $GANTRY_API_KEY"
}
header() { tr -d '\r' | sed -n "s/^$1: //ip" | tail -n 1; }
same() { curl -sSf "${@:2}" -H "$auth" "$GANTRY_URL/v1/assets/$1?wait=60s&until=ready" -o /dev/null
  [ "$(curl -sSf "${@:2}" -H "$auth" "$GANTRY_URL/v1/assets/$1/content?delivery=stream" | sha256sum)" = "$(sha256sum <"$file")" ]; }
complete=(-H 'Upload-Complete: ?1' -H 'Upload-Draft-Interop-Version: 6')

head -c 30000000 /dev/urandom >file.bin
file=$work/file.bin
serve always GANTRY_SERVER__INTERIM=always

awk '/ietf.test.sh runs exactly this/ { wanted = 1; next } wanted && /^```sh/ { on = 1; next } on && /^```/ { exit } on' "$guide" >recipe.sh
[ -s recipe.sh ]
source recipe.sh
same "$(jq -r .asset.id done.json)" || fail "the recipe's file differs"
echo "ok: the guide's recipe"

for version in --http1.1 --http2-prior-knowledge; do
  curl -sSf "$version" -X POST -T "$file" -D heads -o done.json -H "$auth" "${complete[@]}" "$GANTRY_URL/files"
  [ "$(grep -c ' 104' heads)" -ge 3 ] || fail "104 with $version: $(cat heads)"
  same "$(jq -r .asset.id done.json)" "$version" || fail "the file differs with $version"
  echo "ok: 104, upload and download with $version"

  # On a busy machine nothing may have left within a second.
  for patience in 1 2 3; do
    curl -s "$version" -X POST -T "$file" -D heads -o /dev/null --limit-rate 8M --max-time $patience -H "$auth" "${complete[@]}" "$GANTRY_URL/files" || true
    url=$(header location <heads)
    offset=$(curl -sSf "$version" -I -H "$auth" "$url" | header upload-offset)
    [ "$offset" -gt 0 ] && break
  done
  [ "$offset" -gt 0 ] && [ "$offset" -lt 30000000 ] || fail "nothing to go on from: $offset"
  tail -c "+$((offset + 1))" "$file" | curl -sSf "$version" -X PATCH -T - -o done.json -H "$auth" "${complete[@]}" \
    -H 'Content-Type: application/partial-upload' -H "Upload-Offset: $offset" "$url"
  same "$(jq -r .asset.id done.json)" "$version" || fail "the file differs after a cut with $version"
  echo "ok: after a cut at $offset with $version"
done

curl -sSf -T "$file" -X POST -D heads -o /dev/null -H "$auth" -H 'Upload-Complete: ?1' "$GANTRY_URL/files"
grep -q ' 104' heads && fail "104 without a number"
python3 - "$GANTRY_URL" "$GANTRY_API_KEY" <<'P'
import sys

import httpx
import requests
import urllib3

url, key = sys.argv[1] + "/files", sys.argv[2]
headers = {"Authorization": f"Bearer {key}"}
for more in [{}, {"Upload-Complete": "?1"}, {"Upload-Complete": "?1", "Expect": "100-continue"}]:
    said = {**headers, **more}
    answers = [
        requests.post(url, data=b"hello", headers=said).status_code,
        httpx.post(url, content=b"hello", headers=said).status_code,
        urllib3.PoolManager().request("POST", url, body=b"hello", headers=said).status,
    ]
    assert answers == [201] * 3, (more, answers)
P
echo "ok: nobody hears 104 unasked"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=gantry -keyout key.pem -out cert.pem \
  -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE 2>/dev/null
serve direct GANTRY_TLS__CERTIFICATE="$work/cert.pem" GANTRY_TLS__KEY="$work/key.pem" GANTRY_SERVER__PROXIES=
tls=https://${GANTRY_URL#*://}
early() { curl -sSf --cacert cert.pem -X POST --data-binary hello -D - -o /dev/null -H "$auth" "${complete[@]}" "$@" | grep -c ' 104' || true; }
for version in --http1.1 --http2; do
  [ "$(early "$version" "$tls/files")" -ge 1 ] || fail "104 over TLS with $version"
  [ "$(early "$version" -H 'X-Forwarded-For: 192.0.2.1' "$tls/files")" = 0 ] || fail "104 through a proxy with $version"
done
[ "$(early "http://${tls#*://}/files")" = 0 ] || fail "104 over plain HTTP"
echo "ok: by default over our own TLS, and not through a proxy"

# A real nginx in front: on the same machine over plain HTTP, and as somebody who speaks TLS to us like any client.
mkdir -p nginx
cat >nginx.conf <<N
daemon off; pid $work/nginx/process; error_log $work/nginx/error.log;
events {}
http {
  access_log off; client_max_body_size 0; proxy_request_buffering off; proxy_http_version 1.1;
  client_body_temp_path $work/nginx/b; proxy_temp_path $work/nginx/p; fastcgi_temp_path $work/nginx/f;
  uwsgi_temp_path $work/nginx/u; scgi_temp_path $work/nginx/s;
  proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
  server { listen 127.0.0.1:$(port | tee plain.port); location / { proxy_pass http://${tls#*://}; } }
  server { listen 127.0.0.1:$(port | tee tls.port); location / { proxy_pass $tls; } }
}
N
PATH=$PATH:/usr/sbin nginx -c "$work/nginx.conf" & echo $! >nginx.pid
for door in plain tls; do
  front=http://127.0.0.1:$(cat $door.port)
  for _ in $(seq 100); do curl -sf "$front/livez" >/dev/null && break || sleep 0.1; done
  curl -sSf -X POST -T "$file" -D heads -o done.json -H "$auth" "${complete[@]}" "$front/files"
  ! grep -q '^HTTP/[0-9.]* 104' heads || fail "nginx was sent 104 ($door): $(cat heads)"
  [ "$(jq -r .upload.size done.json)" = 30000000 ] || fail "the file did not get through nginx ($door): $(cat done.json)"
done
echo "ok: through nginx, which never sees 104"
