#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# servers.sh PG_BIN: nginx, redis and PostgreSQL with their clients at a moderate pace, in the namespaces that run.py made for it
# (network, processes, mounts). Their files lie in a file system of memory that ends with them. Prints "ready", then one line
# for each batch that was served: who, and how many requests. Ends only when something went wrong.
set -eu
pg=$1 files=/mnt
fail() { echo "servers.sh: $*" >&2; exit 1; }
served() { i=0; until "$@" >/dev/null 2>&1; do i=$((i + 1)); [ $i -lt 300 ] || fail "$1 got no answer"; sleep 0.1; done; }
as_nobody() { setpriv --reuid nobody --regid nogroup --clear-groups "$@"; }

ip link set lo up
mount -t tmpfs -o mode=755 none $files
cd $files
mkdir www redis
head -c 4096 /dev/zero | tr '\0' x >www/page
install -d -m 700 -o nobody -g nogroup data
install -d -o nobody -g nogroup body proxy fastcgi uwsgi scgi

cat >nginx.conf <<'CONF'
daemon off; user nobody nogroup; worker_processes 2; error_log stderr crit; pid nginx.pid;
events { worker_connections 512; }
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server { listen 127.0.0.1:8080; root www; }
}
CONF
nginx -p $files/ -c $files/nginx.conf &
as_nobody redis-server --bind 127.0.0.1 --port 6379 --save '' --appendonly no --dir $files --loglevel warning >$files/redis.log &
as_nobody "$pg/initdb" -D data -A trust -U bench >/dev/null
as_nobody "$pg/postgres" -D data -k '' -h 127.0.0.1 -c fsync=off 2>$files/postgres.log &
url=http://127.0.0.1:8080/page pgbench="$pg/pgbench -h 127.0.0.1 -U bench"
served ab -q -n 1 $url
served redis-benchmark -q -n 1 -t ping
served "$pg/psql" -h 127.0.0.1 -U bench -c 'select 1' postgres
$pgbench -i -q -s 2 postgres >/dev/null 2>&1
echo ready

# Half of the web's clients keep their connections, the others make new ones; the pauses leave room for who else is here.
while :; do
  for keep in -k ''; do
    ab -q $keep -c 8 -n 400 $url | awk '/^Complete requests/ { done = $3 } /^Failed requests/ { failed = $3 }
      END { if (done != 400 || failed) exit 1; print "nginx", done; fflush() }' || fail "nginx did not serve"
    sleep 1
  done
done &
web=$!
while :; do
  redis-benchmark -q -r 10000 -n 1000 -c 20 -t set,get >/dev/null || fail "redis did not serve"
  echo redis 2000
  sleep 2
done &
cache=$!
while :; do  # 100 transactions a second, over 8 connections that last for a while
  $pgbench -n -c 8 -R 100 -T 15 postgres 2>/dev/null | awk '/actually processed/ { print "postgres", $NF; fflush(); ok = 1 } END { exit !ok }' ||
    fail "PostgreSQL did not serve"
done &
database=$!
while kill -0 $web && kill -0 $cache && kill -0 $database; do sleep 1; done 2>/dev/null
fail "a client has ended"
