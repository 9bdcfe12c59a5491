#!/usr/bin/env bash
# check-imports.sh [SOURCES]: the direction of imports (docs/ARCHITECTURE.md), read from the `import` lines; that they are declared is the compiler's check.
set -euo pipefail
sources=${1:-Sources}
modules="Model HTTP HTTPServer HTTPClient Docker Distribution Templates Store Secrets Events Provisioner Images Sweeper Registry Proxy API"
declare -A allowed=(
    [Model]="" [HTTP]="" [HTTPServer]="HTTP CMicroHTTPD" [HTTPClient]="HTTP CCurl" [Docker]="Model HTTP" [Distribution]="Model HTTP" [Templates]="Model CYAML"
    [Store]="Model CSQLite CPostgres" [Secrets]="Model CSodium" [Events]="Model" [Provisioner]="Model" [Images]="Model" [Sweeper]="Model" [Registry]="Model"
    [Proxy]="Model HTTP" [API]="Model HTTP Provisioner Registry Proxy Events Templates"
    [berthd]="$modules" [berth]="Model HTTP HTTPClient Templates" [berth-agent]="Model HTTP HTTPServer HTTPClient Templates CSpawn"
)
system=" Foundation FoundationEssentials Glibc Dispatch Synchronization "
bad=0
for directory in "$sources"/*/; do
    module=$(basename "$directory")
    [ "$module" != System ] || continue
    if [ -z "${allowed[$module]+set}" ]; then
        echo "$module: not in the table of check-imports.sh: decide what it may import" >&2
        bad=1
        continue
    fi
    for import in $(grep -rhE --include='*.swift' '^(@[A-Za-z_]+(\([^)]*\))? +)*((public|internal|private|package|fileprivate) +)?import +' "$directory" \
        | sed -E 's/.*import +((struct|class|enum|func|protocol|var|let|typealias) +)?([A-Za-z_]+).*/\3/' | sort -u); do
        case "$system ${allowed[$module]} " in
            *" $import "*) ;;
            *) echo "$module imports $import, allowed: ${allowed[$module]:-nothing}" >&2 && bad=1 ;;
        esac
    done
done
[ $bad = 0 ] || {
    echo "error: imports run the wrong way" >&2
    exit 1
}
