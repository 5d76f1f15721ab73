# SPDX-License-Identifier: Apache-2.0
# Debian's RabbitMQ without a plugin: rabbitmqctl loads the Erlang publisher into the running broker, whose consumer stops
# reading. In namespaces and directories of its own; whatever it starts ends with them.
if [[ -z ${INSIDE:-} ]]; then
  [[ $(id -u) == 0 ]] || { echo "SKIPPED: needs root for namespaces"; exit 77; }
  INSIDE=1 exec unshare -npf --kill-child --mount-proc bash "$0"
fi
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3
need erlc
programs=/usr/lib/rabbitmq/bin here=$repo/tests/e2e/publishers
[[ -x $programs/rabbitmq-server ]] || skip "rabbitmq-server is not installed"
ip link set lo up
export TCPADVISOR_QUEUES=$work/queues HOME=$work RABBITMQ_NODENAME=publishers@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
  RABBITMQ_NODE_PORT=7100 RABBITMQ_MNESIA_BASE=$work/mnesia RABBITMQ_LOG_BASE=$work/log RABBITMQ_CONFIG_FILE=$work/rabbitmq \
  RABBITMQ_ENABLED_PLUGINS_FILE=$work/plugins RABBITMQ_CONF_ENV_FILE=$work/none RABBITMQ_GENERATED_CONFIG_DIR=$work/generated
echo '[].' >"$work/plugins"
"$programs/rabbitmq-server" >"$work/server" 2>&1 </dev/null &
erlc -o "$work" "$repo/publishers/erlang/src/tcpadvisor_queue.erl"
for _ in {1..600}; do
  ss -tlnH 'sport = :7100' | grep -q . && break
  sleep 0.1
done
said=$("$programs/rabbitmqctl" -n $RABBITMQ_NODENAME eval "code:add_patha(\"$work\"), tcpadvisor_queue:start()." 2>&1)
expect_match "the broker runs the publisher" '^<[0-9.]+>$' "$said"

python3 "$here/amqp.py" 7100 consume >"$work/consumer" &
consumer=$!
for _ in {1..100}; do [[ -s $work/consumer ]] && break; sleep 0.1; done
python3 "$here/amqp.py" 7100 produce 400 100000 >"$work/producer"
expect "the broker takes what is published" produced "$(<"$work/producer")"
sleep 1
run watch --once --json
expect "watch ends" 0 "$code"
cp "$work/out" "$work/watch.json"
run report --for 6s --policy lab --format json
expect "report ends" 0 "$code"
broker=$(ss -tlnpH 'sport = :7100' | sed 's/.*pid=\([0-9]*\).*/\1/')
python3 - "$work/watch.json" "$(<"$work/consumer")" >"$work/told" 2>&1 <<'P'
import json, sys
queue = max(json.load(open(sys.argv[1]))["user_queues"], key=lambda queue: queue["queued"])
print(queue["accepted"] - int(sys.argv[2]), queue["name"].split(":")[0], queue["suspended"], int(queue["name"].split(":")[1]) > 50)
P
read -r on_the_way told <"$work/told"
expect "the writer is suspended, and messages wait for it" "rabbit_writer,mailbox 1 True" "$told"
expect "the queues add up to what Erlang says was sent, less what the consumer has read" \
  "adds up, user-queue-watermark, names the peer, its limit, no setting" \
  "$(python3 "$here/check.py" "$work/watch.json" "$work/out" "$broker" $consumer "$on_the_way" 0 8192 2>&1)"
finish
