# SPDX-License-Identifier: Apache-2.0
# The Debian package under a real systemd, in a root and namespaces of its own: installed, started, scraped, reloaded,
# removed, purged.
#
# Nothing of this host is mounted into that root but its file system, under an overlay; and what is mounted is unmounted, never
# deleted.
if [[ -z ${INSIDE:-} ]]; then
  [[ $(id -u) == 0 ]] || { echo "SKIPPED: needs root, for namespaces"; exit 77; }
  for one in /lib/systemd/systemd dpkg-shlibdeps cpack curl; do
    command -v $one >/dev/null || { echo "SKIPPED: there is no $one"; exit 77; }
  done
  unshare -mnuC true 2>/dev/null || { echo "SKIPPED: no namespaces here"; exit 77; }
  INSIDE=1 exec unshare -mnu --propagation private bash "$0"
fi
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A root that looks like this host's, and in which nothing of what is written stays.
layers=$work/layers root=$work/root group=
mkdir "$layers" "$root" "$work/groups"
outer=
end() {
  [[ ! $outer ]] || { kill -9 "$outer"; wait "$outer"; } 2>/dev/null
  if [[ $group ]]; then
    echo $$ >"$work/groups/cgroup.procs"
    for ((i = 0; i < 50; i++)); do
      find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
      sleep 0.1
    done
  fi
  umount -l "$work/groups" 2>/dev/null
  umount -R -l "$root" 2>/dev/null
  umount -l "$layers" 2>/dev/null
  rm -rf --one-file-system "$work"
}
trap end EXIT
mount -t tmpfs none "$layers"
mkdir "$layers/upper" "$layers/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$root" 2>/dev/null ||
  skip "no overlay of the root file system here"
