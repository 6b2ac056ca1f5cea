# shellcheck shell=bash
# Debian's prometheus and promtool, unpacked into the cache: the package, installed, would start a server on port 9090.

# Where the two programs are, or will be.
prometheus_directory() {
    if [ -x /usr/bin/prometheus ] && [ -x /usr/bin/promtool ]; then
        printf '/usr/bin\n'
    else
        printf '%s/prometheus\n' "$cache"
    fi
}

install_prometheus() {
    local work log="$cache/log/prometheus.log"
    [ ! -x "$(prometheus_directory)/promtool" ] || return 0
    command -v apt-get >/dev/null || die "there is no apt-get: this script knows Debian 12 only"
    phase "fetching Debian's prometheus"
    mkdir -p "$cache/tmp" "$cache/log"
    work="$(mktemp -d "$cache/tmp/prometheus.XXXXXX")"
    # apt-get checks the file against the signed list; it reads the lists only where it must.
    fetch_package "$work" prometheus >"$log" 2>&1 </dev/null || {
        as_root apt-get update -qq >>"$log" 2>&1 </dev/null || failed "reading Debian's package lists" "$log"
        fetch_package "$work" prometheus >>"$log" 2>&1 </dev/null ||
            failed "fetching prometheus (is the network there?)" "$log"
    }
    dpkg-deb -x "$work"/prometheus_*.deb "$work/root" >>"$log" 2>&1 || failed "unpacking prometheus" "$log"
    mkdir "$work/bin"
    mv -- "$work/root/usr/bin/prometheus" "$work/root/usr/bin/promtool" "$work/bin"
    rm -rf -- "$cache/prometheus"
    mv -T -- "$work/bin" "$cache/prometheus"
    rm -rf -- "$work"
}

# fetch_package DIRECTORY NAME
fetch_package() {
    (cd "$1" && apt-get download "$2")
}
