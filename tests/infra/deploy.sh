#!/usr/bin/env bash
# The guide "Deploy", every command of it, on a machine of its own: a copy of this one over which everything is written, with a network
# of its own, thrown away at the end. What the guide cannot have here stands in: the package's program is the one to be tested,
# systemctl is systemctl.py, packages are those of this machine, the bucket is SeaweedFS, and the certificate's authority is a script that
# reads the challenge as the real one would.
#
# Needs root, unshare and overlayfs. Usage: deploy.sh PACKAGE.deb WEED
set -euo pipefail
cd "$(dirname "$0")/../.."
package=$(realpath "$1") weed=$(realpath "$2")
binary=$(realpath "${GANTRY_TEST_BIN:-target/debug/gantry}")

if [ "${3:-}" != inside ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # Nothing of it outlives the namespaces: processes end with the first, files are in memory.
  unshare --mount --net --pid --fork --kill-child --propagation private bash "$0" "$package" "$weed" inside "$work"
  exit
fi

work=$4 tree=$PWD
mount -t tmpfs -o size=2g tmpfs "$work"
mkdir "$work/upper" "$work/lower-work" "$work/machine"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/lower-work" "$work/machine"
machine=$work/machine
mount -t proc proc "$machine/proc"
mount --rbind /dev "$machine/dev"
mount -t tmpfs tmpfs "$machine/run"
mkdir -p "$machine/run/postgresql" "$machine/run/lock" "$machine/srv/deploy"
chown postgres:postgres "$machine/run/postgresql"
ip link set lo up

# Where the tree and the tools are on disks of their own, the copy does not have them.
cp "$package" "$machine/srv/deploy/gantry.deb"
cp "$binary" "$machine/srv/deploy/gantry"
cp "$weed" "$machine/srv/deploy/weed"
cp tests/infra/systemctl.py "$machine/usr/local/bin/systemctl"
chmod 755 "$machine/usr/local/bin/systemctl" "$machine/srv/deploy/gantry" "$machine/srv/deploy/weed"
# A machine that is fresh: nothing of an earlier life.
rm -rf "$machine/etc/gantry" "$machine/var/lib/gantry" "$machine/etc/nginx/conf.d/"* "$machine/etc/letsencrypt" "$machine/usr/bin/gantry"
# The name leads to another address than 127.0.0.1, as on any machine.
printf '127.0.0.1 localhost\n127.0.0.2 files.example\n' >"$machine/etc/hosts"

cat >"$machine/usr/local/bin/apt-get" <<'SH'
#!/bin/sh
# Without a network: packages are those that are there; one that is not fails.
[ "$1" != update ] || exit 0
case "$*" in
  *.deb) exec /usr/bin/apt-get --no-install-recommends -q "$@" ;;
  *) exec /usr/bin/apt-get --no-download --no-upgrade --no-install-recommends -q "$@" ;;
esac
SH
cat >"$machine/usr/local/bin/certbot" <<'SH'
#!/bin/bash
set -e
# The real one takes the words: it gets as far as its authority, which is not here.
said=$(/usr/bin/certbot "$@" --server https://127.0.0.1:9/directory 2>&1) && exit 1
grep -qiE 'refused|Max retries|Connection' <<<"$said" || { echo "$said" >&2; exit 1; }
while [ $# -gt 0 ]; do
  case $1 in -w) root=$2 ;; -d) name=$2 ;; --deploy-hook) hook=$2 ;; esac
  shift
