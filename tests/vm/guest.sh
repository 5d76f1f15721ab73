#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guest.sh --kernel DIR [OPTIONS] -- COMMAND…: boots a Debian kernel (from fetch-kernel.sh) under qemu's software emulation
# and runs a shell command line in it as root. Words of COMMAND that are executables here, and what --with names, are put
# into the guest at the same paths, with their shared libraries.
#   --timeout S     seconds of real time until the guest is ended (300)      --mem MB   memory of the guest (1024)
#   --icount        one guest nanosecond per executed instruction: deterministic cost, slower
#   --smp N         processors (1; always 1 with --icount)                   --env K=V  for COMMAND; may be repeated
#   --with PATH     one more file or folder for the guest; may be repeated
#   --modules "…"   kernel modules to load first, where the kernel has them as modules
#   --append "…"    more kernel parameters
# COMMAND's output comes to stdout while it runs; the kernel's own messages are kept apart and shown only on failure.
# Exit: COMMAND's exit code; 124 out of time; 125 the guest died or never said RC=n; 2 wrong usage.
set -euo pipefail

say() { echo "guest: $*" >&2; }
quote() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

kernel='' timeout=300 icount='' smp=1 mem=1024 append=''
modules='veth dummy inet_diag tcp_diag sch_netem sch_fq tcp_bbr tun'
env=() with=()
while (($#)); do
  case $1 in
    --icount) icount=1; shift; continue ;;
    --) shift; break ;;
    --kernel | --timeout | --smp | --mem | --append | --modules | --env | --with)
      (($# >= 2)) || { say "$1 needs a value"; exit 2; } ;;
    *) say "unknown option $1; usage: guest.sh --kernel DIR [OPTIONS] -- COMMAND"; exit 2 ;;
  esac
  case $1 in
    --kernel) kernel=$2 ;;
    --timeout) timeout=$2 ;;
    --smp) smp=$2 ;;
    --mem) mem=$2 ;;
    --append) append=$2 ;;
    --modules) modules=$2 ;;
    --env) env+=("$2") ;;
    --with) with+=("$2") ;;
  esac
  shift 2
done
[[ -s $kernel/version && -s $kernel/vmlinuz ]] || { say "--kernel '$kernel' is no directory made by fetch-kernel.sh"; exit 2; }
(($#)) || { say "no command after --"; exit 2; }
version=$(<"$kernel/version")
# qemu 7.2's emulation of cmpxchg16b breaks 6.12; kernels from 7 need it, else they refuse memory to BPF socket storage.
case $version in
  5.* | 6.*) cpu=qemu64,-cx16 ;;
  *) cpu=max ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{dev,proc,sys,run,tmp,etc,modules,root,var}
for dir in bin sbin lib lib64; do
  ln -s "usr/$dir" "$root/$dir"
done
ln -s /run "$root/var/run"
echo 'root:x:0:0::/root:/bin/sh
nobody:x:65534:65534::/:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:
nogroup:x:65534:' >"$root/etc/group"
echo '127.0.0.1 localhost guest
::1 localhost guest' >"$root/etc/hosts"

# put FILE: the file at its own path, without debug information, and the libraries it is linked with.
put() {
  local file=$1 library
  [[ -e $root$file ]] && return 0
  mkdir -p "$root${file%/*}"
  cp -L "$file" "$root$file"
  if [[ $(head -c4 "$file" | tr -d '\0') == $'\x7fELF' ]]; then
    case $file in *.o | *.ko) return 0 ;; esac
    chmod u+w "$root$file"
    strip --strip-debug "$root$file" 2>/dev/null || true
    while read -r library; do
      put "$library"
    done < <({ ldd "$file" 2>/dev/null || true; } | grep -oE '/[^ ()]+' | grep -vF "$file:")
  fi
}

busybox=$(command -v busybox) || { say "busybox is missing: apt-get install busybox-static"; exit 1; }
put "$busybox"
put /usr/bin/dash  # busybox's own shell would prefer its applets to the programs beside it
ln -s dash "$root/usr/bin/sh"
for program in ip ss tc; do
  path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$program") && put "$(readlink -f "$path")" || true
