# shellcheck shell=bash
# llama.cpp, static, and the shim of ops/llama over its C++ side. Each is built aside and moved into place whole.

# Every archive that the gateway links, those that use others before those they use.
llama_libraries=(llama-common llama-common-base cpp-httplib llama ggml ggml-cpu ggml-base)

install_llama() {
    local prefix work source log
    prefix="$(llama_prefix)"
    [ ! -d "$prefix" ] || return 0
    fetch "$llama_package" "$llama_file" "$llama_sha256"
    phase "building llama.cpp (about 8 core-minutes)"
    log="$cache/log/llama.log"
    work="$(mktemp -d "$cache/tmp/llama.XXXXXX")"
    tar -xzf "$cache/downloads/$llama_file" -C "$work" --strip-components=1 >"$log" 2>&1 ||
        failed "unpacking $llama_file" "$log"
    source="$work/vendor/llama.cpp"
    # No repository around the sources: the build would write that one's commit into the library.
    run_long "$log" env GIT_DIR=/nonexistent cmake -S "$source" -B "$work/build" -G Ninja "${llama_flags[@]}" ||
        failed "configuring llama.cpp" "$log"
    run_long "$log" ninja -C "$work/build" llama llama-common llama-completion || failed "building llama.cpp" "$log"
    stage_llama "$source" "$work/build" "$work/stage" >>"$log" 2>&1 || failed "installing llama.cpp" "$log"
    mv -T -- "$work/stage" "$prefix"
    rm -rf -- "$work"
}

# stage_llama SOURCE BUILD STAGE
stage_llama() {
    local library part
    mkdir -p "$3/bin" "$3/lib" "$3/include" || return 1
    cp "$1"/include/*.h "$1"/ggml/include/*.h "$3/include/" || return 1
    cp "$2/bin/llama-completion" "$3/bin/" || return 1
    for library in "${llama_libraries[@]}"; do
        find "$2" -name "lib$library.a" -exec cp {} "$3/lib/" \; || return 1
        [ -s "$3/lib/lib$library.a" ] || { echo "lib$library.a was not built"; return 1; }
    done
    # The C++ headers that the shim compiles against; the rest of the source can go.
    for part in common include src ggml/include vendor; do
        mkdir -p "$3/source/$part" || return 1
        (cd "$1/$part" && find . \( -name '*.h' -o -name '*.hpp' \) -print0 | tar -cf - --null -T -) |
            tar -xf - -C "$3/source/$part" || return 1
    done
}

# What the tests read of the sources that libraries do not have: chat templates, and vocabularies without weights.
install_samples() {
    local prefix work log="$cache/log/samples.log" top
    prefix="$(samples_directory)"
    [ ! -d "$prefix" ] || return 0
    fetch "$llama_package" "$llama_file" "$llama_sha256"
    phase "unpacking llama.cpp's chat templates"
    work="$(mktemp -d "$cache/tmp/samples.XXXXXX")"
    top="${llama_file%.tar.gz}/vendor/llama.cpp/models"
    tar -xzf "$cache/downloads/$llama_file" -C "$work" --strip-components=4 "$top/templates" \
        "${llama_vocabularies[@]/#/$top/}" >"$log" 2>&1 || failed "unpacking $llama_file" "$log"
    mv -T -- "$work" "$prefix"
}

has_shim() {
    compgen -G "$checkout/ops/llama/*.cpp" >/dev/null
}

install_shim() {
    local prefix source work log file
    has_shim || return 0
    prefix="$(chat_prefix)"
    [ ! -d "$prefix" ] || return 0
    phase "building the shim over llama.cpp"
    source="$(llama_prefix)/source"
    log="$cache/log/shim.log"
    work="$(mktemp -d "$cache/tmp/shim.XXXXXX")"
    mkdir -p "$work/stage/lib" "$work/stage/include"
    : >"$log"
    for file in "$checkout"/ops/llama/*.cpp; do
        c++ -std=c++17 -O3 -march=native -fPIC -Wall -Wextra -I "$checkout/ops/llama" -isystem "$source/common" \
            -isystem "$source/include" -isystem "$source/src" -isystem "$source/ggml/include" \
            -isystem "$source/vendor" -c "$file" -o "$work/$(basename "$file" .cpp).o" >>"$log" 2>&1 ||
            failed "compiling ${file##*/}" "$log"
    done
    add_kernel "$work" >>"$log" 2>&1 || failed "adding gboost_matmul.cpp to ggml" "$log"
    ar rcs "$work/stage/lib/libgboost_chat.a" "$work"/*.o >>"$log" 2>&1 || failed "archiving the shim" "$log"
    cp "$checkout"/ops/llama/*.h "$work/stage/include/"
    mv -T -- "$work/stage" "$prefix"
    rm -rf -- "$work"
}

# add_kernel WORK: a copy of ggml's library that asks our kernel of matrix products first, which hands on what it does
# not do. It lies in the shim's directory, which the linker searches before llama.cpp's own.
add_kernel() {
    local library="$1/stage/lib/libggml-cpu.a"
    cp "$(llama_prefix)/lib/libggml-cpu.a" "$library" || return 1
    (cd "$1" && ar x "$library" sgemm.cpp.o) || return 1
    objcopy --redefine-sym llamafile_sgemm=ggml_llamafile_sgemm "$1/sgemm.cpp.o" || return 1
    nm "$1/sgemm.cpp.o" | grep ' T ggml_llamafile_sgemm$' || { echo "ggml has no llamafile_sgemm"; return 1; }
    ar rs "$library" "$1/sgemm.cpp.o" "$1/gboost_matmul.o" || return 1
    rm -- "$1/sgemm.cpp.o" "$1/gboost_matmul.o"
}

# The file by which SwiftPM finds the library, rewritten only when it says something else.
install_pkgconfig() {
    local prefix chat="" flags="" target="$pkgconfig_directory/llama.pc" text
    prefix="$(llama_prefix)"
    if has_shim; then
        chat="$(chat_prefix)"
        flags="-L$chat/lib -lgboost_chat "
    fi
    # Names the keyed directories: when the library changes, so do the flags, and SwiftPM links again.
    text="prefix=$prefix
Name: llama
Description: llama.cpp, static, built by ops/setup
Version: $llama_version
Cflags: -I\${prefix}/include${chat:+ -I$chat/include}
Libs: $flags-L\${prefix}/lib$(printf ' -l%s' "${llama_libraries[@]}") -lstdc++ -lgomp -lm"
    if [ "$(cat -- "$target" 2>/dev/null)" != "$text" ]; then
        as_root mkdir -p "$pkgconfig_directory"
        printf '%s\n' "$text" | as_root tee "$target.new" >/dev/null
        as_root mv -- "$target.new" "$target"
    fi
    forget_headers "$text"
}

# forget_headers TEXT: a build keeps the compiled headers by the module's name alone, wherever they were found.
forget_headers() {
    local stamp="$checkout/.build/llama-headers"
    [ -d "$checkout/.build" ] || return 0
    [ "$(cat -- "$stamp" 2>/dev/null)" != "$1" ] || return 0
    find "$checkout/.build/" -name 'CLlama-*.pcm' -delete
    printf '%s\n' "$1" >"$stamp"
}
