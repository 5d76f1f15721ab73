# SPDX-License-Identifier: Apache-2.0
# What the scripts share. Source it first. Each check prints one line when it fails; the script fails at its end.
set -u
bin=${TCPADVISOR_BIN:?set TCPADVISOR_BIN to the tcpadvisor binary}
repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0 checks=0

fail() {
  failures=$((failures + 1))
  echo "FAILED: $*"
}

# expect WHAT WANTED GOT
expect() {
  checks=$((checks + 1))
  [[ $2 == "$3" ]] || fail "$1: wanted '$2', got '$3'"
}

# expect_match WHAT REGEX GOT
expect_match() {
  checks=$((checks + 1))
  [[ $3 =~ $2 ]] || fail "$1: wanted something like '$2', got '$3'"
}

# run ARGS...: the binary, with its output in $out, its messages in $err, its exit code in $code
run() {
  timeout 60 "$bin" "$@" >"$work/out" 2>"$work/err" </dev/null
  code=$?
  out=$(<"$work/out") err=$(<"$work/err")
}

skip() {
  echo "SKIPPED: $*"
  exit 77
}

need() {
  command -v "$1" >/dev/null || skip "$1 is not installed"
}

# browser_tools: what drives a browser (tests/e2e/browser), with what it needs of npm, in $tools: beside the binary, fetched once.
browser_tools() {
  local tool there wanted
  for tool in chromium node npm; do need $tool; done
  tools=$(dirname "$bin")/browser
  mkdir -p "$tools"
  cp "$repo"/tests/e2e/browser/* "$tools"
  there=$(node -p "try{require('$tools/node_modules/axe-core/package.json').version}catch{''}")
  wanted=$(node -p "require('$tools/package.json').dependencies['axe-core']")
  [[ $there == "$wanted" ]] ||
    timeout 120 npm install --prefix "$tools" --no-audit --no-fund --ignore-scripts --no-package-lock >"$work/npm" 2>&1 ||
    skip "npm cannot fetch what drives the browser: $(tail -1 "$work/npm")"
}

finish() {
  echo "$checks checks, $failures failures"
  ((failures == 0)) || exit 1
  exit 0
}
