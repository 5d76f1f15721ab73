# SPDX-License-Identifier: Apache-2.0
# Commands of an ordinary user where variables and directories are missing, closed or odd: every command still works or
# says in one line why not. Never an internal error.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need setpriv
[[ $(id -u) == 0 ]] || skip "needs root, to become somebody else"
chmod 755 "$work"
cp "$bin" "$work/tcpadvisor"
mkdir -m 700 "$work/closed"
mkdir -p "$work/plain"
ln -s loop "$work/loop"
: >"$work/file"
chmod 777 "$work/plain"

# as_nobody VARIABLES... -- ARGS...: the binary as a user without rights, with these variables and no others
as_nobody() {
  local variables=()
  while [[ $1 != -- ]]; do
    variables+=("$1")
    shift
  done
  shift
  (cd / && timeout 60 setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" "${variables[@]}" \
    "$work/tcpadvisor" "$@") >"$work/out" 2>"$work/err" </dev/null
  code=$?
  out=$(<"$work/out") err=$(<"$work/err")
}

survives() {
  expect "exit code with: $1" 0 "$code"
  expect_match "facts with: $1" 'user-queues' "$out"
  [[ $err$out == *"internal error"* ]] && fail "internal error with: $1: $err"
  return 0
}

for runtime in "$work/closed" "$work/closed/below" "$work/loop" "$work/file" /nowhere relative/path "" /proc /sys; do
  as_nobody XDG_RUNTIME_DIR="$runtime" -- doctor
  survives "XDG_RUNTIME_DIR=$runtime"
  as_nobody TCPADVISOR_QUEUES="$runtime" -- doctor
  survives "TCPADVISOR_QUEUES=$runtime"
done
as_nobody -- doctor
survives "nothing set"
as_nobody XDG_RUNTIME_DIR="$work/closed" -- doctor
expect_match "doctor says why" "cannot make the directory $work/closed/tcpadvisor: Permission denied" \
  "$(tr -s '[:space:]' ' ' <"$work/out")"
as_nobody XDG_RUNTIME_DIR="$work/plain" HOME=/nowhere TERM=none -- doctor --json
survives "a good directory"
as_nobody XDG_RUNTIME_DIR="$work/closed" -- report --for 1s
[[ $code == 1 || $err == *"internal error"* ]] && fail "report: exit code $code, $err"
as_nobody XDG_RUNTIME_DIR="$work/closed" -- port list
expect "a command of the port driver" 0 "$code"
finish
