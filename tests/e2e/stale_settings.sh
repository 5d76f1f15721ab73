# SPDX-License-Identifier: Apache-2.0
# Lines that this kernel does not need: on a host of its own (pids, mounts, network) with a sysctl.d of its own.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need unshare
[[ $(id -u) == 0 ]] || skip "needs root, for namespaces"

cat >"$work/host.sh" <<'HOST'
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/system
mount -t tmpfs none /etc/sysctl.d
printf '# old advice\nnet.ipv4.tcp_tw_recycle = 1\nnet.ipv4.tcp_fack = 1\n' >/etc/sysctl.d/90-fast.conf
printf 'net.core.somaxconn = 128\nnet.ipv4.tcp_sack = 1\n' >/etc/sysctl.d/99-old.conf
echo 128 >/proc/sys/net/core/somaxconn
"$1" report --for 3s --only stale-settings --format json
HOST
timeout 60 unshare -mpnf --mount-proc bash "$work/host.sh" "$bin" >"$work/out" 2>"$work/err" </dev/null
code=$?
[[ $code != 0 && $(<"$work/err") == *"unshare"* ]] && skip "no namespaces here: $(<"$work/err")"
out=$(<"$work/out")
expect "exit code ($(<"$work/err"))" 0 "$code"
expect_match "what is gone" '/etc/sysctl.d/90-fast.conf:2: net.ipv4.tcp_tw_recycle = 1: this kernel has no such setting' "$out"
expect_match "what is not read" '/etc/sysctl.d/90-fast.conf:3: net.ipv4.tcp_fack = 1: this kernel does not read it' "$out"
expect_match "what is held below" '/etc/sysctl.d/99-old.conf:1: net.core.somaxconn = 128: 128 is less than the 4,096' "$out"
[[ $out != *tcp_sack* ]] || fail "tcp_sack = 1 is no stale line"
finish
