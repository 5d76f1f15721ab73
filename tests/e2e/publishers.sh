# SPDX-License-Identifier: Apache-2.0
# The publishers beside the programs that they are for, each with a peer that stops reading: watch shows a chain that adds up
# to what was sent, report names the peer and the program's own limit. All programs run at once, before one watch and one
# report, in a network namespace of their own.
if [[ -z ${INSIDE:-} ]]; then
  [[ $(id -u) == 0 ]] || { echo "SKIPPED: needs root for a network namespace"; exit 77; }
  INSIDE=1 exec unshare -n bash "$0"
fi
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3
here=$repo/tests/e2e/publishers publishers=$repo/publishers
export TCPADVISOR_QUEUES=$work/queues
ip link set lo up
started=()
end() {
  kill "${started[@]}" 2>/dev/null
  wait "${started[@]}" 2>/dev/null
  rm -rf "$work"
}
trap end EXIT

size=$((8 << 20))
declare -A server peer total slack limit
missing=()

# serve NAME PORT COMMAND…: starts it and waits until it listens
serve() {
  local name=$1 port=$2
  shift 2
  "$@" >"$work/$name.out" 2>&1 </dev/null &
  server[$name]=$! started+=($!)
  for _ in {1..150}; do
    ss -tlnH "sport = :$port" | grep -q . && return
    kill -0 "${server[$name]}" 2>/dev/null || break
    sleep 0.1
  done
  fail "$name does not listen: $(tail -3 "$work/$name.out")"
}

# stall NAME PORT [WORDS]: a peer that says WORDS, and reads nothing
stall() {
  python3 "$here/peer.py" "${@:2}" &
  peer[$1]=$! started+=($!)
  total[$1]=$size slack[$1]=0 limit[$1]=none
}

has() {
  local one
  for one in "${@:2}"; do
    command -v "$one" >/dev/null || { missing+=("$1: there is no $one"); return 1; }
  done
}

try_python() {
  serve python 7001 env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$publishers/python" python3 "$here/server.py" 7001 $size
  stall python 7001
  limit[python]=65536  # asyncio's own
}

try_redis() {
  has redis redis-server redis-cli || return
  serve redis 7002 redis-server --port 7002 --save '' --appendonly no --dir "$work"
  stall redis 7002 'SUBSCRIBE news\r\n'
  for _ in {1..100}; do
    redis-cli -p 7002 pubsub numsub news | grep -qx 1 && break
    sleep 0.1
  done
  local text messages=128
  text=$(head -c 65536 /dev/zero | tr '\0' x)
  for ((i = 0; i < messages; i++)); do echo "PUBLISH news $text"; done | redis-cli -p 7002 >"$work/redis.published"
  python3 "$publishers/redis/tcpadvisor_redis.py" "${server[redis]}" 127.0.0.1:7002 >"$work/redis.poller" 2>&1 &
  started+=($!)
  total[redis]=$((messages * (65536 + 47)))  # *3 $7 message $4 news $65536 …
  slack[redis]=65536                         # Redis counts memory: the room in what it has allocated, too
  limit[redis]=33554432                      # client-output-buffer-limit pubsub 32mb
}

try_go() {
  local with=
  command -v gccgo-12 >/dev/null && with=gccgo-12
  command -v gccgo >/dev/null && with=gccgo
  [[ $with ]] || { missing+=("go: there is no gccgo"); return; }
  (cd "$work" && $with -c -o tcpadvisorqueue.o -fgo-pkgpath=tcpadvisorqueue "$publishers/go/tcpadvisorqueue.go" &&
    $with -I . -o go-server "$here/server.go" tcpadvisorqueue.o) >"$work/go.compiled" 2>&1
  expect "the Go publisher compiles: $(tail -3 "$work/go.compiled")" 0 "$?"
  serve go 7003 "$work/go-server" 7003 $size
  stall go 7003  # a call of Write waits from the first byte on: there is no mark
}

try_node() {
  has node node || return
  serve node 7004 node "$here/server.js" "$publishers/node/tcpadvisor-queue.js" 7004 $size
  stall node 7004
  limit[node]=$(node -p 'new (require("net").Socket)().writableHighWaterMark')
}

try_java() {
  has java java javac || return
  javac -d "$work" "$publishers/java/TcpadvisorQueue.java" "$here/Server.java" >"$work/java.compiled" 2>&1
  expect "the Java publisher compiles: $(tail -3 "$work/java.compiled")" 0 "$?"
  serve java 7005 java -cp "$work" Server 7005 $size
  stall java 7005
  limit[java]=65536  # what Server.java says
}

for program in java redis go node python; do try_$program; done  # the slow to start come first
sleep 1  # until the kernel has taken what it takes
run watch --once --json
expect "watch ends" 0 "$code"
cp "$work/out" "$work/watch.json"
"$bin" watch --json --interval 1s --for 60s >"$work/ticks" 2>&1 </dev/null &
agent=$! started+=($!)
run report --for 6s --policy lab --format json
expect "report ends" 0 "$code"
for program in "${!server[@]}"; do
  said=$(python3 "$here/check.py" "$work/watch.json" "$work/out" "${server[$program]}" "${peer[$program]}" \
    "${total[$program]}" "${slack[$program]}" "${limit[$program]}" 2>&1)
  expect "$program" "adds up, user-queue-watermark, names the peer, its limit, no setting" "$said"
done
# A program that is stopped says nothing any more, with a stream or without: after 5 s it is forgotten, the others are not.
silent=() wanted=
for program in "${!server[@]}"; do
  [[ $program =~ ^(python|node)$ ]] && silent+=("${server[$program]}")
  [[ $program =~ ^(python|node)$ ]] && wanted+=" $program:silent" || wanted+=" $program:heard"
done
# heard LINE: of one tick, counted from the end
heard() {
  tail -n "$1" "$work/ticks" | head -n 1 | python3 -c '
import json, sys
pids = {queue["pid"] for queue in json.load(sys.stdin)["user_queues"]}
for word in sys.argv[1:]:
    name, pid = word.split(":")
    print("", name + (":heard" if int(pid) in pids else ":silent"), end="")' "${@:2}" 2>/dev/null
}
who=()
for program in "${!server[@]}"; do who+=("$program:${server[$program]}"); done
expect "all are heard" "${wanted//silent/heard}" "$(heard 2 "${who[@]}")"
kill -STOP "${silent[@]}"
for _ in {1..40}; do
  sleep 0.5
  said=$(heard 2 "${who[@]}")
  [[ $said == "$wanted" ]] && break
done
expect "the stopped are forgotten, the others heard" "$wanted" "$said"
kill -CONT "${silent[@]}"
kill -TERM "$agent"
wait "$agent"
expect "the agent ends when it is told to" yes "$([[ $? =~ ^(0|143)$ ]] && echo yes)"
for publisher in "$publishers"/*/*.* "$publishers"/*/src/*.erl; do
  [[ $publisher =~ \.(py|go|js|java|erl)$ ]] || continue
  lines=$(grep -vcE '^\s*(//.*|#.*|%.*)?$|^import |^import \($|^\)$|^\s"[a-z/]+"$|^package ' "$publisher")
  expect "$publisher has at most 60 lines of code" yes "$( ((lines <= 60)) && echo yes || echo "$lines")"
done
((${#missing[@]} == 0)) || printf 'not tried: %s\n' "${missing[@]}"
finish
