# SPDX-License-Identifier: Apache-2.0
# `serve --web-config`: TLS and passwords with curl and Prometheus, what is wrong with a file, files read again.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for tool in python3 curl openssl htpasswd; do need $tool; done

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
trap 'kill ${pid:-} ${prometheus:-} 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
mkdir -p web

# certificate NAME DAYS: web/NAME.crt and web/NAME.key, for localhost and 127.0.0.1
certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "web/$1.key" -out "web/$1.crt" -days "$2" \
    -subj "/CN=$1" -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" 2>/dev/null || fail "openssl makes no certificate $1"
}
# expired NAME: one whose last day was in 2021
expired() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "web/$1.key" -out "web/$1.csr" -subj "/CN=$1" 2>/dev/null
  mkdir -p ca && : >ca/index && echo 01 >ca/serial
  printf '[ca]\ndefault_ca = it\n[it]\ndatabase = ca/index\nserial = ca/serial\nnew_certs_dir = ca\ndefault_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n' >ca/conf
  openssl ca -batch -config ca/conf -selfsign -keyfile "web/$1.key" -in "web/$1.csr" -out "web/$1.crt" -notext \
    -startdate 20210101000000Z -enddate 20210102030405Z >/dev/null 2>&1 || fail "openssl makes no expired certificate"
}
certificate good 30
certificate other 30
expired old
hash=$(htpasswd -nbBC 8 alice "open sesame" | cut -d: -f2 | tr -d '\n')
tls() { printf 'tls_server_config:\n  cert_file: %s.crt\n  key_file: %s.key\n' "$1" "${2:-$1}"; }
users() { printf 'basic_auth_users:\n  alice: "%s"\n' "$hash"; }
ask() {  # ask URL-PATH ARGS...: status in $status, body in $body
  local path=$1
  shift
  rm -f "$work/body"
  status=$(curl -s -o "$work/body" -w '%{http_code}' --max-time 20 "$@" "$path")
  body=$(cat "$work/body" 2>/dev/null)
}
begin() {  # begin CURL-URL SERVE-ARGS...
  local url=$1
  shift
  "$bin" serve --interval 500ms "$@" >"$work/out" 2>"$work/err" </dev/null &
  pid=$!
  for _ in {1..200}; do
    ask "$url/readyz" -k -u "alice:open sesame"
    [[ $status == 200 ]] && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  fail "it does not become ready: $status $(<"$work/err")"
}
ended() {
  kill -TERM "$pid"
  wait "$pid"
  expect "it drains and ends" 0 "$?"
}
told() {  # told REGEX: a line of stderr, at most 10 s later
  checks=$((checks + 1))
  for _ in {1..100}; do grep -qE "$1" "$work/err" && return; sleep 0.1; done
  fail "not told: $1: $(tail -2 "$work/err")"
}
metric() {
  ask "https://localhost:$port/metrics" --cacert web/good.crt -u "alice:open sesame"
  grep -F "tcpadvisor_$1 " "$work/body" | grep -v '^#' | cut -d' ' -f2
}
refused() {  # refused WHAT REGEX ARGS...: exit code 2 and one line
  local what=$1 regex=$2
  shift 2
  run serve --listen "127.0.0.1:$port" "$@"
  expect "$what: exit code" 2 "$code"
  expect_match "$what" "^tcpadvisor: $regex\$" "$err"
}

# ---- files with a mistake
(tls good; users) >web/web.yml
if command -v promtool >/dev/null; then
  (cd web && promtool check web-config web.yml >/dev/null 2>&1)
  expect "promtool takes the file too" 0 "$?"
