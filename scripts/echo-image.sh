#!/usr/bin/env bash
# echo-image.sh [--output-tag TAG]: builds the workspace image of the runtime "echo" on the engine at DOCKER_HOST, without any registry.
# An image made from the same inputs is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=berth/workspace-echo:latest
case ${1:-} in
    "") ;;
    --output-tag) tag=${2:?TAG} ;;
    *) sed -n '2,3s/^# //p' "$0" >&2 && exit 2 ;;
esac

label=berth.image.inputs
scratch=.build/agent
stage=$scratch/image
sources=(Sources/Model Sources/HTTP Sources/HTTPServer Sources/HTTPClient Sources/Templates Sources/System Sources/berth-agent)
packages=(libc6 libstdc++6 libcurl4 libmicrohttpd12 libyaml-0-2 busybox-static ca-certificates)

scripts/setup.sh build image
# What is staged is read by another user inside the image; and two runs must not stage into one directory.
umask 022
mkdir -p "$scratch"
exec 9>"$scratch/image.lock"
flock 9

inputs() { # everything the image is made of, as one hash
    {
        find "${sources[@]}" -type f -print0 | sort -z | xargs -0 sha256sum
        sha256sum Package.swift templates/echo/Dockerfile scripts/echo-image.sh
        dpkg-query -W -f='${Package} ${Version}\n' "${packages[@]}" 2>/dev/null || true
        swift --version 2>/dev/null | head -n 1
    } | sha256sum | cut -d' ' -f1
}

stage_libraries() { # what the loader will look for, at the paths it looks at
    local binary=$1 library
    for library in $(ldd "$binary" | grep -o '/[^ ]*'); do
        mkdir -p "$stage/rootfs$(dirname "$library")"
        cp -L "$library" "$stage/rootfs$library"
    done
}

stage_shell() { # a command named in config.yaml needs a shell and its tools
    local applet
    mkdir -p "$stage/rootfs/bin" "$stage/rootfs/usr/bin"
    cp "$(command -v busybox)" "$stage/rootfs/bin/busybox"
    for applet in $(busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$stage/rootfs/bin/$applet"; done
    ln -s /bin/busybox "$stage/rootfs/usr/bin/env"
}

stage_system() { # users, name lookup (the hosts file first: the engine writes host.docker.internal there), certificates
    local etc=$stage/rootfs/etc
    mkdir -p "$etc/ssl/certs" "$stage/rootfs/tmp" "$stage/owned/configs" "$stage/owned/workspace"
    chmod 1777 "$stage/rootfs/tmp"
    printf 'root:x:0:0:root:/:/bin/sh\nagent:x:1000:1000:agent:/workspace:/bin/sh\n' >"$etc/passwd"
    printf 'root:x:0:\nagent:x:1000:\n' >"$etc/group"
    printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$etc/nsswitch.conf"
    cp -L /etc/ssl/certs/ca-certificates.crt "$etc/ssl/certs/ca-certificates.crt"
}

wanted=$(inputs)
present=$(docker image inspect -f "{{index .Config.Labels \"$label\"}}" "$tag" 2>/dev/null || true)
if [ "$present" = "$wanted" ]; then
    echo "echo image: $tag is up to date"
    exit 0
fi

echo "echo image: building berth-agent"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
swift build -c release --product berth-agent --static-swift-stdlib --scratch-path "$scratch" >"$log" 2>&1 || {
    grep -E "error:" "$log" | sort -u | head -n 20 >&2
    echo "error: berth-agent was not built" >&2
    exit 1
}

rm -rf "$stage"
mkdir -p "$stage/rootfs/usr/local/bin"
binary=$stage/rootfs/usr/local/bin/berth-agent
cp "$scratch/release/berth-agent" "$binary"
strip "$binary"
stage_libraries "$binary"
stage_shell
stage_system
cp templates/echo/Dockerfile "$stage/Dockerfile"

echo "echo image: building $tag"
old=$(docker image inspect -f '{{.Id}}' "$tag" 2>/dev/null || true)
DOCKER_BUILDKIT=0 docker build --quiet --force-rm --label "$label=$wanted" --tag "$tag" "$stage" >"$log" 2>&1 || {
    cat "$log" >&2
    echo "error: the engine did not build the image" >&2
    exit 1
}
# The image it replaces goes with its last container; one that is in use stays.
[ -z "$old" ] || docker image rm "$old" >/dev/null 2>&1 || true
docker image inspect -f 'echo image: {{.Id}} {{.Size}} bytes' "$tag"
