#!/usr/bin/env bash
# The proxies of infra/ before a service: each configuration is one that its own tool accepts, nginx with TLS answers as its files
# say, and HAProxy and Caddy pass 104 on, which Apple's URLSession needs to resume.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'kill $(cat "$work"/*.pid) 2>/dev/null || true; wait; rm -rf "$work"' EXIT
source tests/clients/service.sh
fail() { echo "not ok: $*" >&2; exit 1; }
gantry=$(realpath "${GANTRY_TEST_BIN:-target/debug/gantry}")
chmod 711 "$work"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=files.example \
  -addext basicConstraints=critical,CA:FALSE -addext 'subjectAltName=DNS:files.example,DNS:store.files.example' \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
cat "$work/cert.pem" "$work/key.pem" >"$work/both.pem"

# serve NAME SETTING...: a service of that name; $listen and $store are its addresses, $key its key.
serve() {
  local name=$1
  shift
  listen=127.0.0.1:$(port) store=127.0.0.1:$(port)
  env GANTRY_DATA_DIR="$work/$name-data" GANTRY_LISTEN="$listen" GANTRY_STORE_LISTEN="$store" \
    GANTRY_TRUSTED_PROXY_SECRET=0123456789abcdef0123456789abcdef "$@" "$gantry" serve >"$work/$name.out" 2>"$work/$name.log" &
  echo $! >"$work/$name.pid"
  for _ in $(seq 300); do curl -sf "http://$listen/readyz" >/dev/null && break || sleep 0.1; done
  key=$(cat "$work/$name-data/admin.key")
}

# up NAME URL: waits until a proxy answers.
up() {
  for _ in $(seq 300); do "${ask[@]}" -f "$2/livez" -o /dev/null 2>/dev/null && return || sleep 0.1; done
  fail "no $1: $(cat "$work/$1.log")"
}

# ask: curl that knows the names of the files.
names() { ask=(curl -sS --cacert "$work/cert.pem" --resolve "files.example:$1:127.0.0.1" --resolve "store.files.example:$1:127.0.0.1"); }

# count HEADER: how often it is in what was read.
count() { grep -ci "^$1:" || true; }

