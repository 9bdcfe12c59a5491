#!/usr/bin/env bash
# engine.sh ensure                           finds a Docker Engine, or installs and starts one; the last line is its DOCKER_HOST
# engine.sh stop                             stops an engine that `ensure` started, and only that one
# engine.sh private start|kill|stop DIR      a throwaway engine whose data, socket and bridge are its own; `start` prints its DOCKER_HOST
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$PATH:/usr/sbin:/sbin
state=${BERTH_ENGINE_STATE:-/var/lib/berth-engine}
socket=/var/run/docker.sock

say() { echo "engine: $*" >&2; }
answers() { [ -S "${1#unix://}" ] && DOCKER_HOST=unix://${1#unix://} timeout 10 docker version >/dev/null 2>&1; }
started_at() { awk '{ sub(/^.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null; }
alive() { [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
gone() { ! alive "$1"; }
# A recycled pid is never signalled: the record holds the process's start time too.
recorded() {
    local pid at
    [ -f "$1" ] && read -r pid at <"$1" && [ "$(started_at "$pid")" = "$at" ] && alive "$pid" && echo "$pid"
}
wait_until() { # wait_until SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

mount_cgroups() { # nothing to do where an init system did it
    grep -q ' /sys/fs/cgroup' /proc/mounts && return 0
    mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup || return 0
    local name
    for name in $(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups); do
        mkdir -p "/sys/fs/cgroup/$name"
        mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name" || rmdir "/sys/fs/cgroup/$name"
    done
}

launch() { # launch RECORD LOG COMMAND...: detached, no tty, no inherited descriptors, recorded
    local record=$1 log=$2
    shift 2
    rm -f "$record.pid"
    (
        ulimit -n 65536 2>/dev/null || true
        for fd in 3 4 5 6 7 8 9; do eval "exec $fd>&-"; done
        exec setsid --fork bash -c 'echo $$ >"$0"; exec "$@"' "$record.pid" "$@" </dev/null >>"$log" 2>&1
    )
    wait_until 5 test -s "$record.pid"
    local pid
    pid=$(cat "$record.pid")
    echo "$pid $(started_at "$pid")" >"$record"
    rm -f "$record.pid"
}

end() { # end RECORD SIGNAL
    local pid
    pid=$(recorded "$1") || { rm -f "$1"; return 0; }
    kill "-$2" "$pid"
    wait_until 30 gone "$pid" || say "process $pid did not end"
    rm -f "$1"
}

ensure() {
    case ${DOCKER_HOST:-} in
        "") ;;
        unix://*)
            answers "$DOCKER_HOST" || { say "no engine answers at DOCKER_HOST=$DOCKER_HOST"; exit 1; }
            echo "$DOCKER_HOST"
            return
            ;;
        *) say "DOCKER_HOST=$DOCKER_HOST: only unix:// sockets are supported"; exit 1 ;;
    esac
    "$here/setup.sh" engine >&2
    if ! answers "$socket"; then
        [ "$(id -u)" = 0 ] || { say "no engine answers at $socket"; say "next: start Docker, or run this as root"; exit 1; }
        if [ -d /run/systemd/system ]; then
            systemctl start docker
        else
            mkdir -p "$state"
            mount_cgroups
            [ "$(cat "/proc/$(cat /var/run/docker.pid 2>/dev/null || echo none)/comm" 2>/dev/null)" = dockerd ] || rm -f /var/run/docker.pid
            say "starting dockerd (log: $state/dockerd.log)"
            launch "$state/dockerd" "$state/dockerd.log" dockerd
        fi
        wait_until 60 answers "$socket" || { tail -n 15 "$state/dockerd.log" >&2; say "the engine did not come up"; exit 1; }
    fi
    echo "unix://$socket"
}

private_name() { echo "bt$(echo "$1" | cksum | cut -c1-7)"; }

# Addresses are of the range reserved for tests (RFC 2544): any private range may be taken by networks of the main engine.
private_start() { # own data, own containerd, own bridge, no shared iptables
    local dir=$1 name subnet
    name=$(private_name "$dir")
    subnet=$(($(echo "$dir" | cksum | cut -d' ' -f1) % 200 + 20))
    mkdir -p "$dir/root" "$dir/exec"
    answers "$dir/docker.sock" && { echo "unix://$dir/docker.sock"; return; }
    [ -f "$dir/daemon.json" ] || echo '{}' >"$dir/daemon.json"
    if ! recorded "$dir/containerd" >/dev/null; then
        printf 'version = 2\nroot = "%s"\nstate = "%s"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "%s"\n' \
            "$dir/cd" "$dir/exec/cd" "$dir/cd.sock" >"$dir/containerd.toml"
        rm -f "$dir/cd.sock" "$dir/cd.sock.ttrpc"
        launch "$dir/containerd" "$dir/containerd.log" containerd --config "$dir/containerd.toml" --log-level warn
        wait_until 15 test -S "$dir/cd.sock"
    fi
    if ! ip link show "$name" >/dev/null 2>&1; then
        ip link add "$name" type bridge
        ip addr add "198.18.$subnet.1/24" dev "$name"
        ip link set "$name" up
    fi
    rm -f "$dir/docker.pid"
    # No address pool of its own: an engine that has one and is started again deletes docker0, the machine's own engine's bridge. Without it,
    # the engine passes over ranges that are in use.
    launch "$dir/dockerd" "$dir/dockerd.log" dockerd --config-file "$dir/daemon.json" --data-root "$dir/root" --exec-root "$dir/exec" \
        --pidfile "$dir/docker.pid" -H "unix://$dir/docker.sock" --containerd "$dir/cd.sock" --bridge "$name" \
        --iptables=false --ip-masq=false --ip-forward=false --cgroup-parent "/$name"
    wait_until 60 answers "$dir/docker.sock" || { tail -n 15 "$dir/dockerd.log" >&2; exit 1; }
    echo "unix://$dir/docker.sock"
}

private_stop() {
    local dir=$1 ids id mount
    if answers "$dir/docker.sock"; then
        ids=$(docker -H "unix://$dir/docker.sock" ps -aq)
        # shellcheck disable=SC2086
        [ -z "$ids" ] || docker -H "unix://$dir/docker.sock" rm -f $ids >/dev/null 2>&1 || true
        for id in $(docker -H "unix://$dir/docker.sock" network ls -q --filter type=custom); do
            docker -H "unix://$dir/docker.sock" network rm "$id" >/dev/null 2>&1 || true
        done
    fi
    end "$dir/dockerd" TERM
    end "$dir/containerd" TERM
    for mount in $(awk -v d="$dir/" 'index($2, d) == 1 { print $2 }' /proc/mounts | sort -r); do umount -l "$mount" 2>/dev/null || true; done
    ip link del "$(private_name "$dir")" 2>/dev/null || true
}

case ${1:-} in
    ensure) ensure ;;
    stop) if recorded "$state/dockerd" >/dev/null; then end "$state/dockerd" TERM && say "stopped"; else say "not started here, left alone"; fi ;;
    private)
        dir=$(mkdir -p "${3:?DIR}" && cd "$3" && pwd)
        case $2 in
            start) private_start "$dir" ;;
            kill) end "$dir/dockerd" KILL ;;
            stop) private_stop "$dir" ;;
            *) say "private start|kill|stop DIR" && exit 2 ;;
        esac
        ;;
    *) sed -n '2,4s/^# //p' "$0" >&2 && exit 2 ;;
esac
