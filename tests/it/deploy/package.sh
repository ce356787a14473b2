# What happens to a machine on which the package is installed, used, upgraded and purged.
# bash -eux, as root, with systemd running; the packages are in /trial.

until_true() {
  for _ in $(seq 300); do
    if "$@"; then return; fi
    sleep 0.1
  done
  echo "waited 30 s for: $*" >&2
  journalctl --no-pager -u forebay >&2
  return 1
}
send() { curl -sS --fail-with-body --retry 20 --retry-connrefused --json "{\"said\": \"$1\"}" http://127.0.0.1:9880/app.web; }
has_arrived() { grep -qrs "$1" /var/log/forebay/app.web/; }
pid() { systemctl show --property MainPID --value forebay; }
is_another() { [ "$(pid)" != "$1" ] && [ "$(pid)" != 0 ]; }
is_ready() { curl -sS --fail http://127.0.0.1:2020/readyz; }

echo "== installed: enabled and started, as its own user, shut in"
dpkg -i /trial/first.deb
systemctl is-enabled forebay
systemctl is-active forebay
[ "$(stat -c %U "/proc/$(pid)")" = forebay ]
grep -q "^NoNewPrivs:.1$" "/proc/$(pid)/status"
grep -q "^Seccomp:.2$" "/proc/$(pid)/status"
grep -q "^CapBnd:.0000000000000000$" "/proc/$(pid)/status"
[ "$(stat -c %U:%G:%a /etc/forebay/forebay.yaml)" = root:forebay:640 ]
[ "$(stat -c %U:%G:%a /var/lib/forebay)" = forebay:forebay:750 ]
(cd / && md5sum --check --quiet /var/lib/dpkg/info/forebay.md5sums)
forebay --version
zcat /usr/share/doc/forebay/changelog.Debian.gz | grep -q "^forebay (0"
zcat /usr/share/man/man1/forebay-ctl-hold.1.gz | grep -q "forebay.ctl.hold"
bash -n /usr/share/bash-completion/completions/forebay

echo "== an event passes through"
is_ready
send one
until_true has_arrived one

echo "== killed: it comes back by itself"
before=$(pid)
kill -9 "$before"
until_true is_another "$before"
until_true is_ready
send two
until_true has_arrived two

echo "== a reload takes a valid file, and refuses another with the reason"
before=$(pid)
sed -i 's/%Y%m%d.ndjson/%Y%m%d.reloaded/' /etc/forebay/forebay.yaml
systemctl reload forebay
is_ready
send "after the reload"
until_true grep -qrs --include='*.reloaded' "after the reload" /var/log/forebay/app.web/
sed -i 's/flush_interval/flush_intervall/' /etc/forebay/forebay.yaml
if systemctl reload forebay; then exit 1; fi
journalctl --no-pager -u forebay | grep -q "flush_intervall"
systemctl is-active forebay
[ "$(pid)" = "$before" ]
sed -i 's/flush_intervall/flush_interval/' /etc/forebay/forebay.yaml

echo "== stuck: the watchdog ends it, and it comes back"
mkdir -p /etc/systemd/system/forebay.service.d
printf '[Service]\nWatchdogSec=2s\n' >/etc/systemd/system/forebay.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart forebay
before=$(pid)
kill -STOP "$before"
until_true is_another "$before"
journalctl --no-pager -u forebay | grep -q "Watchdog timeout"
rm -r /etc/systemd/system/forebay.service.d
systemctl daemon-reload

echo "== an upgrade keeps a configuration that was changed, and starts the new program"
sed -i 's/^    type: file$/    type: forward/; s/^    path: .*$/    servers: ["127.0.0.1:9"]/' /etc/forebay/forebay.yaml
chmod 600 /etc/forebay/forebay.yaml
chown forebay /etc/forebay/forebay.yaml
before=$(pid)
dpkg -i /trial/second.deb </dev/null
[ "$(pid)" != "$before" ]
systemctl is-active forebay
grep -q 'servers: \["127.0.0.1:9"\]' /etc/forebay/forebay.yaml
[ "$(stat -c %U:%a /etc/forebay/forebay.yaml)" = forebay:600 ]
dpkg-query -W -f '${Version}\n' forebay | grep -q -- "-2$"

echo "== removed and purged with something undelivered: that stays"
send three
dpkg -r forebay
[ ! -e /usr/bin/forebay ]
[ -e /etc/forebay/forebay.yaml ]
dpkg -P forebay 2>&1 | tee /tmp/purge
grep -q "/var/lib/forebay is not empty" /tmp/purge
[ ! -e /etc/forebay/forebay.yaml ]
[ -z "$(dpkg-query -W -f '${Status}' forebay 2>/dev/null)" ]
[ -n "$(find /var/lib/forebay -name '*.chunk')" ]
id forebay
if systemctl is-enabled forebay; then exit 1; fi

echo "== installed again: it is delivered"
if has_arrived three; then exit 1; fi
dpkg -i /trial/first.deb
until_true has_arrived three
for said in one two three; do
  [ "$(cat /var/log/forebay/app.web/* | grep -c "\"$said\"")" = 1 ]
done
systemctl stop forebay
[ "$(systemctl show --property Result --value forebay)" = success ]
