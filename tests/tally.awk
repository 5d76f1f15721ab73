# SPDX-License-Identifier: Apache-2.0
# Counts GoogleTest cases in the output of `ctest -V` (lines start with "N: ") or of the programs themselves.
# Prints what a reader wants of it: the output of failed cases with a line "failed: CASE" each, one line "skip: CASE: reason"
# per skipped case, and last "count: PASSED FAILED SKIPPED". A ctest test without GoogleTest cases counts as one; a case that began and never ended,
# or a program that failed although all its cases passed, counts as failed.

function begin(key) { running[key] = ""; text[key] = ""; reason[key] = ""; cases[key]++ }
function end_case(key) { running[key] = "" }
function lost(key) {
  if (running[key] == "") return
  failed++; bad[key]++
  printf "%s: began and never ended; its output:\n%sfailed: %s\n", running[key], text[key], running[key]
  running[key] = ""
}

{
  sub(/\r$/, "")
  key = ""; line = $0
  if (match(line, /^[0-9]+: /)) { key = substr(line, 1, RLENGTH - 2); line = substr(line, RLENGTH + 1) }
}

match(line, /\[ RUN      \] [^ ]+/) {
  lost(key)
  begin(key)
  running[key] = substr(line, RSTART + 13, RLENGTH - 13)
}
running[key] != "" { text[key] = text[key] "  " line "\n" }
running[key] != "" && expect_reason[key] { reason[key] = line; expect_reason[key] = 0 }
running[key] != "" && line ~ /: Skipped$/ { expect_reason[key] = 1 }
running[key] != "" && line ~ /\[       OK \] [^ ]+( .*)? \([0-9]+ ms\)$/ { passed++; end_case(key) }
running[key] != "" && line ~ /\[  FAILED  \] [^ ]+( .*)? \([0-9]+ ms\)$/ {
  failed++; bad[key]++
  printf "%sfailed: %s\n", text[key], running[key]
  end_case(key)
}
running[key] != "" && line ~ /\[  SKIPPED \] [^ ]+( .*)? \([0-9]+ ms\)$/ {
  skipped++
  printf "skip: %s: %s\n", running[key], reason[key] == "" ? "no reason given" : reason[key]
  end_case(key)
}

# "1/3 Test #1: unit_base .....   Passed    0.01 sec", or ***Failed, ***Timeout, ***Skipped, ***Not Run, ***Exception
key == "" && match(line, /^ *[0-9]+\/[0-9]+ Test +#[0-9]+: [^ ]+ /) {
  number = line; sub(/^[^#]*#/, "", number); sub(/:.*/, "", number)
  name = line; sub(/^[^#]*#[0-9]+: /, "", name); sub(/ .*/, "", name)
  outcome = "Failed"
  if (line ~ / Passed +[0-9.]+ sec/) outcome = "Passed"
  if (line ~ /\*\*\*Skipped/) outcome = "Skipped"
  lost(number)
  if (outcome == "Failed" && !bad[number]) {
    failed++
    printf "%s: %s\n%sfailed: %s\n", name, substr(line, index(line, "***") + 3), plain[number], name
  }
  if (!cases[number] && outcome == "Passed") passed++
  if (!cases[number] && outcome == "Skipped") { skipped++; print "skip: " name ": " last[number] }
  delete plain[number]
}
key != "" && line != "" { last[key] = line }
key != "" && running[key] == "" { plain[key] = substr(plain[key] "  " line "\n", length(plain[key]) > 6000 ? 2000 : 1) }

END {
  for (key in running) lost(key)
  print "count: " passed + 0, failed + 0, skipped + 0
}
