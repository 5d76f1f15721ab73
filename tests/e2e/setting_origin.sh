# SPDX-License-Identifier: Apache-2.0
# Who has set a value: on a host of its own (pids, mounts, network) with a sysctl.d of its own.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need unshare
[[ $(id -u) == 0 ]] || skip "needs root, for namespaces"

cat >"$work/host.sh" <<'HOST'
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/system /run/sysctl.d
mount -t tmpfs none /etc/sysctl.d
cd /proc/sys/net/ipv4
printf 'net.ipv4.tcp_window_scaling = 1\n' >/etc/sysctl.d/10-first.conf
printf '# fast\nnet/ipv4/tcp_window_scaling = 0\n' >/etc/sysctl.d/99-fast.conf
printf 'net.ipv4.tcp_window_scaling = 1\n' >/run/sysctl.d/99-fast.conf
echo 0 >tcp_window_scaling
echo 1 >tcp_moderate_rcvbuf
(sleep 2 && echo 0 >tcp_moderate_rcvbuf) &
"$1" report --for 8s --format json
HOST
timeout 60 unshare -mpnf --mount-proc bash "$work/host.sh" "$bin" >"$work/out" 2>"$work/err" </dev/null
code=$?
[[ $code != 0 && $(<"$work/err") == *"unshare"* ]] && skip "no namespaces here: $(<"$work/err")"
out=$(tr -d ' \n' <"$work/out")
expect "exit code ($(<"$work/err"))" 0 "$code"
expect_match "the file" '"set_by":\{"file":"/etc/sysctl.d/99-fast.conf","knob":"net.ipv4.tcp_window_scaling","line":2,' "$out"
expect_match "a fragment that comes after it" '"persist":"net.ipv4.tcp_window_scaling=1in/etc/sysctl.d/99-tcpadvisor.conf' "$out"
expect_match "somebody, just now" '"knob":"net.ipv4.tcp_moderate_rcvbuf","source":"changed-while-watched"' "$out"
finish
