#!/usr/bin/env bash
# bash scripts/run.sh demo|test|soak|cuda|ptx|build
# bash scripts/run.sh deep [--all | --list] [part…]
# bash scripts/run.sh replay <goal> --seed <n> [--path <path>]
# Installs what is missing, builds what is out of date, then trains the demo or runs tests: those of the CPU (test); fuzzing
# and others that need many runs (soak); the CUDA backend on its emulator (cuda); what nvcc made of its
# kernels, interpreted (ptx); everything at its deep size, part by part (deep, docs/design/reliability.md); one case of
# a goal again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/require-packages.sh

tools() {
  require_packages nodejs=node npm=npm g++=g++ cmake=cmake ninja-build=ninja \
    libeigen3-dev=/usr/include/eigen3/Eigen/Core "$@"
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
}

# dist/.built is newer than everything that it is made of; a folder counts too, as it changes when a file goes.
typescript() {
  if [[ ! -f dist/.built || -n $(find lib tsconfig.json package.json package-lock.json scripts/typescript.mjs -newer dist/.built -print -quit) ]]; then
    touch build/started
    node scripts/typescript.mjs
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

# All that a program needs; the types of operations are those of the repository.
build() {
  packages
  addon
  typescript
}

# The same with the harness, from which the types of operations are written again.
test_tools() {
  tools doctest-dev=/usr/include/doctest/doctest.h python3-minimal=python3 \
    libopenblas-serial-dev='/usr/lib/*/openblas-serial/libopenblas.a'
  packages
  addon
  preset cpu
  node scripts/generate-native-types.mjs
  typescript
}

# The tests that have this tag, of the files that name it, at the size that the environment says.
run_goal() { # <goal>
  local files
  readarray -t files < <(grep -rlE "(goal\(|\btags: \[|, \[)'$1'" test --include='*.test.ts')
  if ((${#files[@]} == 0)); then
    echo "There is no goal $1, only $(goals)" >&2
    exit 2
  fi
  node node_modules/vitest/vitest.mjs run --dir test --tags-filter "$1" "${files[@]#test/}"
}

goals() { grep -rhoE "(goal\(|\btags: \[|, \[)'R[0-9]+'" test --include='*.test.ts' | grep -oE 'R[0-9]+' | sort -Vu | xargs; }

usage() {
  echo "usage: bash scripts/run.sh demo|test|soak|cuda|ptx|build
       bash scripts/run.sh deep [--all | --list] [part…]
       bash scripts/run.sh replay <goal> --seed <n> [--path <path>]" >&2
  exit 2
}

# Commands stand one by one: in a list of && a failure inside a function would go unseen.
case "${1:-} $#" in
  "build 1")
    test_tools
    ;;
  "demo 1")
    tools
    build
    exec node examples/digits/train.mjs
    ;;
  "test 1")
    test_tools
    exec node scripts/jobs.mjs test
    ;;
  "soak 1")
    test_tools
    exec node scripts/jobs.mjs soak
    ;;
  "cuda 1")
    test_tools
    exec node scripts/jobs.mjs cuda
    ;;
  "ptx 1")
    test_tools
    exec node scripts/jobs.mjs ptx
    ;;
  "deep "*)
    # Words about parts need nothing built.
    [[ " $* " != *" --help "* ]] || usage
    [[ " $* " != *" --list "* ]] || exec node scripts/deep.mjs --list
    test_tools
    exec node scripts/deep.mjs "${@:2}"
    ;;
  "goal 2")
    run_goal "$2"
    ;;
  "replay 4" | "replay 6")
    [[ $3 == --seed && $4 =~ ^-?[0-9]+$ && ${5:---path} == --path ]] || usage
    if ! grep -rqF "goal('$2'" test --include='*.test.ts'; then
      echo "$2 has no seeds: bash scripts/run.sh deep $2" >&2
      exit 2
    fi
    test_tools
    export ORTHOKIT_SEED=$4 ORTHOKIT_PATH=${6:-}
    run_goal "$2"
    ;;
  *) usage ;;
esac
