# SPDX-License-Identifier: Apache-2.0
# Dashboards: as their source says, with metrics that exist, by the rules of dashboard-linter; and each query of them, of the
# alerts and of the records asked of a real Prometheus that scrapes a live agent while faults stand.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3
python3 -c 'import yaml' 2>/dev/null || skip "python3-yaml is not installed"
export PYTHONDONTWRITEBYTECODE=1

# look SCRIPT ARGS...
look() {
  local script=$1
  shift
  python3 "$repo/tests/e2e/$script" "$bin" "$@" "$repo" >"$work/said" 2>&1
  grep -vE '^[0-9]+ checks' "$work/said" && failures=$((failures + 1))
  expect_match "$script ran to its end" '[0-9]+ checks' "$(<"$work/said")"
}
look dashboards_check.py
if [[ $(id -u) == 0 ]] && command -v prometheus >/dev/null; then
  look dashboards_live.py "${TCPFAULT_BIN:?set TCPFAULT_BIN to tcpfault}"
  echo "queries: $(tail -1 "$work/said")"
else
  echo "no live part: it needs root, and prometheus"
fi
finish
