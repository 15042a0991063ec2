#!/usr/bin/env bash
# bash scripts/sanitize.sh asan|asan-emulated|tsan|valgrind
# The C++ tests, every operation's examples and refusals under a sanitizer; CUDA's kernels, on the emulated device, too.
# ORTHOKIT_BUILD_JOBS compilers at a time, else one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/require-packages.sh

build() { # <preset> [cmake argument…]
  mkdir -p build
  cmake --preset "$1" "${@:2}" > "build/configured-$1.txt" || { cat "build/configured-$1.txt"; return 1; }
  cmake --build --preset "$1" -j "${ORTHOKIT_BUILD_JOBS:-1}" > "build/built-$1.txt" || { tail -50 "build/built-$1.txt"; return 1; }
}

# Errors of memory, and blocks that nothing points at any more.
checked() { valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite "$@"; }

case "${1:-}" in
  asan)
    build asan -DORTHOKIT_ISA_VARIANTS=OFF
    ctest --preset asan
    ;;
  asan-emulated)
    build asan-emulated
    build/asan-emulated/orthokit_bench --verify --device cuda > build/asan-emulated/verified.jsonl
    build/asan-emulated/orthokit_torture programs --device cuda --count 5
    ;;
  tsan)
    build tsan -DORTHOKIT_ISA_VARIANTS=OFF
    ctest --preset tsan
    ;;
  valgrind)
    require_packages valgrind=valgrind
    # It knows no AVX-512.
    export ORTHOKIT_CPU=avx2
    # It replaces operator new, whose failures two tests plant.
    checked build/cpu/orthokit_native_tests --test-case-exclude='*whichever request*'
    checked build/cpu/orthokit_bench --verify > build/cpu/verified-valgrind.jsonl
    ;;
  *)
    echo "usage: bash scripts/sanitize.sh asan|asan-emulated|tsan|valgrind" >&2
    exit 2
    ;;
esac
