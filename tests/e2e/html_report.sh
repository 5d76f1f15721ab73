# SPDX-License-Identifier: Apache-2.0
# Reports as HTML in a real browser, headless: as a phone and as a desktop show them, light and dark, and on paper; axe-core
# looks for what keeps people out. A busy host with the story S1 running, a quiet one, and hosts of the golden files.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
((EUID == 0)) || skip "needs root to look into the scenario's network namespace"
golden=$repo/tests/golden
browser_tools

run report --for 1s --interval 200ms --netns pid:$$ -o "$work/quiet-host.html"
expect "a report as HTML ends" 0 "$code"
"$bin" port scenario stuck_reader --hold 30s --json >"$work/scenario" 2>&1 </dev/null &
scenario=$!
for _ in {1..50}; do
  grep -q '"kind":"truth"' "$work/scenario" && break
  sleep 0.1
done
run report --for 6s --policy lab -o "$work/busy-host.html"
expect "a report of the busy host ends" 0 "$code"
kill $scenario
wait $scenario 2>/dev/null
expect_match "the busy host's queues are drawn" 'class="chain"' "$(<"$work/busy-host.html")"
expect_match "and their course" 'class="course"' "$(<"$work/busy-host.html")"

mkdir "$work/seen"
timeout 500 node "$tools/check_report.js" "$(command -v chromium)" "$work/seen" "$work/quiet-host.html" "$work/busy-host.html" \
  "$golden/report-hostile.html" "$golden/report-settings.html" >"$work/browser" 2>&1
expect "reports in a browser" 0 "$?"
cat "$work/browser"
expect "each report was looked at in four ways" 16 "$(find "$work/seen" -name '*.png' | wc -l)"
finish
