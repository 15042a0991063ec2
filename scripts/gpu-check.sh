#!/usr/bin/env bash
# bash scripts/gpu-check.sh [--emulated] [folder]
# This library on the GPU of this machine: builds the CUDA plug-in, compares every operation with the CPU, looks
# for races and stray accesses, times every case against its floor, cuBLAS and PyTorch, and writes JSON lines, result.json
# and summary.md to the folder (default: gpu-results). Needs Linux, an NVIDIA GPU with its driver, nvcc, CMake and a C++
# compiler. compute-sanitizer, a Python that imports torch (PYTHON names it; default python3) and Node.js are used where
# they are; what was left out is said. Ends within 8 minutes; the exit code is 0 where every check that ran has passed.
# --emulated runs the same steps on the emulated device, at small sizes: its times say nothing about a GPU.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C NO_COLOR=1

emulated=false
[[ ${1:-} != --emulated ]] || { emulated=true && shift; }
if (($# > 1)) || [[ ${1:-} == -* ]]; then
  echo "usage: bash scripts/gpu-check.sh [--emulated] [folder]" >&2
  exit 2
fi
mkdir -p "${1:-gpu-results}" || exit 2
out=$(cd "${1:-gpu-results}" && pwd)
rm -f "$out"/*.jsonl "$out"/*.log "$out"/{result.json,summary.md,device.csv}

# Seconds that eight minutes leave for the summary. On the emulated device there is no hurry, and other tests run beside.
times=1
$emulated && times=6
limit=${ORTHOKIT_GPU_CHECK_SECONDS:-$((470 * times))}
left() { echo $((limit - SECONDS)); }
quoted() { # a JSON string
  local text=${1//\\/\\\\}
  printf '"%s"' "$(tr -s '\n\t\r' ' ' <<< "${text//\"/\\\"}" | tr -d '\000-\037' | sed 's/ $//')"
}

failed=0
# note <step> <passed|failed|skipped> <seconds> [why]
note() {
  printf '{"step":%s,"status":"%s","seconds":%d%s}\n' "$(quoted "$1")" "$2" "$3" "${4:+,\"reason\":$(quoted "$4")}" \
    >> "$out/steps.jsonl"
  echo "=== $1: $2 in $3 s${4:+ ($4)}"
  [[ $2 != failed ]] || failed=$((failed + 1))
}
# step <name> <most seconds> <command…>: what it says goes to a log, whose end tells why it failed
step() {
  local name=$1 most=$(($2 * times)) start=$SECONDS log status
  shift 2
  log=$out/${name//[^a-zA-Z0-9]/-}.log
  ((most <= $(left))) || most=$(left)
  if ((most < 5)); then
    note "$name" skipped 0 "no time is left of $limit s"
    return 1
  fi
  timeout --kill-after=5 "$most" "$@" > "$log" 2>&1 < /dev/null
  status=$?
  case $status in
    0) note "$name" passed $((SECONDS - start)) ;;
    124 | 137) note "$name" failed $((SECONDS - start)) "not done after $most s" ;;
    *) note "$name" failed $((SECONDS - start)) "$(tail -n 3 "$log")" ;;
  esac
  return $status
}
# The same for what may take longer than there is time: that is said, and no failure.
step_as_far() {
  local before=$failed
  step "$@" && return
  if tail -n 1 "$out/steps.jsonl" | grep -q '"reason":"not done after'; then
    failed=$before
    sed -i '$ s/"status":"failed"/"status":"unfinished"/' "$out/steps.jsonl"
  fi
}

build=build/gpu-check
$emulated && build=build/emulated
bench=$build/orthokit_bench

configure_and_build() {
  local generator=()
  command -v ninja > /dev/null || generator=(-G 'Unix Makefiles')
  if $emulated; then
    [[ -f $build/CMakeCache.txt ]] || cmake --preset emulated "${generator[@]}" || return
  else
    cmake --preset cuda "${generator[@]}" -B "$build" -DORTHOKIT_CUDA=AUTO -DORTHOKIT_TESTS=OFF \
      -DORTHOKIT_ISA_VARIANTS=OFF || return
  fi
  cmake --build "$build" --parallel "$(nproc)" --target orthokit_bench orthokit_cuda orthokit_reference $($emulated && echo cublas_emu) || return
  [[ -f $build/orthokit_cuda.so ]] || { echo 'CMake found no GPU with an nvcc that knows it' && return 1; }
}

# to_file <file> <command…>
to_file() {
  local file=$out/$1
  shift
  "$@" >> "$file"
}

# Both runs must give the same bits.
verify() {
  "$bench" --verify --device cuda "${cases[@]}" > "$out/verify.jsonl" || {
    grep '"passed":false' "$out/verify.jsonl"
    return 1
  }
  "$bench" --verify --device cuda "${cases[@]}" --against "$out/verify.jsonl" | diff "$out/verify.jsonl" - || { echo 'two runs differ' && return 1; }
}
verify_own() {
  ORTHOKIT_CUBLAS=none "$bench" --verify --device cuda "${cases[@]}" > "$out/verify-own-products.jsonl" || {
    grep '"passed":false' "$out/verify-own-products.jsonl"
    return 1
  }
}

rounds=() cases=()
$emulated && rounds=(--rounds 1)
time_all() {
  local op words
  if ! $emulated; then
    to_file time.jsonl "$bench" --all --device cuda
    return
  fi
  while read -r op words; do
    to_file time.jsonl "$bench" "$op" --device cuda "${rounds[@]}" $words || return
  done < "$out/cases.txt"
}
time_products() {
  local op words
  if $emulated; then # own products take long there: one case
    words=$(sed -n '/"op":"gemm"/ { s/.*"case":"\([^"]*\)".*/\1/p; q; }' "$out/time.jsonl")
    [[ -n $words ]] || { echo 'gemm was not timed' && return 1; }
    ORTHOKIT_CUBLAS=none "$bench" gemm --device cuda "${rounds[@]}" $words > "$out/time-own-products.jsonl"
    return
  fi
  for op in gemm symmetric_product newton_schulz muon hybrid_auon; do
    ORTHOKIT_CUBLAS=none "$bench" "$op" --device cuda >> "$out/time-own-products.jsonl" || return
  done
}
# A case that this version refuses is a line with the reason.
time_targets() {
  local name op words reason status
  while IFS=$'\t' read -r name op words _; do
    [[ -n $name && $name != \#* ]] || continue
    $emulated && words=$(small_words "$words")
    reason=$("$bench" "$op" --device cuda "${rounds[@]}" $words 2>&1 >> "$out/target-lines")
    status=$?
    if ((status == 0)); then
      sed -i "\$ s/^{/{\"target\":$(quoted "$name"),/" "$out/target-lines"
      tail -n 1 "$out/target-lines" >> "$out/targets.jsonl"
    elif ((status != 2)); then
      echo "$reason"
      return 1
    else
      printf '{"target":%s,"reason":%s}\n' "$(quoted "$name")" "$(quoted "$reason")" >> "$out/targets.jsonl"
    fi
  done < scripts/gpu-check/targets.tsv
  rm -f "$out/target-lines"
}
# A hundredth of each side, so that the emulator sees the same words.
small_words() {
  awk '{
    out = ""
    while (match($0, /[0-9]+x[0-9x]+/)) {
      n = split(substr($0, RSTART, RLENGTH), side, "x")
      text = ""
      for (i = 1; i <= n; ++i) text = text (i > 1 ? "x" : "") int((side[i] + 99) / 100)
      out = out substr($0, 1, RSTART - 1) text
      $0 = substr($0, RSTART + RLENGTH)
    }
    print out $0
  }' <<< "$1"
}

suite() {
  [[ -d node_modules ]] || npm ci --ignore-scripts --no-audit --no-fund || return
  # Beside the emulated device other tests run, whose addon must stay as it is.
  $emulated && [[ -f build/Release/orthokit.node ]] ||
    ORTHOKIT_CMAKE_ARGS='--CDORTHOKIT_ISA_VARIANTS=OFF --CDORTHOKIT_CUDA=OFF' node scripts/gyp-build.cjs Release --quiet || return
  [[ -d dist ]] || node scripts/typescript.mjs || return
  local device=gpu files=()
  # One of each family there, where they take long.
  $emulated && device=cuda files=(test/ops/optimizers/adamw test/core/tensor test/transport/golden test/sparse/golden
    test/transplant/methods test/cuda/tables)
  ORTHOKIT_TEST_DEVICE=$device ORTHOKIT_CUDA_PLUGIN=$PWD/$build/orthokit_cuda.so \
    ORTHOKIT_REFERENCE_PLUGIN=$PWD/$build/orthokit_reference.so \
    node node_modules/vitest/vitest.mjs run --dir test "${files[@]}"
}

# After the suite, which builds what it needs. With cuBLAS, where it is, and with own products.
step_graphs() {
  local blas sizes=()
  $emulated && sizes=(6 8)
  for blas in "${ORTHOKIT_CUBLAS:-}" none; do
    ORTHOKIT_CUBLAS=$blas ORTHOKIT_CUDA_PLUGIN=$PWD/$build/orthokit_cuda.so \
      node scripts/gpu-check/step-graphs.mjs "${sizes[@]}" | tee -a "$out/step-graphs.jsonl" || return
  done
}

commit=$(git -c safe.directory="$PWD" describe --always --dirty --abbrev=12 --exclude='*' 2> /dev/null || echo unknown)
export -f configure_and_build to_file verify verify_own time_all time_products time_targets small_words suite step_graphs quoted
in_shell=(bash -uo pipefail -c)
pass() { declare -p "$@"; } # the variables of this shell, for one of its own
run() { # <function> [argument…]
  printf '%s\n' "$(pass emulated build bench rounds cases out); $*"
}

if ! $emulated; then
  nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,memory.total,power.limit --format=csv > "$out/device.csv" ||
    { note device failed 0 'nvidia-smi finds no GPU' && exit 1; }
fi
cublas=auto
if $emulated; then
  export ORTHOKIT_CUBLAS=$PWD/$build/libcublas_emu.so
  cublas=emulated
fi
unset ORTHOKIT_CUDA_PLUGIN

if step build 300 "${in_shell[@]}" "$(run configure_and_build)"; then
  if $emulated; then # one of each operation: what runs all of them there needs no script
    node scripts/cases.mjs "$bench" | awk '!seen[$1]++' > "$out/cases.txt"
    cases=(--cases "$out/cases.txt")
  fi
  step 'verify' 60 "${in_shell[@]}" "$(run verify)"
  step 'verify, own products' 60 "${in_shell[@]}" "$(run verify_own)"
  step_as_far 'time' 120 "${in_shell[@]}" "$(run time_all)"
  step_as_far 'time, own products' 30 "${in_shell[@]}" "$(run time_products)"
  step_as_far 'time, targets' 90 "${in_shell[@]}" "$(run time_targets)"

  python=${PYTHON:-python3}
  if why=$("$python" -c 'import torch' 2>&1); then
    step_as_far torch 60 "${in_shell[@]}" \
      "$(run to_file torch.jsonl "$python" scripts/gpu-check/torch_baseline.py "$out/time.jsonl" "$out/targets.jsonl")"
  elif command -v "$python" > /dev/null; then
    # Its cases are read nevertheless: a case that nobody can read would be found too late.
    step 'torch, cases only' 20 "$python" scripts/gpu-check/torch_baseline.py --plan "$out/time.jsonl" "$out/targets.jsonl"
    note torch skipped 0 "$python cannot import torch: $(tail -n 1 <<< "$why")"
  else
    note torch skipped 0 "there is no $python"
  fi

  sanitizer=${COMPUTE_SANITIZER:-compute-sanitizer}
  if command -v "$sanitizer" > /dev/null; then
    for tool in memcheck racecheck; do
      step_as_far "compute-sanitizer $tool" 60 "$sanitizer" --tool "$tool" --error-exitcode 1 "$bench" --verify --device cuda \
        "${cases[@]}"
    done
  else
    note compute-sanitizer skipped 0 "there is no $sanitizer"
  fi

  if command -v node > /dev/null && command -v npm > /dev/null; then
    step_as_far 'vitest on the device' 380 "${in_shell[@]}" "$(run suite)"
    step_as_far 'steps as graphs' 60 "${in_shell[@]}" "$(run step_graphs)"
  else
    note 'vitest on the device' skipped 0 'there is no Node.js'
  fi
fi

touch "$out"/{time,time-own-products,targets,torch,verify,steps}.jsonl
awk -v commit="$commit" -v emulated="$emulated" -v cublas="$cublas" -v seconds="$SECONDS" -v date="$(date -u +%F)" \
  -v json="$out/result.json" -v device="$(tail -n +2 "$out/device.csv" 2> /dev/null | head -n 1)" \
  -f scripts/gpu-check/summary.awk scripts/gpu-check/targets.tsv "$out"/{steps,verify,targets,torch,time-own-products,time}.jsonl \
  > "$out/summary.md" || failed=$((failed + 1))
cat "$out/summary.md"
((failed == 0))
