#!/usr/bin/env bash
# bash scripts/sanitize.sh asan|asan-emulated|tsan|valgrind
# The C++ tests, every operation's examples and refusals under a sanitizer; CUDA's kernels, on the emulated device, too;
# under valgrind the addon in Node.js as well.
# ORTHOKIT_BUILD_JOBS compilers at a time, else one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/require-packages.sh

build() { # <preset> [cmake argument…]
  mkdir -p build
  bash scripts/jobs/steps.sh build "$@" > "build/built-$1.txt" || { tail -50 "build/built-$1.txt"; return 1; }
}

# Errors of memory, and blocks that nothing points at any more.
memcheck=(valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite)

# The addon in Node.js, which has findings of its own: those count that name the addon, but for promises that a process
# leaves unsettled as it ends, which Node-API has no way to free. Code that is compiled as it runs would take many times as
# long.
checked_node() { # <exit code> <program> [argument…]
  local log=build/valgrind-node.txt code=0
  rm -f "$log"
  "${memcheck[@]}" --fair-sched=yes --smc-check=all-non-file --num-callers=30 --log-file="$log" \
    node --expose-gc --jitless --single-threaded "test/lifecycle/children/$2" "${@:3}" > build/valgrind-node-output.txt || code=$?
  if ((code != $1)); then
    echo "$2 under valgrind: exit code $code, not $1" >&2
    return 1
  fi
  sed -E 's/^==[0-9]+== ?//' "$log" | awk -v RS='' '/orthokit\.node/ && !/napi_create_promise/ { print; found = 1 } END { exit found }' >&2
}

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
    bash scripts/run.sh build
    # It knows no AVX-512.
    export ORTHOKIT_CPU=avx2
    # It replaces operator new, whose failures two tests plant.
    "${memcheck[@]}" --error-exitcode=9 build/cpu/orthokit_native_tests --test-case-exclude='*whichever request*'
    # Batches of many matrices would take half of the time.
    node scripts/cases.mjs build/cpu/orthokit_bench --matrices 5 > build/cpu/valgrind-cases.txt
    # Valgrind computes long doubles as doubles, so that the references are less exact under it: results are judged first
    # without it, and under it again only where their bits are others (solves by Eigen: its blocks depend on the caches that
    # the processor reports).
    build/cpu/orthokit_bench --verify --cases build/cpu/valgrind-cases.txt > build/cpu/verified-avx2.jsonl
    "${memcheck[@]}" --error-exitcode=9 build/cpu/orthokit_bench --verify --cases build/cpu/valgrind-cases.txt \
      --against build/cpu/verified-avx2.jsonl > build/cpu/verified-valgrind.jsonl
    checked_node 0 idle.mjs
    checked_node 0 after-close.mjs
    checked_node 0 cycles.mjs 4 leave
    # Of another name than cpu, programs take little work.
    ORTHOKIT_TEST_KIND=auto checked_node 7 exit.mjs exit 1
    ;;
  *)
    echo "usage: bash scripts/sanitize.sh asan|asan-emulated|tsan|valgrind" >&2
    exit 2
    ;;
esac
