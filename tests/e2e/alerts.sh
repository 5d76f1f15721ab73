# SPDX-License-Identifier: Apache-2.0
# Recording rules and alerts: promtool's judgement, their unit tests, the metrics they name, and their runbooks.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need promtool
need python3
python3 -c 'import yaml' 2>/dev/null || skip "python3-yaml is not installed"
export PYTHONDONTWRITEBYTECODE=1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rules=$here/../../dashboards/prometheus

promtool check rules --lint=all --lint-fatal "$rules/rules.yaml" >"$work/rules" 2>&1 || fail "promtool check rules: $(<"$work/rules")"
promtool test rules "$rules/rules_test.yaml" >"$work/tests" 2>&1 || fail "promtool test rules: $(<"$work/tests")"
sed 's/> 1 or/> 99 or/' "$rules/rules.yaml" >"$work/rules.yaml"  # the tests notice a threshold that is another one
cp "$rules/rules_test.yaml" "$work"
promtool test rules "$work/rules_test.yaml" >"$work/tests" 2>&1 && fail "promtool test rules does not notice another threshold"
checks=$((checks + 3))

python3 "$here/alerts_check.py" "$bin" "$here/../.." >"$work/checked" 2>&1
grep -v ' checks$' "$work/checked" && failures=$((failures + 1))
expect_match "the check ran to its end" '[0-9]+ checks$' "$(<"$work/checked")"
finish
