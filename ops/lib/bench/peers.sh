#!/usr/bin/env bash
# Installs what `ops/bench proxy` measures with and against, and prints where it is: nginx, wrk and LiteLLM's proxy,
# a path a line. For benchmarks only: ops/setup does not need them.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
for part in common paths packages; do
    # shellcheck source=/dev/null
    . "$here/$part.sh"
done

# Unpacked rather than installed: the package would start a server on port 80.
install_nginx() {
    local work directory="$cache/nginx"
    [ ! -x "$directory/usr/sbin/nginx" ] || return 0
    phase "fetching nginx"
    work="$(mktemp -d "$cache/tmp/nginx.XXXXXX")"
    chmod 755 "$work"
    (cd "$work" && apt-get download -qq nginx libnginx-mod-http-echo && for package in *.deb; do
        dpkg-deb -x "$package" "$work/stage"
    done) >"$cache/log/nginx.log" 2>&1 </dev/null || failed "fetching nginx" "$cache/log/nginx.log"
    rm -rf -- "$directory"
    mv -T -- "$work/stage" "$directory"
    rm -rf -- "$work"
}

install_litellm() {
    local requirements="$checkout/ops/requirements-bench.txt" log="$cache/log/litellm.log"
    litellm="$cache/litellm-$(hash_of "$requirements" | cut -c 1-12)"
    [ ! -f "$litellm/complete" ] || return 0
    phase "installing LiteLLM's proxy"
    rm -rf -- "$litellm"
    { /usr/bin/python3 -m venv "$litellm" &&
        "$litellm/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
            --no-deps --require-hashes -r "$requirements"; } >"$log" 2>&1 </dev/null ||
        failed "installing LiteLLM (is the network there?)" "$log"
    touch "$litellm/complete"
}

mkdir -p "$cache/tmp" "$cache/log"
packages=(wrk)
{ install_packages && install_nginx && install_litellm; } >&2
printf '%s\n' "$cache/nginx" "$(command -v wrk)" "$litellm/bin/litellm"
