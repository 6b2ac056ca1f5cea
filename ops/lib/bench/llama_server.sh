#!/usr/bin/env bash
# Builds llama-server out of the same pinned source and with the same flags as the library that the gateway links, into
# the cache, and prints its path. For benchmarks only: ops/setup does not need it.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
for part in common paths downloads llama; do
    # shellcheck source=/dev/null
    . "$here/$part.sh"
done

server_prefix() {
    printf '%s/llama-server-%s\n' "$cache" "$(llama_prefix | sha256sum | cut -c 1-12)"
}

install_server() {
    local prefix work log="$cache/log/llama-server.log"
    prefix="$(server_prefix)"
    [ ! -d "$prefix" ] || return 0
    mkdir -p "$cache/tmp" "$cache/log" "$cache/downloads"
    # ops/setup throws away what others left half done.
    exec 9>"$cache/setup.lock"
    flock 9
    fetch "$llama_package" "$llama_file" "$llama_sha256"
    phase "building llama-server (about 10 core-minutes, once)"
    work="$(mktemp -d "$cache/tmp/server.XXXXXX")"
    tar -xzf "$cache/downloads/$llama_file" -C "$work" --strip-components=1 >"$log" 2>&1 ||
        failed "unpacking $llama_file" "$log"
    run_long "$log" env GIT_DIR=/nonexistent cmake -S "$work/vendor/llama.cpp" -B "$work/build" -G Ninja \
        "${llama_flags[@]}" || failed "configuring llama.cpp" "$log"
    run_long "$log" ninja -C "$work/build" llama-server || failed "building llama-server" "$log"
    mkdir -p "$work/stage"
    cp "$work/build/bin/llama-server" "$work/stage/"
    mv -T -- "$work/stage" "$prefix"
    rm -rf -- "$work"
}

install_server >&2
printf '%s/llama-server\n' "$(server_prefix)"
