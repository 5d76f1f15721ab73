# SPDX-License-Identifier: Apache-2.0
# Ten thousand hostile datagrams of a user without rights: the agent goes on ticking, takes no memory for them and obeys
# a signal. TCPADVISOR_DATAGRAMS and TCPADVISOR_SEED change the attack.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need python3
need setpriv
[[ $(id -u) == 0 ]] || skip "needs root, to become somebody else"
datagrams=${TCPADVISOR_DATAGRAMS:-10000} seed=${TCPADVISOR_SEED:-1}
chmod 755 "$work"
cp "$(dirname "${BASH_SOURCE[0]}")/hostile_speaker.py" "$work/"

TCPADVISOR_QUEUES=$work/queues "$bin" watch --json --interval 1s --for 10m >"$work/ticks" 2>"$work/err" </dev/null &
agent=$!
trap 'kill -KILL $agent 2>/dev/null; rm -rf "$work"' EXIT
for _ in {1..100}; do [[ $(wc -l <"$work/ticks") -ge 3 ]] && break; sleep 0.2; done
expect "it ticks" yes "$([[ $(wc -l <"$work/ticks") -ge 3 ]] && echo yes)"

(cd / && setpriv --reuid 65534 --regid 65534 --clear-groups timeout 120 \
  python3 "$work/hostile_speaker.py" "$work/queues" "$datagrams" "$seed") >"$work/said"
expect_match "all was said" '[0-9]+ datagrams sent' "$(<"$work/said")"
sleep 3

kill -TERM $agent
for _ in {1..50}; do kill -0 $agent 2>/dev/null || break; sleep 0.1; done
kill -0 $agent 2>/dev/null && fail "SIGTERM is not obeyed"
python3 - "$work/ticks" "$(<"$work/said")" <<'P' || fail "the attack was felt"
import json, sys
ticks = [json.loads(line) for line in open(sys.argv[1])]
gaps = [b["ts"] - a["ts"] for a, b in zip(ticks, ticks[1:])]
rss = [tick["self"]["rss_bytes"] / 2**20 for tick in ticks]
lost = ticks[-1]["self"]["lost"]
print(f"{sys.argv[2]}; {len(ticks)} ticks of 1 s, at most {max(gaps):.2f} s apart; RSS {rss[2]:.1f} MiB before, "
      f"{max(rss):.1f} MiB at most, {rss[-1]:.1f} MiB at the end; refused {lost['user_queues_refused']}, "
      f"over the limit {lost['user_queues_over_limit']}")
assert len(ticks) >= 5, "the attack lasts several ticks"
assert lost["user_queues_refused"] > 0
assert any(tick["user_queues"] for tick in ticks), "what is true about the connection is believed"
assert max(gaps) < 5, "a tick was kept from its time"  # one interval late is 2 s; a busy machine may add to it
assert max(rss) - rss[2] < 8, "memory grew with what was said"
P
finish