nginx_answers() {
  local tls plain local_port
  tls=$(port) plain=$(port) local_port=$(port)
  mkdir -p "$work/nginx/gantry.d" "$work/acme/.well-known/acme-challenge"
  echo proof >"$work/acme/.well-known/acme-challenge/token"
  local change=(-e "s/listen 127.0.0.1:80;/listen 127.0.0.1:$local_port;/" -e "s/listen 443 /listen 127.0.0.1:$tls /" -e "s/listen 80;/listen 127.0.0.1:$plain;/"
    -e '/listen \[::\]/d' -e "s/127.0.0.1:8080/$listen/" -e "s/127.0.0.1:8081/$store/" -e "s|/etc/nginx/gantry.d|$work/nginx/gantry.d|"
    -e "s|/etc/letsencrypt/live/files.example/fullchain.pem|$work/cert.pem|" -e "s|/etc/letsencrypt/live/files.example/privkey.pem|$work/key.pem|"
    -e "s|/var/lib/gantry|$work/nginx-service-data|" -e "s|/var/cache/nginx/gantry|$work/nginx/cache|" -e "s|/var/log/nginx/|$work/nginx/|"
    -e "s|/var/www/acme|$work/acme|")
  for name in gantry redirect store; do sed "${change[@]}" "infra/nginx/$name.conf" >"$work/nginx/$name.conf"; done
  sed "${change[@]}" infra/nginx/tls.conf >"$work/nginx/gantry.d/tls.conf"
  {
    [ "$(id -u)" != 0 ] || echo 'user root;'
    echo "daemon off; worker_processes 1; pid $work/nginx/pid; error_log $work/nginx/error.log; events { worker_connections 256; } http {"
    for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $work/nginx/$kind;"; done
    printf 'include %s;\n' "$work/nginx/gantry.conf" "$work/nginx/redirect.conf" "$work/nginx/store.conf"
    echo '}'
  } >"$work/nginx/nginx.conf"
  local nginx=(/usr/sbin/nginx -p "$work/nginx" -e "$work/nginx/start.log" -c "$work/nginx/nginx.conf")
  "${nginx[@]}" -t 2>"$work/nginx.log" || fail "nginx -t: $(cat "$work/nginx.log")"
  "${nginx[@]}" 2>>"$work/nginx.log" & echo $! >"$work/nginx.pid"
  names "$tls"
  local url=https://files.example:$tls
  up nginx "$url"

  curl -sS -o "$work/answer" -D "$work/heads" -H 'Host: files.example' "http://127.0.0.1:$plain/v1/limits?a=1"
  grep -q ' 308' "$work/heads" && grep -qi '^location: https://files.example/v1/limits?a=1' "$work/heads" || fail "redirect: $(cat "$work/heads")"
  [ "$(curl -sS -H 'Host: files.example' "http://127.0.0.1:$plain/.well-known/acme-challenge/token")" = proof ] || fail "the challenge"

  # An upload, and its download by nginx itself from the data file.
  head -c 3000000 /dev/urandom >"$work/file.bin"
  "${ask[@]}" -f -X POST -T "$work/file.bin" -H "Authorization: Bearer $key" -H 'Upload-Complete: ?1' "$url/files" -o "$work/sent.json"
  local asset
  asset=$(jq -r .asset.id "$work/sent.json")
  "${ask[@]}" -f -H "Authorization: Bearer $key" "$url/v1/assets/$asset?wait=30s&until=ready" -o /dev/null
  for path in / "/v1/assets/$asset" "/v1/assets/$asset/content"; do
    "${ask[@]}" -D "$work/heads" -o "$work/answer" -H "Authorization: Bearer $key" -H 'Accept-Encoding: gzip' "$url$path"
    grep -q '^HTTP/2 200' "$work/heads" || fail "$path: $(cat "$work/heads")"
    for header in strict-transport-security x-content-type-options content-type; do
      [ "$(count $header <"$work/heads")" = 1 ] || fail "$header of $path: $(cat "$work/heads")"
    done
    [ "$(count content-encoding <"$work/heads")" -le 1 ] || fail "compressed twice: $(cat "$work/heads")"
  done
  cmp "$work/answer" "$work/file.bin" || fail "the file by nginx differs"
  grep -q "GET /_gantry/- 200" "$work/nginx/gantry.log" || fail "nginx did not send the file itself: $(cat "$work/nginx/gantry.log")"
  "${ask[@]}" -D "$work/heads" -o /dev/null "https://store.files.example:$tls/"
  [ "$(count strict-transport-security <"$work/heads")" = 1 ] || fail "the store's name: $(cat "$work/heads")"
  echo "ok: nginx with TLS, HTTP/2, redirect, X-Accel and one of each header"
}

apache_accepts() {
  local modules='mpm_event authz_core proxy proxy_http proxy_balancer lbmethod_byrequests slotmem_shm headers setenvif env alias ssl http2
    socache_shmcb xsendfile reqtimeout'
  for name in gantry tls cluster; do
    {
      for module in $modules; do
        [ ! -e "/usr/lib/apache2/modules/mod_$module.so" ] || echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
      done
      printf 'ServerName localhost\nServerRoot %s\nPidFile %s/apache.pid-file\nErrorLog %s/apache.log\nDefaultRuntimeDir %s\n' "$work" "$work" "$work" "$work"
      sed -e "s|/etc/letsencrypt/live/files.example/fullchain.pem|$work/cert.pem|" -e "s|/etc/letsencrypt/live/files.example/privkey.pem|$work/key.pem|" \
        -e "s|/run/apache2|$work|" -e "s|/var/log/apache2|$work|" -e "s|/var/lib/gantry/store/files|$work|" "infra/apache/$name.conf"
    } >"$work/apache-$name.conf"
    /usr/sbin/apache2 -t -f "$work/apache-$name.conf" >"$work/apache.said" 2>&1 || fail "apache2 -t $name: $(cat "$work/apache.said")"
  done
  echo "ok: apache2 -t accepts gantry.conf, tls.conf and cluster.conf"
}

apache_answers() {
  local tls plain url
  tls=$(port) plain=$(port) url=https://files.example:$tls
  mkdir -p "$work/acme/.well-known/acme-challenge"
  [ "$(id -u)" != 0 ] || sed -i '1i User daemon\nGroup daemon' "$work/apache-tls.conf"
  # Its user gets through to the files, as the file in infra/ says.
  chmod 711 "$work/apache-service-data" "$work/apache-service-data/store"
  sed -i -e "s/^Listen 80$/Listen 127.0.0.1:$plain/" -e "s/^Listen 443$/Listen 127.0.0.1:$tls/" -e "s/VirtualHost \*:80>/VirtualHost 127.0.0.1:$plain>/" \
    -e "s/VirtualHost \*:443>/VirtualHost 127.0.0.1:$tls>/" -e "s/127.0.0.1:8080/$listen/" -e "s/127.0.0.1:8081/$store/" -e "s|/var/www/acme|$work/acme|" \
    -e "s|XSendFilePath .*|XSendFilePath $work/apache-service-data/store/files|" "$work/apache-tls.conf"
  /usr/sbin/apache2 -DFOREGROUND -f "$work/apache-tls.conf" >>"$work/apache.said" 2>&1 & echo $! >"$work/apache.pid"
  names "$tls"
  up apache "$url"
  curl -sS -o /dev/null -D "$work/heads" -H 'Host: files.example' "http://127.0.0.1:$plain/v1/limits?a=1"
  grep -q ' 308' "$work/heads" && grep -qi '^location: https://files.example/v1/limits?a=1' "$work/heads" || fail "redirect: $(cat "$work/heads")"
  "${ask[@]}" -f -X POST -T "$work/file.bin" -H "Authorization: Bearer $key" -H 'Upload-Complete: ?1' "$url/files" -o "$work/sent.json"
  local asset
  asset=$(jq -r .asset.id "$work/sent.json")
  "${ask[@]}" -f -H "Authorization: Bearer $key" "$url/v1/assets/$asset?wait=30s&until=ready" -o /dev/null
  for path in / "/v1/assets/$asset/content"; do
    "${ask[@]}" -D "$work/heads" -o "$work/answer" -H "Authorization: Bearer $key" "$url$path"
    grep -q '^HTTP/2 200' "$work/heads" || fail "$path: $(cat "$work/heads")"
    for header in strict-transport-security x-content-type-options content-type; do
      [ "$(count $header <"$work/heads")" = 1 ] || fail "$header of $path: $(cat "$work/heads")"
    done
  done
  cmp "$work/answer" "$work/file.bin" || fail "the file by Apache differs"
  echo "ok: Apache with TLS, HTTP/2, redirect, X-Sendfile and one of each header"
}

# passes_interim NAME PORT: 104 arrives over HTTP/1.1 and HTTP/2, and the file is whole.
passes_interim() {
  names "$2"
  local url=https://files.example:$2 version asset
  up "$1" "$url"
  for version in --http1.1 --http2; do
    "${ask[@]}" -f $version -X POST -T "$work/file.bin" -D "$work/heads" -o "$work/sent.json" -H "Authorization: Bearer $key" \
      -H 'Upload-Complete: ?1' -H 'Upload-Draft-Interop-Version: 6' "$url/files"
    grep -q '^HTTP/[0-9.]* 104' "$work/heads" || fail "$1 keeps 104 with $version: $(cat "$work/heads")"
    # The last of the heads is the answer's.
    [ "$(tr -d '\r' <"$work/heads" | awk 'BEGIN { RS = "" } END { print }' | count strict-transport-security)" = 1 ] ||
      fail "HSTS of $1: $(cat "$work/heads")"
    asset=$(jq -r .asset.id "$work/sent.json")
    "${ask[@]}" -f $version -H "Authorization: Bearer $key" "$url/v1/assets/$asset?wait=30s&until=ready" -o /dev/null
    "${ask[@]}" -f $version -H "Authorization: Bearer $key" "$url/v1/assets/$asset/content?delivery=stream" | cmp - "$work/file.bin" || fail "the file by $1"
    echo "ok: $1 passes $(grep -c '^HTTP/[0-9.]* 104' "$work/heads") times 104 on with $version"
  done
  # A client's address is the proxy's word.
  [ "$("${ask[@]}" -o /dev/null -w '%{http_code}' "$url/metrics")" = 404 ] || fail "$1 shows /metrics"
}

haproxy_passes() {
  local tls
  tls=$(port)
  haproxy -c -f infra/haproxy/gantry.cfg >"$work/haproxy.log" 2>&1 || {
    # Only the certificate may be missing.
    grep -q "files.example.pem" "$work/haproxy.log" || fail "haproxy -c: $(cat "$work/haproxy.log")"
  }
  sed -e "s|bind :443 ssl crt /etc/haproxy/files.example.pem|bind 127.0.0.1:$tls ssl crt $work/both.pem|" -e "s|bind :80|bind 127.0.0.1:$(port)|" \
    -e "s/127.0.0.1:8080/$listen/" -e "s/maxconn .*/maxconn 500/" infra/haproxy/gantry.cfg >"$work/haproxy.cfg"
  haproxy -c -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 || fail "haproxy -c: $(cat "$work/haproxy.log")"
  haproxy -db -f "$work/haproxy.cfg" >>"$work/haproxy.log" 2>&1 & echo $! >"$work/haproxy.pid"
  passes_interim haproxy "$tls"
}

caddy_passes() {
  local tls
  tls=$(port)
  export XDG_DATA_HOME=$work/caddy-data XDG_CONFIG_HOME=$work/caddy-config
  caddy validate --adapter caddyfile --config infra/caddy/Caddyfile >"$work/caddy.log" 2>&1 || fail "caddy validate: $(cat "$work/caddy.log")"
  # The test's certificate instead of one by ACME, and no other listener.
  sed -e "0,/^{/s|^{|{\n\tadmin off\n\tauto_https off|" -e "s|^files.example {|https://files.example:$tls {\n\tbind 127.0.0.1\n\ttls $work/cert.pem $work/key.pem|" \
    -e "s|^store.files.example {|https://store.files.example:$tls {\n\tbind 127.0.0.1\n\ttls $work/cert.pem $work/key.pem|" \
    -e "s/127.0.0.1:8080/$listen/" -e "s/127.0.0.1:8081/$store/" infra/caddy/Caddyfile >"$work/Caddyfile"
  caddy run --adapter caddyfile --config "$work/Caddyfile" >>"$work/caddy.log" 2>&1 & echo $! >"$work/caddy.pid"
  passes_interim caddy "$tls"
  # Over HTTP/3, too, which neither Debian's nginx nor its HAProxy has.
  python3 tests/infra/http3.py "https://files.example:$tls/files" "$work/file.bin" "$work/cert.pem" "$key" >"$work/sent.json" ||
    fail "HTTP/3: $(cat "$work/sent.json" "$work/caddy.log")"
  jq -e '(.statuses | last == 201) and (.statuses | index(104) != null)' "$work/sent.json" >/dev/null || fail "HTTP/3: $(cat "$work/sent.json")"
  local asset
  asset=$(jq -r '.body | fromjson | .asset.id' "$work/sent.json")
  curl -sSf -H "Authorization: Bearer $key" "http://$listen/v1/assets/$asset?wait=30s&until=ready" -o /dev/null
  curl -sSfL -H "Authorization: Bearer $key" "http://$listen/v1/assets/$asset/content?delivery=stream" | cmp - "$work/file.bin" || fail "the file by HTTP/3"
  echo "ok: caddy passes $(jq '[.statuses[] | select(. == 104)] | length' "$work/sent.json") times 104 on over HTTP/3, in $(jq .seconds "$work/sent.json") s"
}

serve nginx-service GANTRY_DELIVERY=accel GANTRY_PUBLIC_URL=https://files.example GANTRY_STORE_PUBLIC_URL=https://store.files.example
nginx_answers
serve apache-service GANTRY_DELIVERY=sendfile GANTRY_PUBLIC_URL=https://files.example GANTRY_STORE_PUBLIC_URL=https://store.files.example
apache_accepts
apache_answers
head -c 20000000 /dev/urandom >"$work/file.bin"
serve interim-service GANTRY_SERVER__INTERIM=always
haproxy_passes
caddy_passes
