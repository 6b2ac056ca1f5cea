# shellcheck shell=bash
# The Python clients that the tests speak to the gateway with, pinned and hashed with all they depend on: the official
# ones, which every run needs, and further ones (requirements-clients.txt), half a gigabyte, which only some do.

clients_directory() {
    local key
    key="$({ cat -- "$checkout/ops/requirements-$1.txt"; /usr/bin/python3 --version; } | sha256sum | cut -c 1-12)"
    printf '%s/clients-%s\n' "$cache" "$key"
}

install_clients() {
    local directory log="$cache/log/clients.log"
    directory="$(clients_directory "$1")"
    [ ! -f "$directory/complete" ] || return 0
    phase "installing the Python clients ($1)"
    # A virtual environment cannot be moved, so a marker file says that it is whole.
    rm -rf -- "$directory"
    { /usr/bin/python3 -m venv "$directory" &&
        "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
            --no-deps --require-hashes -r "$checkout/ops/requirements-$1.txt"; } >"$log" 2>&1 </dev/null ||
        failed "installing the Python clients (is the network there?)" "$log"
    touch "$directory/complete"
}
