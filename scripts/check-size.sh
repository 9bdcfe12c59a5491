#!/usr/bin/env bash
# check-size.sh [DIR...]: the size budget of CONTRIBUTING.md. No function over 70 lines, no file over 500; of all functions 95 % at most 40.
set -euo pipefail
dirs=("$@")
[ ${#dirs[@]} -gt 0 ] || dirs=(Sources Tests)
find "${dirs[@]}" -name '*.swift' -print0 | sort -z | xargs -0 awk '
    FNR == 1 { inside = 0 }
    { files[FILENAME]++ }
    !inside && /^[[:space:]]*((public|internal|private|fileprivate|package|static|class|final|override|mutating|nonisolated|consuming|borrowing|convenience|required|@[A-Za-z]+(\([^)]*\))?)[[:space:]]+)*(func|init|deinit)[[:space:](?<]/ {
        match($0, /^[[:space:]]*/); pad = RLENGTH; start = FNR; name = $0; sub(/^[[:space:]]*/, "", name)
        if ($0 ~ /\{.*\}[[:space:]]*$/) { count++; next }
        inside = 1
    }
    inside && /^[[:space:]]*\}/ {
        match($0, /^[[:space:]]*/)
        if (RLENGTH <= pad) {
            lines = FNR - start + 1; inside = 0
            if (RLENGTH < pad) next
            count++
            if (lines > 40) long++
            if (lines > 70) { printf "%s:%d: %d lines, 70 allowed: %.60s\n", FILENAME, start, lines, name; bad = 1 }
        }
    }
    END {
        for (f in files) if (files[f] > 500) { printf "%s: %d lines, 500 allowed\n", f, files[f]; bad = 1 }
        if (count > 40 && long * 20 > count) { printf "%d of %d functions are longer than 40 lines, 5 %% allowed\n", long, count; bad = 1 }
        exit bad
    }' >&2 || {
    echo "error: the size budget is exceeded" >&2
    exit 1
}
