#!/usr/bin/env bash
# docs.sh: builds the API reference of every module from the debug build into .build/docs; any warning fails.
set -euo pipefail
cd "$(dirname "$0")/.."
graphs=.build/symbolgraphs
rm -rf "$graphs" .build/docs
mkdir -p "$graphs" .build/docs
toolchain=$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")
target=$(swift -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)",/\1/p')
flags=(-Xcc "-I$(pkg-config --variable=includedir libpq)")
for system in Sources/System/*/; do flags+=(-Xcc "-fmodule-map-file=$PWD/${system}module.modulemap"); done
for directory in Sources/*/; do
    module=$(basename "$directory")
    case $module in System | berth | berthd | berth-agent) continue ;; esac
    mkdir -p "$graphs/$module"
    swift-symbolgraph-extract -module-name "$module" -I .build/debug/Modules -target "$target" -minimum-access-level public \
        -skip-inherited-docs -output-dir "$graphs/$module" "${flags[@]}"
    "$toolchain/bin/docc" convert --additional-symbol-graph-dir "$graphs/$module" --fallback-display-name "$module" \
        --fallback-bundle-identifier "berth.$module" --output-path ".build/docs/$module.doccarchive" --warnings-as-errors >"$graphs/$module.log" 2>&1 || {
        cat "$graphs/$module.log" >&2
        echo "error: the documentation of $module has warnings" >&2
        exit 1
    }
done
