#!/usr/bin/env bash
# bash scripts/run.sh demo|test|soak|cuda|ptx|build
# bash scripts/run.sh torture [goal…]
# bash scripts/run.sh replay <goal> --seed <n> [--path <path>]
# Installs what is missing, builds what is out of date, then trains the demo or runs tests: the short ones (test); fuzzing
# and others that need many runs (soak); the CUDA backend on its emulator (cuda); what nvcc made of its
# kernels, interpreted (ptx); those of some reliability goals (docs/design/reliability.md) at their deep sizes; one case of
# a goal again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/require-packages.sh

tools() {
  require_packages nodejs=node npm=npm g++=g++ cmake=cmake ninja-build=ninja \
    libopenblas-serial-dev='/usr/lib/*/openblas-serial/libopenblas.a' "$@"
  if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
    echo "orthokit needs Node.js 20.19 or later, and this is $(node --version): install a newer one from https://nodejs.org first." >&2
    exit 1
  fi
}

# Shows what a command printed only if it fails.
quietly() {
  local log
  log=$(mktemp)
  if ! "$@" > "$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# at_once <command> <word>…: the command with each of the words, as many at a time as there are cores; fails if one does
at_once() {
  local command=$1 word pid failed=0 pids=()
  shift
  for word; do
    while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || true; done
    "$command" "$word" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  return "$failed"
}

packages() {
  if [[ ! -f node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
    echo "Installing npm packages" >&2
    quietly npm ci --ignore-scripts --no-audit --no-fund
    touch node_modules/.package-lock.json
  fi
}

addon() {
  [[ -f build/Release/orthokit.node ]] || echo "Building the addon" >&2
  node scripts/gyp-build.cjs Release --quiet
  node scripts/generate-native-types.mjs build/Release/orthokit.node build/native-ops.ts
  cmp -s build/native-ops.ts lib/native-ops.ts || cp build/native-ops.ts lib/native-ops.ts
}

# dist/.built is newer than everything that tsc reads; a folder counts too, as it changes when a file goes.
typescript() {
  if [[ ! -f dist/.built || -n $(find lib tsconfig.json package.json package-lock.json -newer dist/.built -print -quit) ]]; then
    touch build/started
    rm -rf dist
    node node_modules/typescript/bin/tsc -p .
    touch -r build/started dist/.built
  fi
}

# preset <name>: configures when needed, builds, prints only what goes wrong
preset() {
  if [[ ! -f build/$1/build.ninja ]]; then
    echo "Building for C++ (preset $1)" >&2
    quietly cmake --preset "$1"
  fi
  quietly cmake --build --preset "$1"
}

build() {
  packages
  addon
  typescript
}

# The instruction sets that were built and run here, weakest first; the strongest is what runs by default.
instruction_sets() {
  local set
  for set in portable avx2 avx512; do
    ORTHOKIT_CPU=$set node scripts/cli.mjs info --require cpu > /dev/null 2>&1 && echo "$set"
  done
  return 0
}

vitest() { node node_modules/vitest/vitest.mjs run --dir test "$@"; }
# On every core, for tests that no busy neighbour disturbs; others get all cores but one.
vitest_on_all_cores() { vitest --maxWorkers=100% "$@"; }

run_tests() {
  ctest --preset cpu
  vitest_on_all_cores test/ops test/optimizers test/transport test/sparse
  vitest --exclude '{fuzz,soak,ops,optimizers,transport,sparse}/**'
  local sets set
  readarray -t sets <<< "$(instruction_sets)"
  for set in "${sets[@]::${#sets[@]}-1}"; do
    echo "Operations and optimizers with ORTHOKIT_CPU=$set"
    ORTHOKIT_CPU=$set build/cpu/orthokit_bench --verify > /dev/null
    ORTHOKIT_CPU=$set vitest_on_all_cores test/ops test/optimizers
  done
}

# verify_cuda <preset> <order of threads> <order of streams> <cuBLAS>: every operation against the CPU, a line each
verify_cuda() {
  ORTHOKIT_EMULATOR_ORDER=$2 ORTHOKIT_EMULATOR_STREAMS=$3 ORTHOKIT_CUBLAS=$4 \
    "build/$1/orthokit_bench" --verify --device cuda
}

# Every operation in all orders of threads and streams, each with the bits of the first.
verify_orders() { # <cuBLAS>
  local order streams others=() first=build/emulated/verified.jsonl
  verify_cuda emulated forward eager "$1" > "$first"
  for order in forward reverse random; do
    for streams in eager deferred random; do
      [[ $order == forward && $streams == eager ]] || others+=("$order $streams $1")
    done
  done
  at_once verify_order "${others[@]}"
}

verify_order() { # "<order of threads> <order of streams> <cuBLAS>"
  local order streams cublas
  read -r order streams cublas <<< "$1"
  if ! verify_cuda emulated "$order" "$streams" "$cublas" | diff build/emulated/verified.jsonl -; then
    echo "Threads $order, streams $streams: not what forward and eager give" >&2
    return 1
  fi
}

verify_checked() { # <cuBLAS>
  echo "Operations with every access checked, ORTHOKIT_CUBLAS=${1##*/}"
  verify_cuda checked random deferred "$1" > "build/checked/verified-${1##*/}.jsonl"
}

# Where a matrix product may come from cuBLAS. What all optimizers have in common is left out: Muon's tests have its products.
files_with_products() {
  grep -rlE 'gemm|symmetricProduct|newtonSchulz|[mM]uon' test/ops test/optimizers --include='*.test.ts' |
    grep -vE 'optimizers/(contract|checkpoint)'
}

cuda_tests() {
  export ORTHOKIT_EMULATOR_SEED=${ORTHOKIT_EMULATOR_SEED:-$RANDOM}
  local cublas=$PWD/build/emulated/libcublas_emu.so blas
  echo "CUDA's emulator, ORTHOKIT_EMULATOR_SEED=$ORTHOKIT_EMULATOR_SEED"
  ctest --preset emulated -R emulator
  for blas in none "$cublas"; do
    echo "Operations in every order, ORTHOKIT_CUBLAS=${blas##*/}"
    verify_orders "$blas"
  done
  at_once verify_checked none "$cublas"
  # What has no device in its title runs with the other tests.
  export ORTHOKIT_CUDA_PLUGIN=$PWD/build/emulated/orthokit_cuda.so
  ORTHOKIT_CUBLAS=none vitest_on_all_cores -t '\bcuda\b' test/ops test/optimizers test/device test/tensor test/random \
    test/safetensors test/lifecycle test/cuda test/transport test/sparse test/transplant
  local products
  readarray -t products < <(files_with_products)
  echo "Tests with products, ORTHOKIT_CUBLAS=${cublas##*/}"
  ORTHOKIT_CUBLAS=$cublas vitest_on_all_cores -t '\bcuda\b' "${products[@]#test/}"
}

# interpret <architecture>: the emulator's own tests and every kernel, as nvcc compiled them, each access checked
interpret() {
  local tests=build/ptx/tests-sm_$1.txt kernels=build/ptx/kernels-sm_$1.txt cublas=$PWD/build/emulated/libcublas_emu.so
  echo "PTX for sm_$1"
  ORTHOKIT_EMULATOR_PTX=$tests build/emulated/cudaemu_bugs > "build/ptx/bugs-sm_$1.txt" 2> /dev/null
  ORTHOKIT_EMULATOR_PTX=$tests CUBLAS=$cublas build/emulated/cudaemu_tests --minimal
  export ORTHOKIT_EMULATOR_PTX=$kernels
  verify_ptx "$1" examples none
  verify_ptx "$1" own none --cases build/ptx/own.txt
  verify_ptx "$1" double none --cases build/ptx/double.txt
  ORTHOKIT_SYMMETRIC=panels verify_ptx "$1" cublas "$cublas" --cases build/ptx/cublas.txt
  ORTHOKIT_EMULATOR_CC=75 verify_ptx "$1" turing none --cases build/ptx/turing.txt
  unset ORTHOKIT_EMULATOR_PTX
}

# verify_ptx <architecture> <cases> <cuBLAS> [--cases <file>]
verify_ptx() {
  ORTHOKIT_EMULATOR_COUNTERS=build/ptx/counters-sm_$1-$2.jsonl ORTHOKIT_CUBLAS=$3 \
    build/emulated/orthokit_bench --verify --device cuda "${@:4}" > "build/ptx/verified-sm_$1-$2.jsonl"
}

ptx_tests() {
  local cases
  for cases in own double cublas turing; do node test/cuda-emulator/ptx/cases.mjs "$cases" > "build/ptx/$cases.txt"; done
  at_once interpret 80 90
}

# known_goals <goal>…
known_goals() {
  local goal
  for goal; do
    if ! grep -rq "'$goal: " test --include='*.test.ts'; then
      echo "There is no goal $goal, only" $(goals) >&2
      exit 2
    fi
  done
}

usage() {
  echo "usage: bash scripts/run.sh demo|test|soak|cuda|ptx|build
       bash scripts/run.sh torture [goal…]
       bash scripts/run.sh replay <goal> --seed <n> [--path <path>]" >&2
  exit 2
}

goals() { grep -rhoE "'R[0-9]+: " test --include='*.test.ts' | grep -oE 'R[0-9]+' | sort -Vu; }

# run_goal <goal>: the tests whose titles begin with it
run_goal() {
  local files
  files=$(grep -rl "'$1: " test --include='*.test.ts')
  readarray -t files <<< "$files"
  echo "=== $1"
  vitest -t "\b$1: " "${files[@]#test/}"
}

test_tools() {
  tools doctest-dev=/usr/include/doctest/doctest.h
  build
  preset cpu
}

# Commands stand one by one: in a list of && a failure inside a function would go unseen.
case "${1:-} $#" in
  "build 1")
    tools
    build
    preset cpu
    ;;
  "demo 1")
    tools
    build
    exec node examples/digits/train.mjs
    ;;
  "test 1")
    test_tools
    run_tests
    ;;
  "soak 1")
    test_tools
    vitest test/fuzz test/soak
    ;;
  "cuda 1")
    test_tools
    preset emulated
    preset checked
    cuda_tests
    ;;
  "ptx 1")
    tools doctest-dev=/usr/include/doctest/doctest.h
    preset emulated
    preset ptx
    ptx_tests
    ;;
  "torture "*)
    shift
    (($# > 0)) || set -- $(goals)
    known_goals "$@"
    test_tools
    export ORTHOKIT_DEEP=1
    failed=()
    for goal; do run_goal "$goal" || failed+=("$goal"); done
    if ((${#failed[@]} > 0)); then
      echo "Failed: ${failed[*]}" >&2
      exit 1
    fi
    ;;
  "replay 4" | "replay 6")
    [[ $3 == --seed && $4 =~ ^-?[0-9]+$ && ${5:---path} == --path ]] || usage
    known_goals "$2"
    if ! grep -rqF "goal('$2'" test --include='*.test.ts'; then
      echo "$2 has no seeds: bash scripts/run.sh torture $2" >&2
      exit 2
    fi
    test_tools
    export ORTHOKIT_SEED=$4 ORTHOKIT_PATH=${6:-}
    run_goal "$2"
    ;;
  *) usage ;;
esac