done
# As the authority: reads the challenge over plain HTTP.
mkdir -p "$root/.well-known/acme-challenge"
echo proof >"$root/.well-known/acme-challenge/token"
[ "$(curl -sSf "http://$name/.well-known/acme-challenge/token")" = proof ]
live=/etc/letsencrypt/live/$name
mkdir -p "$live"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$name" -addext basicConstraints=critical,CA:FALSE \
  -addext "subjectAltName=DNS:$name" -keyout "$live/privkey.pem" -out "$live/fullchain.pem" 2>/dev/null
cp "$live/fullchain.pem" /usr/local/share/ca-certificates/test.crt
update-ca-certificates >/dev/null
sh -c "$hook"
SH
chmod 755 "$machine/usr/local/bin/apt-get" "$machine/usr/local/bin/certbot"

awk '
  /^<!-- not run: tests\/infra\/deploy.sh runs this/ { wanted = 1; next }
  wanted && /^```sh/ { on = 1; wanted = 0; next }
  on && /^```/ { on = 0; print ""; next }
  on { print }' web/guides/deploy.md >"$machine/srv/deploy/guide.sh"
[ "$(grep -c . "$machine/srv/deploy/guide.sh")" -gt 60 ] || { echo "not ok: the guide is read wrongly" >&2; exit 1; }

sed -n 's/^  CMD //p' infra/Dockerfile | jq -r '.[2]' >"$machine/srv/deploy/health.sh"
grep -q livez "$machine/srv/deploy/health.sh"

cat >"$machine/srv/deploy/run.sh" <<'SH'
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
unset XDG_STATE_HOME XDG_DATA_HOME GANTRY_DATA_DIR || true
cd /srv/deploy
export S3_ENDPOINT=http://127.0.0.1:8333 S3_BUCKET=files S3_REGION=us-east-1 S3_ACCESS_KEY=AKDEPLOY00000001 S3_SECRET_KEY=deploy-secret-0123456789abcdef
cat >s3.json <<JSON
{"identities": [{"name": "gantry", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "$S3_ACCESS_KEY", "secretKey": "$S3_SECRET_KEY"}]}]}
JSON
mkdir store
./weed server -dir=store -filer -s3 -ip=127.0.0.1 -ip.bind=127.0.0.1 -s3.config=s3.json -s3.port=8333 -volume.port=9340 -filer.port=9888 -volume.max=100 -master.volumeSizeLimitMB=64 \
  -master.telemetry=false -s3.port.iceberg=0 -s3.port.lance=0 >weed.log 2>&1 &
for _ in $(seq 300); do curl -fs http://127.0.0.1:8333/healthz >/dev/null && break; sleep 0.1; done
curl -sSf -X PUT --aws-sigv4 "aws:amz:us-east-1:s3" --user "$S3_ACCESS_KEY:$S3_SECRET_KEY" "$S3_ENDPOINT/$S3_BUCKET"
set -x
source ./guide.sh
set +x
# What the guide promises.
[ "$(curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' http://files.example/v1/limits)" = "308 https://files.example/v1/limits" ]
curl -sSf -D - -o /dev/null https://files.example/ | grep -qi '^strict-transport-security:'
[ "$(stat -c %a /etc/gantry/database_url)" = 640 ]
ps -o user= -p "$(cat /run/fake-systemd/gantry.service.pid)" | grep -q '^gantry'
# The image's health check is a line of bash: it tells a node that answers from one that does not.
bash ./health.sh
systemctl stop gantry
! bash ./health.sh 2>/dev/null
echo "the guide is done"
SH

# The package's program gives way to the one to be tested when apt-get has installed it.
sed -i 's|^apt-get install -y ./gantry.deb$|&\ninstall -m 755 /srv/deploy/gantry /usr/bin/gantry|' "$machine/srv/deploy/guide.sh"
cd "$tree"
if ! env -i TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$machine" bash /srv/deploy/run.sh >"$work/said" 2>&1 </dev/null || ! tail -n 1 "$work/said" | grep -q '^the guide is done$'; then
  tail -n 40 "$work/said" >&2
  tail -n 20 "$machine"/run/fake-systemd/*.log >&2 2>/dev/null || true
  echo "not ok: the guide Deploy" >&2
  exit 1
fi
echo "ok: $(grep -c . "$machine/srv/deploy/guide.sh") lines of the guide Deploy, from a package to a service with TLS, alerts and a restored backup"
