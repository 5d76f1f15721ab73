# SPDX-License-Identifier: Apache-2.0
# Recordings of the ground truth: what has to be said about each is said, and nothing else.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3
here=$(dirname "${BASH_SOURCE[0]}")
recordings=$here/../fixtures/recordings score=$here/../scenario/truth/score_recordings.py

report() { python3 "$score" "$@" "$bin" report --policy lab --format json --from; }
expect_match "every answer" ' 0 missed, 0 false; precision 1\.000, recall 1\.000$' "$(report | tee "$work/rows" | tail -n 1)"
[[ $failures == 0 ]] || cat "$work/rows"
expect "as many rows as recordings" "$(find "$recordings" -name '*.rec' | wc -l)" "$(grep -c ' ok$' "$work/rows")"
expect "none is larger than 60 KiB" "" "$(find "$recordings" -name '*.rec' -size +60k)"

# The score itself: an advisor that says nothing, and one that blames whom nobody should.
silent() { printf '#!/bin/sh\necho '\''{"findings": [%s]}'\''\n' "$1" >"$work/advisor"; chmod +x "$work/advisor"; }
silent ''
expect_match "silence misses" '^0 right, 1 missed, 0 false' "$(python3 "$score" --only close-wait "$work/advisor" | tail -n 1)"
expect_match "silence is right about a host with nothing wrong" '^0 right, 0 missed, 0 false' \
  "$(python3 "$score" --only idle "$work/advisor" | tail -n 1)"
silent '{"id": "close-wait-leak", "severity": "warning", "scope": {"pid": 1}}'
expect_match "another process is false, and the right one missed" '^0 right, 1 missed, 1 false' \
  "$(python3 "$score" --only close-wait "$work/advisor" | tail -n 1)"
silent '{"id": "close-wait-leak", "severity": "info", "scope": {"pid": 1}}'
expect_match "information is not false" '^0 right, 0 missed, 0 false' \
  "$(python3 "$score" --only idle "$work/advisor" | tail -n 1)"
finish
