# SPDX-License-Identifier: Apache-2.0
# Help, version, and what happens to wrong input: one line on stderr, nothing on stdout, exit code 2.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

run --help
expect "--help ends" 0 "$code"
expect_match "--help lists the commands" 'watch.*report.*doctor' "${out//$'\n'/ }"
expect "--help writes to stdout only" "" "$err"
run
expect "no command ends" 0 "$code"
expect_match "no command gives the help" 'tcpadvisor watches' "$out"
for command in watch report doctor serve metrics; do
  run $command --help
  expect "$command --help ends" 0 "$code"
done
run --version
expect_match "--version" '^tcpadvisor [0-9]+\.[0-9]+\.[0-9]+$' "$out"

# wrong MESSAGE ARGS...
wrong() {
  local message=$1
  shift
  run "$@"
  expect "exit code of: $*" 2 "$code"
  expect "message of: $*" "tcpadvisor: $message" "$err"
  expect "stdout of: $*" "" "$out"
}

wrong "unknown option '--nope'; tcpadvisor watch --help lists what there is" watch --nope
wrong "unknown command 'wach': write watch, report, record, snapshot, doctor, explain, whatif, knobs, serve, metrics, apply, verify, rollback or port" wach
wrong "--for: '2' is not a duration: write a number and ms, s, m or h, for example 500ms or 8s" report --for 2
wrong "--interval: '0s' is out of range: more than 0, at most 365 days" watch --interval 0s
wrong "--hooks: 'perf' is not known: write one of auto, fentry, kprobe, tp_btf, none" doctor --hooks perf
wrong "--policy: cannot read $work/none.toml: No such file or directory" report --policy "$work/none.toml"
wrong "cannot read $work/none.toml: No such file or directory" --config "$work/none.toml" doctor

wrong "there is no setting or load 'tcp_rmen'; did you mean 'tcp_rmem'?" whatif tcp_rmen=8M
wrong "tcp_tw_reuse=3: net.ipv4.tcp_tw_reuse takes 0 to 2" whatif tcp_tw_reuse=3
wrong "rate needs rtt beside it: what a flow needs is rate x round trip" whatif rate=2Gbit
wrong "there is no rule, setting, metric, state, option or call 'closewat'; did you mean 'closewait'?" explain closewat
run whatif
expect "whatif without a question" 2 "$code"

for words in 'whatif tcp_tw_recycle=1 connections=1000 --for 1s' 'knobs' 'explain close-wait' 'explain nodelay' 'explain tcp_rmem'; do
  run $words
  expect "exit code of: $words" 0 "$code"
  expect "stderr of: $words" "" "$err"
done
run whatif tcp_low_latency=1 --for 1s --format json
expect_match "whatif as JSON" '"summary":"no effect here, because' "$out"
run knobs --format json
expect_match "knobs as JSON" '"name":"net.core.somaxconn","value":"[0-9]+"' "$out"
if python3 -c 'import jsonschema' 2>/dev/null; then
  printf '%s\n' "$out" >"$work/knobs.json"
  expect "knobs as JSON follows its schema" "" "$(python3 -W ignore -m jsonschema -i "$work/knobs.json" "$repo/docs/knobs.schema.json" 2>&1)"
fi
run explain CLOSE_WAIT
expect_match "explain tells what is here" 'Here, now.*sockets? in this state' "${out//$'\n'/ }"

printf 'interval = "1s"\ncolour = "never"\n' >"$work/bad.toml"
wrong "$work/bad.toml, line 2, column 1: unknown key 'colour'; did you mean 'color'?" --config "$work/bad.toml" doctor
printf '[report]\n\nfor = "soon"\n' >"$work/bad.toml"
wrong "$work/bad.toml, line 3, column 7: for: 'soon' is not a duration: write a number and ms, s, m or h, for example 500ms or 8s" \
  --config "$work/bad.toml" report

run --policy strict watch
expect "exit code of an unknown policy" 2 "$code"
expect_match "an unknown policy" "policy 'strict' is not known" "$err"
run report --only no-such-rule
expect "exit code of an unknown rule" 2 "$code"
expect_match "an unknown rule is told with the known ones" 'no-such-rule.*close-wait-leak' "$err"
run doctor --netns no-such-namespace
expect "exit code of an unknown namespace" 2 "$code"
expect_match "an unknown namespace" 'no-such-namespace' "$err"
expect "an unknown namespace takes one line" 1 "$(wc -l <"$work/err")"
finish