fi
refused "no such file" 'cannot read web/none.yml: No such file or directory' --web-config web/none.yml
printf 'basic_auth_user: {}\n' >web/bad.yml
refused "an unknown key" "web/bad.yml, line 1, column 1: unknown key 'basic_auth_user'; did you mean 'basic_auth_users'\?" --web-config web/bad.yml
printf 'basic_auth_users: {alice: secret}\n' >web/bad.yml
refused "no hash" "web/bad.yml, line 1, column 27: user 'alice': that is no bcrypt hash: .*" --web-config web/bad.yml
tls old >web/bad.yml
refused "an expired certificate" 'web/old.crt: the certificate expired on 2021-01-02 03:04:05 UTC: renew it' --web-config web/bad.yml
tls good other >web/bad.yml
refused "another's key" 'web/other.key is not the key of the certificate web/good.crt' --web-config web/bad.yml
tls good none >web/bad.yml
refused "no key" 'cannot read web/none.key: No such file or directory' --web-config web/bad.yml
printf 'hello\n' >web/none.key
refused "a key that is none" 'web/none.key: there is no private key in PEM form .*' --web-config web/bad.yml
openssl ec -in web/good.key -aes128 -passout pass:x -out web/none.key 2>/dev/null
refused "a key with a passphrase" 'web/none.key: the key needs a passphrase, .*' --web-config web/bad.yml

# ---- beyond loopback
open="--listen 0.0.0.0:$port"
refused "no file" "0.0.0.0:$port is not an address of loopback: .*, and both are missing; .*" $open
tls good >web/bad.yml
refused "no users" ".*, and basic_auth_users is missing; .*" $open --web-config web/bad.yml
users >web/bad.yml
refused "no TLS" ".*, and tls_server_config is missing; .*" $open --web-config web/bad.yml

# ---- TLS and users, for all addresses
begin "https://localhost:$port" --listen "0.0.0.0:$port" --web-config web/web.yml
expect "one line says where" "tcpadvisor: serving on https://0.0.0.0:$port/ for users of web/web.yml" "$(head -1 err)"
url=https://localhost:$port
ask "$url/metrics" --cacert web/good.crt -u "alice:open sesame"
expect "the right password" 200 "$status"
expect_match "and what is asked for" 'tcpadvisor_build_info' "$body"
ask "$url/metrics" --cacert web/good.crt -u "alice:open sesam"
expect "a wrong password" 401 "$status"
ask "$url/metrics" --cacert web/good.crt -u "bob:open sesame"
expect "another's name" 401 "$status"
ask "$url/metrics" --cacert web/good.crt -D head
expect "no password" 401 "$status"
expect_match "it says what is wanted" 'WWW-Authenticate: Basic realm="tcpadvisor"' "$(<head)"
ask "$url/healthz" --cacert web/good.crt
expect "not even whether it is healthy" 401 "$status"
ask "http://localhost:$port/metrics" -u "alice:open sesame"
expect "plain HTTP on the port of TLS" "400 this port speaks HTTPS: use https://" "$status $body"
ask "$url/metrics" --cacert web/other.crt
expect "a client that does not trust us" 000 "$status"
ask "$url/metrics" --cacert web/good.crt --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0
expect "TLS 1.1" 000 "$status"
ask "$url/metrics" --cacert web/good.crt --tls-max 1.2 -u "alice:open sesame"
expect "TLS 1.2" 200 "$status"
ask "$url/" --cacert web/good.crt -u "alice:open sesame" -H "Host: agent.example"
expect "who has a password may call it by any name" 200 "$status"
ask "$url/page/live.js" --cacert web/good.crt -u "alice:open sesame"
expect "a large file" 200 "$status"
timeout 5 curl -sN --cacert web/good.crt -u "alice:open sesame" "$url/api/v1/events" >events
expect_match "events over TLS" '^[2-9]|[1-9][0-9]$' "$(grep -c '^event: tick' events)"
sleep 1
expect "plain HTTP is counted" 1 "$(metric 'http_connections_unanswered_total{reason="wrong_protocol"}')"
expect_match "and what failed at the handshake" '^[2-9]|[1-9][0-9]' "$(metric 'http_connections_unanswered_total{reason="handshake_failed"}')"
expect "passwords that were wrong" 2 "$(metric 'http_logins_total{outcome="refused"}')"
expect_match "a right one is checked once" '^1$' "$(metric 'http_logins_total{outcome="checked"}')"
expect_match "the end of the certificate" '^[1-9]' "$(metric http_certificate_expiry_timestamp_seconds)"

