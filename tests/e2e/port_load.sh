# SPDX-License-Identifier: Apache-2.0
# Load through the port driver: what drive sends is what serve reads, and both say so in numbers that fit.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3

server=''
serve() {
  : >"$work/serve"
  "$bin" port serve --json "$@" >"$work/serve" 2>"$work/serve.err" </dev/null &
  server=$!
  for _ in {1..50}; do
    port=$(grep -oE '"port":[0-9]+' "$work/serve" | grep -oE '[0-9]+') && return
    sleep 0.1
  done
  fail "port serve $*: does not listen: $(<"$work/serve.err")"
}
end_server() {
  kill -TERM "$server"
  wait "$server"
  expect "port serve ends with SIGTERM" 143 "$?"
}
# field FILE EXPRESSION: a value of its last line
field() { python3 -c 'import json, sys; r = json.loads(open(sys.argv[1]).readlines()[-1]); print(eval(sys.argv[2]))' "$work/$1" "$2"; }

run port drive --for 1s --rate 2000 --ports 4 --producers 2 --json
expect "drive with its own reader ends" 0 "$code"
expect "it delivers what it sent" True "$(field out "r['delivered'] == r['messages'] > 1000 and r['errors'] == 0")"
expect "it keeps to the rate" True "$(field out "r['messages_per_s'] <= 2100")"
expect "latencies are there and in order" True "$(field out "0 < r['send']['p50_us'] <= r['send']['p99_us'] <= r['send']['max_us'] and r['delivery']['p50_us'] > 0")"
run port drive --for 500ms --transport unix --threads 2 --ports 3 --kind bang --producers 20 --set parallelism=true --json
expect "bang callers are suspended by the message queue" True "$(field out "r['busy_port'] > 0 and r['messages'] > 0")"
run port drive --for 500ms --set high=1,low=0 --json
expect "exit code of a wrong value" 2 "$code"
expect "a wrong value is told" "tcpadvisor: --set: high_watermark cannot be '1,low=0': write a whole number of bytes" "$err"
run port drive --for 500ms --set hihg=1
expect "exit code of an unknown option" 2 "$code"
expect_match "an unknown option is told" "hihg" "$err"
run port drive --size 3
expect "a message without room for its time stamp" "tcpadvisor: --size: a message has 8 bytes, for its time stamp, to 64 MiB" "$err"
run port drive --connect 1 --for 100ms
expect "exit code when nobody listens" 1 "$code"
expect_match "nobody listens" "cannot connect to 127.0.0.1:1: Connection refused" "$err"

serve --message 500
run port drive --connect "$port" --for 1s --size 500 --set delay_send=true --json
expect "drive to a server ends" 0 "$code"
end_server
expect "the server read every byte, and measured it" True \
  "$(sent=$(field out "r['messages']"); field serve "r['bytes'] >= 500 * $sent > 0 and r['delivery']['count'] * 500 == r['bytes']")"

serve --rate 50K --recbuf 4096
run port drive --connect "$port" --for 2s --size 1000 --set sndbuf=4096 --json
end_server
expect "a slow reader holds the senders back" True "$(field out "r['waits'] > 0 and r['bytes_per_s'] < 200_000")"

serve --close-after 10000 --reset
run port drive --connect "$port" --for 1s --rate 1000 --json
end_server
expect "a connection that is reset ends the sends with errors" True "$(field out "r['errors'] > 0")"
expect "and the server closed it after so many bytes" "10000 0" "$(field serve "str(r['bytes']) + ' ' + str(r['open'])")"

# whether every byte is in one of the places; what awaits its ACK is in two
balanced="abs(sum(v for k, v in r['balance'].items() if k != 'accepted') - r['balance']['accepted']) <= 300_000"
for kind in "--rate 500" "" "--kind bang" "--idle"; do
  serve --rate 100K
  "$bin" port drive --connect "$port" --for 30s --size 1000 --ports 3 $kind --json >"$work/out" 2>"$work/err" </dev/null &
  drive=$!
  sleep 1.5
  kill -KILL "$server"
  wait "$server" 2>/dev/null
  timeout 20 tail --pid="$drive" -f /dev/null || kill -KILL "$drive"
  wait "$drive"
  expect "drive $kind towards a peer that has died" 1 "$?"
  expect_match "drive $kind says that the peer closed, and when" \
    '^tcpadvisor: the peer closed 3 of 3 connections, the first [0-9.]+ s after the start, the last [0-9.]+ s$' "$(<"$work/err")"
  expect "drive $kind makes no call on a dead connection" True "$(field out "r['errors'] <= 3 and r['closed_by_peer'] == 3")"
  expect "drive $kind: no rate over dead time" True "$(field out "r['seconds'] < 15")"
  expect "drive $kind: all bytes are somewhere" True "$(field out "$balanced")"
done
run port drive --for 500ms --read-rate 50K --size 1000 --set sndbuf=4096 --json
expect "the balance of a slow reader of its own" True "$(field out "$balanced and r['balance']['driver_queue'] > 0 and r['balance']['recv_q'] > 0")"
run port drive --for 300ms --size 1000
expect_match "the balance as text" 'balance     [0-9,]+ bytes taken = driver queue [0-9,]+ .*delivered [0-9,]+' "$out"
finish
