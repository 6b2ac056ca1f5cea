# shellcheck shell=bash
# What every script here uses: words for the terminal, hashes, disk space, root.

# One line for each phase, so that a person sees where the time goes.
phase() {
    printf '==> %s\n' "$*"
}

# One sentence, and the end.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# as_root COMMAND…: root runs it, anyone else through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "\"$1\" needs root, and there is no sudo: run ops/setup once as root"
    fi
}

hash_of() {
    sha256sum -- "$1" | cut -d ' ' -f 1
}

# free_megabytes DIRECTORY
free_megabytes() {
    df -Pm -- "$1" | awk 'NR == 2 { print $4 }'
}

# require_space DIRECTORY MEGABYTES WHAT: asks before the work, not in the middle of it.
require_space() {
    local free
    free="$(free_megabytes "$1")"
    [ "$free" -ge "$2" ] || die "the disk under $1 has $free MB free, and $3 needs $2 MB"
}

# failed WHAT LOG: why a long command ended badly, the full disk first, since it hides behind any other message.
failed() {
    local free
    free="$(free_megabytes "$cache")"
    [ "$free" -ge 64 ] || die "$1 failed: the disk under $cache is full"
    tail -n 15 -- "$2" >&2
    die "$1 failed; the whole log is $2"
}
