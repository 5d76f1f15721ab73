# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034  # what is not used here is used in ./dev
# The levels of tests: how each of them is run and its cases are counted. Sourced by ./dev, with its names.

total_passed=0 total_failed=0 total_skipped=0
reasons=() unsteady=()
behind=''  # the process that runs the steps beside the levels
results=$build_dir/results

# tally TITLE LOG SECONDS STATUS [AGAIN…]: counts the log's test cases, prints failures and one line for the whole. With
# AGAIN, the cases that failed get a second look: the command AGAIN… NAMES LOG runs them alone. Whoever passes then counts as
# passed, and is named at the end as unsteady: on a shared machine that is no reason to throw a change away, but a defect.
tally() {
  local title=$1 log=$2 seconds=$3 status=$4 start=$SECONDS summary passed failed skipped line again=0 skips=0 names=() first=()
  shift 4
  summary=$(awk -f tests/tally.awk "$log")
  read -r _ passed failed skipped <<<"${summary##*$'\n'}"
  if ((status != 0 && failed == 0)); then
    tail -n 40 "$log" >&2
    say "$title: ended with exit code $status"
    failed=1
  elif ((passed + failed + skipped == 0)); then
    say "$title: ran no test"
    failed=1
  fi
  while IFS= read -r line; do
    case $line in
      'skip: '*) reasons+=("$title: ${line#skip: }") ;;
      'failed: '*) names+=("${line#failed: }") ;;
      'count: '*) ;;
      *) echo "$line" >&2 ;;
    esac
  done <<<"$summary"
  if (($# && failed > 0 && failed == ${#names[@]})); then
    say "$title: a second look at ${names[*]}"
    first=("${names[@]}") names=()
    "$@" "$(IFS=:; echo "${first[*]}")" "$log.again" || true
    while IFS= read -r line; do
      case $line in
        'skip: '*) reasons+=("$title: ${line#skip: }") ;;
        'failed: '*) names+=("${line#failed: }") ;;
        'count: '*) read -r _ again _ skips <<<"$line" ;;  # how many passed, and were skipped
        *) echo "$line" >&2 ;;
      esac
    done < <(awk -f tests/tally.awk "$log.again")
    if ((again + skips + ${#names[@]} == failed)); then  # each of them has run again to its end
      passed=$((passed + again)) skipped=$((skipped + skips)) failed=${#names[@]}
      for line in "${first[@]}"; do
        [[ " ${names[*]} " == *" $line "* ]] || unsteady+=("$title: $line")
      done
    fi
    seconds=$((seconds + SECONDS - start))
  fi
  say "$title: $passed passed, $failed failed, $skipped skipped ($seconds s)"
  total_passed=$((total_passed + passed))
  total_failed=$((total_failed + failed))
  total_skipped=$((total_skipped + skipped))
}

# signal_tree SIGNAL PID: the process and what it has started.
signal_tree() {
  local child
  kill "-$1" "$2" 2>/dev/null || return 0
  for child in $(ps -o pid= --ppid "$2"); do signal_tree "$1" "$child"; done
}

# let_behind SIGNAL: STOP or CONT for all that runs beside the levels, if it still does.
let_behind() {
  [[ ! $behind || $(ps -o ppid= -p "$behind") -ne $$ ]] || signal_tree "$1" "$behind"
}

# host_again LEVEL NAMES LOG: these cases of a level (a:b:c) once more, one after the other, and alone: what is done behind
# them waits meanwhile.
host_again() {
  local program
  let_behind STOP
  {
    for program in "$build_dir/tests/$1"/*_test; do
      [[ ! -x $program ]] || GTEST_FILTER=$2 timeout 600 "$program" || true
    done
    ctest --test-dir "$build_dir" -L "^$1\$" -R "^(${2//:/|})\$" --timeout 900 -V
  } >"$3" 2>&1 </dev/null
  let_behind CONT
}

# guest_again SERIES HOOKS LEVELS SHARE NAMES LOG: the same on another kernel.
guest_again() {
  guest_level "$1" "$2" "$3" "$4" "$5"
  mv "$results/guest-$1-$2-again.log" "$6"
}

# skip_level TITLE REASON [may]: a level that did not run. With TCPADVISOR_CI=1 that is a failure, unless it may be missing.
skip_level() {
  reasons+=("$1: $2")
  if [[ ${TCPADVISOR_CI-} == 1 && ${3-} != may ]]; then
    say "$1: not run: $2; that is a failure here, because TCPADVISOR_CI=1"
    total_failed=$((total_failed + 1))
  else
    say "$1: skipped: $2"
    total_skipped=$((total_skipped + 1))
  fi
}

# programs LABELS JOBS [ENV…]: runs the ctest programs with one of these labels ("unit|golden"), with all that they print.
programs() {
  local labels="^($1)\$" jobs=$2
  shift 2
  env "$@" ctest --test-dir "$build_dir" -L "$labels" -j "$jobs" --timeout 900 -V </dev/null 2>&1
}

# host_level TITLE LABELS JOBS [ENV…]: runs and counts them.
host_level() {
  local title=$1 labels=$2 log=$results/${1// /-}.log status=0 start=$SECONDS again=()
  shift
  [[ ! $title =~ ^(kernel|scenario|port|e2e)$ ]] || again=(host_again "$title")
  if [[ $(ctest --test-dir "$build_dir" -N -L "^($labels)\$" | sed -n 's/^Total Tests: //p') == 0 ]]; then
    skip_level "$title" "the build has no tests of this level"
    return 0
  fi
  programs "$@" | tee "$log" | { grep --line-buffered -E '^ *[0-9]+/[0-9]+ Test +#' >&2 || true; } || status=$?
  tally "$title" "$log" $((SECONDS - start)) "$status" "${again[@]}"
}

# step NAME COMMAND…: runs it, perhaps beside others; leaves NAME.log and NAME.status (exit code and seconds) for who counts afterwards.
step() {
  local name=$1 status=0 start=$SECONDS
  shift
  ("$@") >"$results/$name.log" 2>&1 </dev/null || status=$?
  echo "$status $((SECONDS - start))" >"$results/$name.status"
}

# guest_level SERIES HOOKS LEVELS SHARE [NAMES]: the programs of these levels ("kernel,scenario") on another kernel, with one kind of hook
# (auto: the best that works). SHARE: the part of the scenarios that two kernels divide between them (1 or 2; empty: all).
# Runs in the background; writes NAME.log, NAME.err, and NAME.status (exit code and seconds) or NAME.skip (the reason) for
# the tally afterwards. With NAMES (a:b:c) only those cases, and "-again" in the files' names.
guest_level() {
  local options kernel program level status=0 start=$SECONDS base="$results/guest-$1-$2${5:+-again}"
  local command='failed=0; cd /tmp'
  : >"$base.log"
  echo "1 0" >"$base.status"  # unless it says otherwise below
  kernel=$(tests/vm/fetch-kernel.sh "$1" 2>"$base.err") || status=$?
  if ((status == 3)); then  # the registry does not serve it
    tail -n1 "$base.err" >"$base.skip"
    return 0
  fi
  if ((status == 0)); then
    for level in ${3//,/ }; do
      for program in "$PWD/$build_dir/tests/$level"/*_test; do
        [[ -x $program ]] || continue
        # What is not about a fault runs on the first of two kernels that divide the faults.
        [[ $level:$4:${5-} == scenario:2: ]] && command+="; GTEST_FILTER='*GroundTruth*' $program || failed=1" && continue
        command+="; $program || failed=1"
      done
    done
    options=(--kernel "$kernel" --timeout 1500 --with "$binary" --with "$demo_binary"
             --env TCPADVISOR_BIN="$binary" --env TCPFAULT_BIN="$demo_binary")
    [[ $2 == auto ]] || options+=(--env TCPADVISOR_TEST_HOOKS="$2")
    [[ ! $4 ]] || options+=(--env TCPADVISOR_TEST_SHARE="$4")
    [[ ! ${5-} ]] || options+=(--env GTEST_FILTER="$5")
    tests/vm/guest.sh "${options[@]}" -- "$command; exit \$failed" >"$base.log" 2>"$base.err" </dev/null || status=$?
  fi
  echo "$status $((SECONDS - start))" >"$base.status"
}

# run_guests SERIES:HOOKS:LEVELS[:SHARE]…: all of them, as many at a time as there are processors.
run_guests() {
  local one series hooks levels share ended running=()
  rm -f "$results"/guest-*
  for one; do
    IFS=: read -r series hooks levels share <<<"$one"
    if ((${#running[@]} >= $(nproc))); then
      wait -n -p ended "${running[@]}" || true
      mapfile -t running < <(printf '%s\n' "${running[@]}" | grep -vx "$ended")
    fi
    say "guest $series ($hooks: $levels) starts"
    guest_level "$series" "$hooks" "$levels" "$share" &
    running+=("$!")
  done
  wait "${running[@]}" || true
}

# count_guests SERIES:HOOKS:LEVELS[:SHARE]…: what they left.
count_guests() {
  local one series hooks levels share status seconds may base title
  for one; do
    IFS=: read -r series hooks levels share <<<"$one"
    base=$results/guest-$series-$hooks title="guest $series ($hooks)"
    if [[ -f $base.skip ]]; then
      may=may
      [[ $series == 6.* ]] && may=
      skip_level "$title" "$(<"$base.skip")" "$may"
    else
      read -r status seconds <"$base.status"
      tally "$title" "$base.log" "$seconds" "$status" guest_again "$series" "$hooks" "$levels" "$share"
      ((status == 0)) || cat "$base.err" >&2
    fi
  done
}

# sanitized PRESET: the tests that need nothing but a processor, under a sanitizer.
sanitized() {
  say "building for $1"
  compile "$1" unit_tests
  local build_dir=build/$1 results=build/$1/results
  mkdir -p "$results"
  host_level "unit, golden, contract ($1)" 'unit|golden|contract' "$(nproc)"
}

# asan_programs: the same for who counts afterwards. fuzz_programs SECONDS [TARGET…]: what comes from outside, made up.
asan_programs() {
  compile asan unit_tests
  local build_dir=build/asan
  programs 'unit|golden|contract' "$(nproc)"
}
fuzz_programs() { tests/fuzz/run.sh build/asan "$@"; }

# fuzz_level SECONDS [TARGET…]
fuzz_level() {
  mkdir -p "$results"
  step fuzz fuzz_programs "$@"
  count_fuzz
}

# count_fuzz: every fuzz target counts as one test.
count_fuzz() {
  local log=$results/fuzz.log status seconds passed failed
  read -r status seconds <"$results/fuzz.status"
  cat "$log" >&2
  ((status != 2)) || exit 2
  passed=$(grep -c ' executions$' "$log") || true
  failed=$(grep -c ': broken' "$log") || true  # grep -c that counts none ends with 1
  ((status == 0 || failed > 0)) || failed=1
  say "fuzz: $passed passed, $failed failed, 0 skipped ($seconds s)"
  total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed))
}

# changed_files BASE: sources that differ from the commit BASE.
changed_files() {
  { git diff --name-only "$1"; git ls-files -o --exclude-standard; } 2>/dev/null | grep -xFf <(sources) || true
}

# database DIR: the compile commands of the build for clang-tidy: each source by itself and once (some are compiled twice),
# without precompiled headers, which it would read anew for each, and with what the build has generated.
database() {
  local all=$1/all
  run_logged "$1/cmake.log" cmake -S . -B "$all" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DTCPADVISOR_PRECOMPILED=OFF \
    -DTCPADVISOR_TOGETHER=OFF
  awk -v made="$PWD/$all/bpf" -v there="$PWD/$build_dir/bpf" 'BEGIN { RS = "\n},?\n?"; print "[" }
       match($0, /"file": "[^"]*"/) && !seen[substr($0, RSTART, RLENGTH)]++ {
         sub(/^\[?\n?/, ""); gsub(made, there); printf "%s%s\n}", n++ ? ",\n" : "", $0 }
       END { print "\n]" }' "$all/compile_commands.json" >"$1/compile_commands.json"
}

# tidy SECONDS FILE…: clang-tidy on these files; none is begun once the time is over.
tidy() {
  local until=$((SECONDS + $1)) file failed=0 running=0 late=0
  mkdir -p "$build_dir/tidy"
  database "$build_dir/tidy"
  shift
  for file; do
    if ((SECONDS >= until)); then
      late=$((late + 1))
      continue
    fi
    if ((running >= $(nproc))); then
      wait -n || failed=1
      running=$((running - 1))
    fi
    clang-tidy-19 -p "$build_dir/tidy" --quiet --warnings-as-errors='*' "$file" 2>/dev/null &
    running=$((running + 1))
  done
  while ((running-- > 0)); do wait -n || failed=1; done
  ((late == 0)) || say "lint: no time left for $late of $# files"
  return "$failed"
}

# check_sources SECONDS FILE…: formatting and shell syntax of everything, clang-tidy on these files for about so long.
# Says what it finds.
check_sources() {
  local file failed=0
  while read -r file; do
    clang-format-19 "$file" | cmp -s - "$file" || { say "$file is not formatted; ./dev fmt does it"; failed=1; }
  done < <(sources)
  while read -r file; do
    bash -n "$file" || failed=1
  done < <(git ls-files -co --exclude-standard -- dev .ci/run '*.sh')
  (($# == 1)) || tidy "$@" || failed=1
  return "$failed"
}

# recent_files: sources that are not committed or that one of the last commits changed, latest first. A clone has no
# branch to compare with.
recent_files() {
  { git diff --name-only HEAD; git log -n 20 --name-only --pretty=format:; } 2>/dev/null | awk '!seen[$0]++' |
    grep -xFf <(sources) || true
}

# lint_recent: clang-tidy looks at what was changed last, for less than a minute.
lint_recent() {
  local files
  mapfile -t files < <(recent_files | grep -m 12 '\.cc$' || true)
  check_sources 40 "${files[@]}"
}

# count_lint: counts as one test.
count_lint() {
  local status seconds
  read -r status seconds <"$results/lint.status"
  ((status == 0)) || status=1
  cat "$results/lint.log" >&2
  say "lint: $((1 - status)) passed, $status failed, 0 skipped ($seconds s)"
  total_passed=$((total_passed + 1 - status)) total_failed=$((total_failed + status))
}

# steps WORD…: one after the other: lint, asan, fuzz.
steps() {
  local word
  for word; do
    case $word in
      lint) step lint lint_recent ;;
      asan) step asan asan_programs ;;
      # The same inputs each time: a change fails for what it breaks. ./dev fuzz looks for what nobody has seen yet.
      fuzz) FUZZ_SEED=1 step fuzz fuzz_programs 20 ;;
    esac
  done
}

# count_steps WORD…: what they left.
count_steps() {
  local word status seconds
  for word; do
    if [[ $word == asan ]]; then
      read -r status seconds <"$results/asan.status"
      tally "unit, golden, contract (asan)" "$results/asan.log" "$seconds" "$status"
    else
      "count_$word"
    fi
  done
}
