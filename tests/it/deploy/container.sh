# Builds deploy/container/Containerfile and runs what it makes, without a registry: the two base images are made of
# programs of this machine, and in that of the build stage `cargo` hands out the program that is tested.
#
#   unshare --mount --net --pid --fork --mount-proc bash -eu container.sh SOURCES PROGRAM FOLDER     # as root
sources=$1 program=$2 folder=$3
ip link set lo up
export BUILDAH_ISOLATION=chroot
buildah() { command buildah --root "$folder/images" --runroot "$folder/run" "$@"; }

# with_programs ROOT NAME...: puts programs with their libraries there.
with_programs() {
  local root=$1
  shift
  mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/var/lib"
  ln -sfn bin "$root/sbin"
  for name in "$@"; do
    cp -L "$(command -v "$name")" "$root/bin/"
    ldd "$(command -v "$name")" | grep -o '/[^ ]*' | while read -r library; do
      mkdir -p "$root$(dirname "$library")"
      [ -e "$root$library" ] || cp -L "$library" "$root$library"
    done
  done
}

base=$(buildah from scratch)
root=$(buildah mount "$base")
with_programs "$root" sh mkdir chown
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  [ -e "$root$library" ] || cp -L "$library" "$root$library"
done
buildah commit -q "$base" localhost/runtime
with_programs "$root" cp
cp "$program" "$root/program"
cat >"$root/bin/cargo" <<'CARGO'
#!/bin/sh -eu
[ "$*" = "build --locked --profile dist --bin forebay" ]
[ -f Cargo.lock ] && [ -f src/main.rs ] && [ -f storage/Cargo.toml ] && [ ! -e .git ] && [ ! -e target ]
mkdir -p target/dist
cp /program target/dist/forebay
CARGO
chmod 755 "$root/bin/cargo"
buildah umount "$base" >/dev/null
buildah commit -q "$base" localhost/build
buildah rm "$base" >/dev/null

cd "$sources"
buildah build -q -f deploy/container/Containerfile --pull-never -t localhost/forebay \
  --build-arg BUILD=localhost/build --build-arg RUNTIME=localhost/runtime . >/dev/null
told() { buildah inspect --type image --format "{{.OCIv1.Config.$1}}" localhost/forebay; }
[ "$(told User)" = 65532:65532 ]
[ "$(told StopSignal)" = SIGTERM ]
[ "$(told Entrypoint)" = "[/usr/bin/forebay]" ]
[ "$(told Cmd)" = "[run -c /etc/forebay/forebay.yaml]" ]
[ "$(told Volumes)" = "map[/var/lib/forebay:{}]" ]

container=$(buildah from --pull-never localhost/forebay)
buildah run "$container" -- /usr/bin/forebay run -c /etc/forebay/forebay.yaml >"$folder/printed" 2>"$folder/log" &
running=$!
curl -sS --fail-with-body --retry 100 --retry-delay 1 --retry-connrefused --json '{"said": "hello"}' http://127.0.0.1:9880/app.test
for _ in $(seq 300); do
  if grep -q hello "$folder/printed"; then break; fi
  sleep 0.1
done
grep -q hello "$folder/printed"
pid=$(pidof forebay)
[ "$(stat -c %u "/proc/$pid")" = 65532 ]
# Processes of this namespace only.
kill -TERM "$pid"
wait "$running"