done
words=()
for word in $*; do  # COMMAND is a command line: split it as the guest's shell will
  word=${word//[\'\";]/}
  [[ $word == /* && -f $word && -x $word ]] && words+=("$word")
done
for path in "${words[@]}" "${with[@]}"; do
  path=$(realpath -s "$path")
  [[ -e $path ]] || { say "--with $path: there is no such file"; exit 2; }
  while read -r file; do
    put "$file"
  done < <(find -L "$path" -type f)
done

number=100  # file names sort in the order of loading
for module in $modules; do
  while read -r word file _; do
    [[ $word == insmod ]] || continue
    name=${file##*/}
    name=${name%%.ko*}
    compgen -G "$root/modules/*-$name.ko" >/dev/null && continue
    number=$((number + 1))
    case $file in
      *.xz) xz -dc "$file" ;;
      *) cat "$file" ;;
    esac >"$root/modules/$number-$name.ko"
  done < <(PATH=$PATH:/usr/sbin:/sbin modprobe -q -C /dev/null -d "$kernel" -S "$version" --show-depends "$module" || true)
done

{
  cat <<'INIT'
#!/bin/busybox sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
/bin/busybox --install -s /bin 2>/dev/null
mount -t devtmpfs none /dev
exec </dev/null >/dev/ttyS0 2>&1
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
mount -t proc none /proc
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
mount -t tracefs none /sys/kernel/tracing
mount -t debugfs none /sys/kernel/debug
mount -t bpf none /sys/fs/bpf
ip link set lo up
ulimit -n 65536
for module in /modules/*.ko; do
  [ -e "$module" ] && insmod "$module"
done
hostname guest
stty -F /dev/ttyS1 raw -echo
INIT
  for pair in "${env[@]}"; do
    echo "export ${pair%%=*}=$(quote "${pair#*=}")"
  done
  echo "/bin/sh -c $(quote "$*") >/dev/ttyS1 2>&1"
  cat <<'INIT'
echo "RC=$?"
stty -F /dev/ttyS1 -raw 2>/dev/null  # waits until everything written has left
sync
reboot -f
INIT
} >"$root/init"
chmod +x "$root/init"
(cd "$root" && find . -print0 | cpio --null -o -H newc -R 0:0 --quiet) | gzip -1 >"$work/initrd"

# The CPU model without cmpxchg16b: qemu 7.2 emulates it wrongly, and 6.12 stumbles over that in its allocator.
accel=(-accel tcg,thread=multi -smp "$smp")
clock='clocksource=hpet tsc=unstable'  # the guest measures its TSC's speed at boot, wrongly by a lot when the host is busy
if [[ $icount ]]; then
  clock='tsc=reliable'  # counts instructions there
  accel=(-accel tcg,thread=single -smp 1 -icount shift=0,sleep=off)
fi
status=0
timeout --foreground -k 5 "$timeout" \
  qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot "${accel[@]}" -cpu "$cpu" -m "$mem" \
  -kernel "$kernel/vmlinuz" -initrd "$work/initrd" \
  -append "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off $clock $append" \
  -serial "file:$work/console" -chardev stdio,id=output,signal=off -serial chardev:output \
  </dev/null 2>"$work/qemu.err" || status=$?

result=$(tr -d '\r' <"$work/console" 2>/dev/null | sed -n 's/.*RC=\([0-9]\+\)$/\1/p' | tail -n1)
if [[ $result == 0 ]]; then
  exit 0
fi
if ((status == 124 || status == 137)); then
  say "$version: not finished after $timeout s"
  result=124
elif [[ ! $result ]]; then
  say "$version: the guest ended without a result (qemu's exit code $status)"
  result=125
else
  say "$version: the command failed with exit code $result"
fi
{
  cat "$work/qemu.err"
  echo "guest: last messages of the kernel:"
  tr -d '\r' <"$work/console" | tail -n 60
} >&2
exit "$result"
