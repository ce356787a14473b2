# Boots systemd on a copy of this machine's root: namespaces of its own, an overlay whose changes go to upper/, a
# group of processes of its own. Runs upper/trial/script there and leaves trial/code, trial/log and trial/journal.
#
#   unshare --mount sh machine.sh FOLDER     # as root; FOLDER holds upper/trial/script
set -eu
cd "$1"
mkdir -p work root groups
mount -t cgroup2 none groups
group=groups/forebay-trial-$$
mkdir "$group"

cat >boot <<'BOOT'
set -eu
echo 0 >"$1/cgroup.procs"
exec timeout -s KILL 240 unshare --mount --pid --cgroup --uts --ipc --net --fork --kill-child sh inside
BOOT

cat >inside <<'INSIDE'
set -eu
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
cd root
mount -t proc proc proc
mount -o bind,ro proc/sys proc/sys
mount -t tmpfs tmpfs sys
mkdir -p sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs dev
for name in null zero full random urandom tty console; do
  touch dev/$name
  from=$name
  [ $name != console ] || from=null
  mount --bind /dev/$from dev/$name
done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts devpts dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t mqueue mqueue dev/mqueue
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
ip link set lo up
# Where this machine forbids packages to start services, that is not meant.
rm -f usr/sbin/policy-rc.d

mkdir -p etc/systemd/system
cat >etc/systemd/system/trial.service <<'UNIT'
[Unit]
After=basic.target
Requires=basic.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'bash -eu /trial/script >/trial/log 2>&1; echo $? >/trial/code'
ExecStopPost=/bin/sh -c 'journalctl --no-pager >/trial/journal; systemctl --force --force poweroff'
UNIT
# Nothing of the machine itself is wanted but the manager, the journal and what the trial starts.
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-tmpfiles-setup-dev.service \
  systemd-modules-load.service systemd-sysctl.service systemd-timesyncd.service systemd-networkd.service \
  systemd-resolved.service cron.service ssh.service timers.target; do
  ln -sf /dev/null etc/systemd/system/$unit
done
# Not chroot: in one, nobody may make namespaces of users.
pivot_root . mnt
umount -l /mnt
exec env -i container=forebay PATH="$PATH" /lib/systemd/systemd --system --unit=trial.service
INSIDE

code=0
sh boot "$group" </dev/null || code=$?
find "$group" -depth -type d -exec rmdir {} \;
umount groups
# How the machine ended is not how the trial did; without its code it never got there.
[ -e upper/trial/code ] || { echo "the machine did not boot: $code" >&2; exit 1; }
