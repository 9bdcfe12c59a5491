#!/usr/bin/env bash
# setup.sh GROUP...: installs the Debian packages a group needs, and only those that are missing. Groups: build, engine, image, test, bench.
set -euo pipefail
declare -A PACKAGES=(
    [build]="libmicrohttpd-dev libcurl4-openssl-dev libyaml-dev libsqlite3-dev libpq-dev libsodium-dev libc6-dev libstdc++-12-dev binutils pkg-config git"
    [engine]="docker.io iptables iproute2 ca-certificates"
    [image]="busybox-static ca-certificates binutils"
    [test]="openssl postgresql docker-registry python3 python3-venv procps util-linux"
    [bench]="nginx-light wrk python3 postgresql docker-registry"
)
missing=()
for group in "$@"; do
    for package in ${PACKAGES[$group]:?unknown group $group}; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
done
command -v swift >/dev/null || {
    echo "error: no Swift toolchain on PATH" >&2
    echo "next: install Swift 6.2 or newer (https://www.swift.org/install/linux/) and run this again" >&2
    exit 1
}
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "error: missing packages: ${missing[*]}" >&2
        echo "next: install them as root" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "installing ${missing[*]}"
# A package's own init script must not start a service behind our back on a machine without an init system.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -d /run/systemd/system ] && [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    made_policy=1
fi
log=$(mktemp)
trap '[ -z "$made_policy" ] || "${as_root[@]}" rm -f "$policy"; rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@" </dev/null >>"$log" 2>&1; }
apt install -y --no-install-recommends "${missing[@]}" || { apt update && apt install -y --no-install-recommends "${missing[@]}"; } || {
    tail -n 20 "$log" >&2
    echo "error: apt-get could not install ${missing[*]}" >&2
    echo "next: read the lines above, run 'apt-get update', and try again" >&2
    exit 1
}