# a handshake that does not come to its end
python3 - "$port" <<'PYTHON'
import socket, sys
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
one.settimeout(30)
one.sendall(b"\x16\x03\x01\x02\x00")
sys.exit(0 if one.recv(1) == b"" else 1)
PYTHON
expect "half a handshake is cut off" 0 "$?"

for task in "/proc/$pid/task/"*; do
  [[ $(<"$task/comm") == passwords ]] || continue
  expect "the thread of the passwords holds nothing" 0000000000000000 "$(awk '/^CapPrm/ {print $2}' "$task/status")"
  [[ $(id -u) != 0 ]] || expect "and is filtered" 2 "$(awk '/^Seccomp:/ {print $2}' "$task/status")"
  there=1
done
expect "there is such a thread" 1 "${there:-0}"

# ---- 200 wrong passwords at once
seq 200 | sed "s|.*|url=\"$url/metrics\"\nuser=\"mallory:&\"\noutput=/dev/null|" >wrong
curl -sk --parallel --parallel-immediate --parallel-max 200 --max-time 60 -w '%{http_code}\n' -K wrong >codes 2>flood &
flood=$!
good=0
for _ in {1..5}; do
  ask "$url/metrics" --cacert web/good.crt -u "alice:open sesame"
  [[ $status == 200 ]] && good=$((good + 1))
done
wait "$flood"
expect "who is known has answers all the while" 5 "$good"
expect_match "those with a wrong password are told so" '^[1-9]' "$(grep -cE '^(401|503)$' codes)"
expect "and none gets more" 0 "$(grep -c '^200$' codes)"

# ---- Prometheus
if command -v prometheus >/dev/null; then
  printf 'global: {scrape_interval: 1s}\nscrape_configs: [{job_name: tcpadvisor, scheme: https, tls_config: {ca_file: "%s/web/good.crt"}, basic_auth: {username: alice, password: "open sesame"}, static_configs: [{targets: ["localhost:%s"]}]}]\n' \
    "$work" "$port" >prometheus.yml
  other=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb --web.listen-address="127.0.0.1:$other" >prometheus.log 2>&1 &
  prometheus=$!
  for _ in {1..60}; do
    ups=$(curl -s "http://127.0.0.1:$other/api/v1/query?query=up" | grep -c '"1"\]')
    [[ $ups == 1 ]] && break
    sleep 0.5
  done
  expect "Prometheus scrapes by TLS with a password" 1 "$ups"
  kill "$prometheus"
  wait "$prometheus" 2>/dev/null
else
  echo "prometheus is not installed: no scrape by it"
fi

# ---- the file read again
served() { openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509 -noout -subject; }
(tls other; users) >web/web.yml
kill -HUP "$pid"
for _ in {1..50}; do [[ $(served) == *other* ]] && break; sleep 0.1; done
expect "a new certificate" "subject=CN = other" "$(served)"
(tls old; users) >web/web.yml
kill -HUP "$pid"
told 'web/old.crt: the certificate expired on .*; the old configuration stays$'
expect "the old one stays" "subject=CN = other" "$(served)"
tls good >web/web.yml
kill -HUP "$pid"
told 'basic_auth_users is missing.*; the old configuration stays$'
ask "$url/metrics" -k
expect "nor does it lose its users" 401 "$status"
ended

# ---- on loopback each part alone
users >web/web.yml
begin "http://127.0.0.1:$port" --listen "127.0.0.1:$port" --web-config web/web.yml
ask "http://127.0.0.1:$port/metrics"
expect "users without TLS" 401 "$status"
ask "https://127.0.0.1:$port/metrics" -k
expect "TLS on a plain port" 000 "$status"
sleep 1
ask "http://127.0.0.1:$port/metrics" -u "alice:open sesame"
expect_match "is counted" 'reason="wrong_protocol"} 1' "$body"
ended
tls good >web/web.yml
begin "$url" --listen "127.0.0.1:$port" --web-config web/web.yml
ask "$url/metrics" --cacert web/good.crt
expect "TLS without users" 200 "$status"
ask "$url/metrics" --cacert web/good.crt -H "Host: agent.example"
expect "and without a password only by address" 403 "$status"
ended
finish