mount -t cgroup2 none "$work/groups" && mkdir "$work/groups/tcpadvisor-test-$$" || skip "no cgroups of version 2 here"
group=$work/groups/tcpadvisor-test-$$
echo $$ >"$group/cgroup.procs" || skip "no cgroup of its own here"
for place in dev run tmp; do mount -t tmpfs -o mode=755 none "$root/$place" || skip "no tmpfs here"; done
while read -r name major minor; do mknod -m 666 "$root/dev/$name" c "$major" "$minor"; done <<'N'
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
ptmx 5 2
N
mkdir "$root"/dev/{pts,shm,mqueue,hugepages}
ln -s /proc/self/fd "$root/dev/fd"
rm -f "$root"/etc/systemd/system/*.wants/*
rm -rf "$root"/etc/tcpadvisor "$root"/var/lib/tcpadvisor
ip link set lo up

(cd "$(dirname "$bin")" && cpack -G DEB -B "$work/packages") >"$work/cpack" 2>&1
expect "cpack ends" 0 "$?"
package=$(echo "$work"/packages/*.deb)
cp "$package" "$root/var/tmp/tcpadvisor.deb"
expect "the configuration is known as such" /etc/tcpadvisor/tcpadvisor.toml "$(dpkg-deb --ctrl-tarfile "$package" | tar -xO ./conffiles)"
expect_match "it names the libraries that it needs" 'libbpf.*libevent' "$(dpkg-deb -f "$package" Depends)"

# systemd must be the first process of a namespace.
env -i container=test PATH="$PATH" setpriv --pdeathsig KILL unshare -pmfC --kill-child --mount-proc="$root/proc" bash -c "
  mount -t sysfs -o ro none '$root/sys' && mount -t cgroup2 none '$root/sys/fs/cgroup' &&
    exec chroot '$root' /lib/systemd/systemd --log-target=null systemd.unit=basic.target" </dev/null >/dev/null 2>&1 &
outer=$!
init=
within() { nsenter -t "$init" -m -p -n -u -C -r -w "$@"; }
for ((i = 0; i < 200; i++)); do
  sleep 0.1
  init=$(pgrep -P "$outer") && [[ $(within systemctl is-system-running 2>/dev/null) =~ running|degraded ]] && break
done
((i < 200)) || skip "systemd does not start in a namespace here"

within dpkg -i /var/tmp/tcpadvisor.deb >"$work/dpkg" 2>&1
expect "dpkg -i ($(<"$work/dpkg"))" 0 "$?"
state() { within systemctl show tcpadvisor -P "$1"; }
expect "it is started when it is installed" active "$(state ActiveState)"
[[ $(state ActiveState) == active ]] || { within journalctl --no-pager -o cat -n 20; within systemctl status --no-pager tcpadvisor; }
expect "and at each boot" enabled "$(state UnitFileState)"
expect "under a user of its own" yes "$([[ $(within stat -c %u "/proc/$(state MainPID)") -gt 0 ]] && echo yes)"
page() { within curl -s -m 10 "http://127.0.0.1:9477$1"; }
expect "it is ready" ok "$(page /readyz)"
expect_match "it is scraped" 'tcpadvisor_build_info\{' "$(page /metrics)"
# What a service sees by its capabilities is what root sees: the same sources, but for what is not in this root.
sources() { python3 -c 'import json,sys; print("\n".join(sorted(f["fact"]+": "+f["in_use"] for f in json.load(sys.stdin) if f["fact"] not in ("cgroups", "namespaces"))))'; }
page /api/v1/coverage | sources >"$work/service"
within bash -c 'tcpadvisor serve --listen 127.0.0.1:9478 & for ((i=0;i<100;i++)); do sleep 0.1; curl -sf http://127.0.0.1:9478/readyz >/dev/null && break; done; curl -s http://127.0.0.1:9478/api/v1/coverage; kill $!' 2>/dev/null | sources >"$work/root_sees"
expect_match "there are sources" 'snapshot' "$(<"$work/service")"
expect "as a service it sees what root sees" "" "$(diff "$work/service" "$work/root_sees")"
expect_match "programs can say what they have in their queues" 'srw-rw-rw-.*sock' "$(within bash -c 'ls -l /run/tcpadvisor/queues/')"
expect "and how they do that is installed" yes "$(within bash -c 'cd /usr/share/tcpadvisor/publishers && [[ -f README.md && -f erlang/src/tcpadvisor_queue.erl ]] && echo yes')"
first=$(state MainPID)
within systemctl kill -s KILL tcpadvisor
for ((i = 0; i < 400; i++)); do  # after RestartSec=5, and the first look
  sleep 0.1
  [[ $(state ActiveState) == active && $(state MainPID) != "$first" ]] && break
done
expect "who is killed comes back" active "$(state ActiveState)"
expect "as another process" yes "$([[ $(state MainPID) != "$first" ]] && echo yes)"
second=$(state MainPID)
within bash -c "echo 'interval = \"2s' >/etc/tcpadvisor/tcpadvisor.toml"
within systemctl reload tcpadvisor
for ((i = 0; i < 50; i++)); do
  sleep 0.1
  [[ $(within journalctl -u tcpadvisor --no-pager -o cat) == *tcpadvisor.toml* ]] && break
done
expect_match "a mistake in the configuration is told" 'tcpadvisor.toml' "$(within journalctl -u tcpadvisor --no-pager -o cat)"
expect "and stops nothing" "active $second" "$(state ActiveState) $(state MainPID)"
within bash -c 'printf "[serve]\nlisten = \"127.0.0.1:9479\"\n" >/etc/tcpadvisor/tcpadvisor.toml'
within systemctl restart tcpadvisor
expect "it listens where it was told to" ok "$(within curl -s -m 10 http://127.0.0.1:9479/readyz)"
within dpkg -r tcpadvisor >/dev/null 2>&1
expect "dpkg -r stops it" "" "$(within pgrep -x tcpadvisor)"
expect "and leaves what a person wrote" yes "$(within bash -c '[[ -f /etc/tcpadvisor/tcpadvisor.toml ]] && echo yes')"
within bash -c 'mkdir -p /var/lib/tcpadvisor && echo "{}" >/var/lib/tcpadvisor/journal'
expect_match "a purge keeps old values" 'journal stays' "$(within dpkg -P tcpadvisor 2>&1)"
expect "they are there" "{}" "$(within cat /var/lib/tcpadvisor/journal)"
expect "and nothing else" "" "$(within bash -c 'ls -d /etc/tcpadvisor /usr/bin/tcpadvisor /usr/share/tcpadvisor /usr/share/doc/tcpadvisor /lib/systemd/system/tcpadvisor.service /etc/systemd/system/*/tcpadvisor.service' 2>/dev/null)"
finish
