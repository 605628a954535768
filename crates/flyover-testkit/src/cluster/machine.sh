#!/bin/sh
# The first process of a machine of the rig: joins the machine's control groups, gives it a file system view and a name
# of its own, and becomes the process that buries orphans.
#
# It is started in new namespaces (mount, uts, ipc, pid), its working directory is the machine's folder, and its
# arguments are the machine's name, that last process and the control groups as FOLDER=OPTIONS, one a hierarchy of
# version 1, or the one of version 2 as FOLDER=cgroup2.
set -eu
name=$1 pause=$2 folder=$(pwd)
shift 2

if [ "${grouped:-}" != yes ]; then
	for group; do echo 0 >"${group%%=*}/cgroup.procs"; done
	grouped=yes exec unshare --cgroup sh "$0" "$name" "$pause" "$@"
fi
case $1 in
*=cgroup2) unified=${1%=cgroup2} ;;
*) unified= ;;
esac
if [ -n "$unified" ]; then
	# This group is the root from here on, and it hands on nothing as long as it has processes itself.
	echo 0 >"$unified/rig/cgroup.procs"
	sed 's/[^ ][^ ]*/+&/g' "$unified/cgroup.controllers" >"$unified/cgroup.subtree_control"
fi

mount -t proc proc /proc
umount --lazy /sys
# Whoever looks for a hierarchy takes the first of the list, and has to find what this machine sees of it.
for place in $(awk '/ - cgroup2? / { print $5 }' /proc/self/mountinfo); do umount --lazy "$place"; done
mount -t sysfs sysfs /sys
if [ -n "$unified" ]; then
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	shift
else
	mount -t tmpfs -o mode=755 groups /sys/fs/cgroup
fi
for group; do
	hierarchy=${group#*=}
	# Where programs look for it: by the names of its controllers, or by its own.
	place=/sys/fs/cgroup/${hierarchy#none,name=}
	mkdir "$place"
	mount -t cgroup -o "$hierarchy" cgroup "$place"
done
mount -t tmpfs -o mode=755 run /run
mkdir /run/netns /run/lock /run/rig

# What a node writes to stays on its own disk, through reboots.
for tree in boot etc opt usr var/lib var/log; do
	disk=$folder/disk/overlay/$(echo "$tree" | tr / -)
	rm -rf "$disk/work"
	mkdir -p "$disk/work" "$disk/upper"
	mount -t overlay overlay -o "lowerdir=/$tree,upperdir=$disk/upper,workdir=$disk/work" "/$tree"
done
# Images and pods are overlays themselves, which the kernel does not lay upon an overlay.
for tree in var/lib/containerd var/lib/kubelet var/lib/cni var/log/pods var/log/containers; do
	mkdir -p "/$tree" "$folder/disk/$tree"
	mount --bind "$folder/disk/$tree" "/$tree"
done

# Devices are the machine's, but what is made beside them is not. Huge pages are mounted as systemd would.
mkdir /run/rig/dev
mount --rbind /dev /run/rig/dev
disk=$folder/disk/overlay/dev
rm -rf "$disk"
mkdir -p "$disk/work" "$disk/upper"
mount -t overlay overlay -o "lowerdir=/dev,upperdir=$disk/upper,workdir=$disk/work" /dev
for part in pts shm; do mount --rbind "/run/rig/dev/$part" "/dev/$part"; done
umount --recursive --lazy /run/rig/dev
mkdir -p /dev/hugepages
mount -t hugetlbfs hugetlbfs /dev/hugepages

# What kubelet would set for the whole machine is as it wants it, in the eyes of this machine only.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
	kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
	file=$folder/sysctl/${setting%=*}
	mkdir -p "${file%/*}"
	echo "${setting#*=}" >"$file"
	mount --bind "$file" "/proc/sys/${setting%=*}"
done

# Pods that mount for the node ask for shared mounts.
mount --make-rshared /
hostname "$name"
printf '127.0.0.1 localhost %s\n' "$name" >/etc/hosts
: >/etc/resolv.conf.pods
touch "$folder/ready"
exec "$pause"
