#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fetch-kernel.sh SERIES: downloads the newest Debian cloud kernel of that series once and prints its directory:
#   DIR/vmlinuz   DIR/version   DIR/lib/modules/VERSION (with modules.dep)
# 6.1 and 6.12 come from the machine's own apt sources if they are there; else, and for 5.10 and 7, other suites of the same
# archive are asked with a private apt configuration: the machine's own sources and lists stay as they are. Needs no root.
# Exit: 0 done; 3 the registry does not serve it (one line says so); 1 anything else; 2 wrong usage.
set -euo pipefail

say() { echo "fetch-kernel: $*" >&2; }

suite='' archive=debian
case "${1-}" in
  6.1)  pattern='6\.1\.0-[0-9]+-cloud-amd64' ;;
  6.12) pattern='6\.12\.[0-9]+\+deb12-cloud-amd64' ;;
  5.10) pattern='5\.10\.0-[0-9]+-cloud-amd64'; suite=bullseye ;;
  7)    pattern='7\.[0-9]+\.[0-9]+\+deb13-cloud-amd64'; suite=trixie-backports ;;
  *)    say "usage: fetch-kernel.sh 6.1|6.12|5.10|7"; exit 2 ;;
esac
series=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
cache=$root/build/vm
kernel=$cache/kernel-$series
if [[ -s $kernel/version ]]; then
  echo "$kernel"
  exit 0
fi
mkdir -p "$cache"
exec 9>"$cache/fetch.lock"  # two callers at once: the second one finds the work done
flock 9
if [[ -s $kernel/version ]]; then
  echo "$kernel"
  exit 0
fi

apt=(-q -o APT::Sandbox::User=root)
newest() {
  apt-cache "${apt[@]}" pkgnames linux- | sed -nE "s/^linux-(image|binary)-($pattern)\$/\2/p" | sort -uV | tail -n1
}

version=''
[[ $suite ]] || version=$(newest)
if [[ ! $version ]]; then
  # Not in the machine's own lists. 6.12 for Debian 12 lives in the security archive, which a bare system may not list.
  [[ $suite ]] || { suite=bookworm-security; archive=debian-security; }
  base=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
         awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
  if [[ $base != */debian/ ]]; then
    say "$series skipped: no Debian archive in this machine's apt lists (apt-get update fills them)"
    exit 3
  fi
  base=${base%/debian/}/$archive
  private=$cache/apt-$suite
  mkdir -p "$private/lists/partial" "$private/cache/archives/partial"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $base $suite main" >"$private/sources.list"
  apt+=(-o Dir::Etc::sourcelist="$private/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$private/lists"
        -o Dir::Cache="$private/cache")
  if ! timeout 300 apt-get "${apt[@]}" --error-on=any update >"$private/log" 2>&1; then
    say "$series skipped: $base/dists/$suite is not served ($(grep -m1 '^E:' "$private/log" || echo 'no reason given'))"
    exit 3
  fi
  version=$(newest)
fi
if [[ ! $version ]]; then
  say "$series skipped: no package linux-image-$series*-cloud-amd64 in the apt lists${suite:+ of $suite}"
  exit 3
fi
# Newer kernels are split over several packages: boot file, modules, and lists of what is built in.
mapfile -t packages < <(apt-cache "${apt[@]}" pkgnames linux- |
                        grep -xF -e "linux-image-$version" -e "linux-base-$version" -e "linux-binary-$version" \
                          -e "linux-modules-$version")
say "downloading ${packages[*]}"
work=$cache/new-$series
rm -rf "$work" "$kernel"
mkdir -p "$work/deb" "$work/tree"
if ! (cd "$work/deb" && timeout 600 apt-get "${apt[@]}" download "${packages[@]}") >"$work/log" 2>&1; then
  say "$series skipped: download failed ($(grep -m1 '^E:' "$work/log" || tail -n1 "$work/log"))"
  exit 3
fi
for deb in "$work"/deb/*.deb; do
  dpkg -x "$deb" "$work/tree"
done
modules=$work/kernel/lib/modules/$version
mkdir -p "$modules"
find "$work/tree" -type d -path "*/lib/modules/$version" -exec cp -al {}/. "$modules" \;
boot=$(find "$work/tree" -type f -name 'vmlinuz*' -print -quit)
if [[ ! $boot || ! -d $modules/kernel ]]; then
  say "$series: the packages ${packages[*]} hold no vmlinuz or no modules"
  exit 1
fi
mv "$boot" "$work/kernel/vmlinuz"
PATH=$PATH:/usr/sbin:/sbin depmod -b "$work/kernel" "$version"
echo "$version" >"$work/kernel/version"
mv "$work/kernel" "$kernel"
rm -rf "$work"
echo "$kernel"
