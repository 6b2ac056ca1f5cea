# shellcheck shell=bash
# Debian's packages. Asks for nothing, and touches no network, when all of them are there.

packages=(
    build-essential ca-certificates cmake curl git libcurl4-openssl-dev libncurses6 libpq-dev libsqlite3-0 libssl-dev
    libxml2 ninja-build pkg-config postgresql postgresql-client python3 python3-venv tzdata unzip util-linux zlib1g-dev
)

missing_packages() {
    local name
    for name in "${packages[@]}"; do
        # shellcheck disable=SC2016
        [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null)" = "ii " ] || printf '%s\n' "$name"
    done
}

# Debian starts a server of its own on port 5432 when the package is installed. Nobody here asked for one.
prevent_default_cluster() {
    [ ! -e /usr/share/postgresql-common ] || return 0
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    printf 'create_main_cluster = false\n' | as_root tee /etc/postgresql-common/createcluster.d/gboost.conf >/dev/null
}

install_packages() {
    local missing log
    command -v apt-get >/dev/null || die "there is no apt-get: this script knows Debian 12 only"
    mapfile -t missing < <(missing_packages)
    [ "${#missing[@]}" -gt 0 ] || return 0
    phase "installing ${#missing[@]} Debian packages: ${missing[*]}"
    log="$cache/log/apt.log"
    prevent_default_cluster
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >"$log" 2>&1 </dev/null ||
        failed "reading Debian's package lists (is the network there?)" "$log"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Options::=--force-confold "${missing[@]}" >"$log" 2>&1 </dev/null ||
        failed "installing Debian's packages" "$log"
}
