#!/usr/bin/env bash
# A command on a machine of its own, as far as kerf sees it: mounts, /run, BPF file system and cgroups of nobody else.
#   alone.sh COMMAND…
set -u
root=$(awk '$3 == "cgroup2" {print $2}' /proc/mounts | tail -n 1)
own=$root/golden-$$
mkdir "$own"
(
  echo "$BASHPID" > "$own/cgroup.procs"
  exec unshare -m -C bash -c '
    for type in bpf cgroup2; do
      for m in $(awk -v type=$type "\$3 == type {print \$2}" /proc/mounts); do umount -l "$m"; done
    done
    mount -t cgroup2 none "$1" && mount -t tmpfs none /run && mount -t bpf bpf /sys/fs/bpf || exit 1
    shift
    exec "$@"' alone "$root" "$@"
)
status=$?
find "$own" -depth -type d -exec rmdir {} + 
exit $status
