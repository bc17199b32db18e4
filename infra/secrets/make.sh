#!/usr/bin/env bash
# Makes what compose.yml mounts and the repository must not have: secrets, and nginx' configuration with the names of .env and the
# proof. What is there stays. Usage: make.sh [FOLDER, instead of the script's own]
#
# The folder is its owner's alone. The files are readable for whoever is in a container that they are mounted into.
set -euo pipefail
infra=$(cd "$(dirname "$0")/.." && pwd)
cd "${1:-$infra/secrets}"
chmod 700 .

random() { head -c 96 /dev/urandom | base64 -w 0 | tr -d '/+=' | head -c "$1"; }
lacks() { [ ! -s "$1" ]; }
# host SETTING DEFAULT: the host of an origin in .env.
host() {
  local value
  value=$(sed -n "s/^$1=//p" "$infra/.env" 2>/dev/null | tail -n 1)
  value=${value:-$2}
  value=${value#*://}
  echo "${value%%[:/]*}"
}

if lacks database_password; then random 40 >database_password; fi
if lacks signing_key; then random 48 >signing_key; fi
if lacks proxy_secret; then random 48 >proxy_secret; fi
if lacks database_url; then printf 'postgres://gantry:%s@postgres/gantry' "$(cat database_password)" >database_url; fi
if lacks s3.json || lacks aws_credentials; then
  access=GK$(random 18) secret=$(random 40)
  cat >s3.json <<JSON
{"identities": [{"name": "gantry", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "$access", "secretKey": "$secret"}]}]}
JSON
  printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$access" "$secret" >aws_credentials
fi

api=$(host GANTRY_PUBLIC_URL https://files.example)
store=$(host GANTRY_S3_PUBLIC_ENDPOINT https://store.files.example)
for name in cluster redirect; do
  sed -e "s/0123456789abcdef0123456789abcdef/$(cat proxy_secret)/" -e "s/\bstore\.files\.example\b/$store/" \
    -e "/server_name/s/\bfiles\.example\b/$api/" "$infra/nginx/$name.conf" >"$name.conf"
done
chmod 644 database_password database_url signing_key proxy_secret s3.json aws_credentials cluster.conf redirect.conf
