# SPDX-License-Identifier: Apache-2.0
# A recording made on an older kernel is judged here as it was judged there.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3
need qemu-system-x86_64
fault=${TCPFAULT_BIN:?set TCPFAULT_BIN to the program that makes faults}
vm=$(dirname "${BASH_SOURCE[0]}")/../vm
kernel=$("$vm/fetch-kernel.sh" 6.1 2>"$work/fetch") || skip "no kernel 6.1: $(tail -n1 "$work/fetch")"

timeout 170 "$vm/guest.sh" --kernel "$kernel" --timeout 160 --with "$bin" --with "$fault" -- "
cd /tmp
$fault close-wait >fault 2>&1 &
n=0; until [ -s fault ] || [ \$n = 100 ]; do sleep 0.1; n=\$((n + 1)); done
$bin record -o there.rec --for 12s --policy lab
$bin report --from there.rec --policy lab --format json >there.json || exit 1
for file in there.rec there.json; do echo \"BEGIN \$file\"; base64 \$file; echo END; done" >"$work/said" 2>"$work/guest" ||
  fail "the guest ended with $?: $(tail -n 5 "$work/guest" "$work/said")"
for file in there.rec there.json; do
  tr -d '\r' <"$work/said" | sed -n "/^BEGIN $file\$/,/^END\$/p" | grep -v '^BEGIN\|^END' | base64 -d >"$work/$file"
done
run report --from "$work/there.rec" --policy lab --format json
expect "the recording is judged here" 0 "$code"
expect_match "it is of that kernel" '"kernel": "6\.1\.' "$out"
expect_match "the fault is in it" '"id": "close-wait-leak"' "$out"
expect "as it was judged there" "$(grep -v '"recorded":' "$work/there.json")" "$(grep -v '"recorded":' "$work/out")"
finish
