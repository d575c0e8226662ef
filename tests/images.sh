#!/bin/sh
# Builds the programs that run in test clusters, and writes an image of each to target/images.
# Most images hold one static file and nothing else; tests also run some of them on the laptop (target/images/bin).
#   images.sh [all|shop|programs]     all: default; shop: without the tests' own; programs: the shop's, and no images
set -eu
cd "$(dirname "$0")/.."
what=${1:-all}
host=$(rustc -vV | sed -n 's/^host: //p')
packages="-p devbridge-examples"
programs="shop-web shop-catalog shop-stock shop-visitor"
if [ "$what" = all ]; then
    packages="$packages -p devbridge-test-tool"
    programs="$programs tool"
fi
# A target of its own name, so that the flags for a static file do not touch build scripts.
# shellcheck disable=SC2086 # several words each
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" \
    cargo build --release --quiet --target "$host" $packages --bins
built=${CARGO_TARGET_DIR:-target}/$host/release
out=target/images
mkdir -p "$out/bin"
for program in $programs; do
    # One that runs just now is replaced, and not written to.
    cp -f "$built/$program" "$out/bin/$program"
done
[ "$what" != programs ] || exit 0
image() { # NAME ENTRYPOINT FILE…
    name=$1 entrypoint=$2
    shift 2
    files=
    for file in "$@"; do files="$files $out/bin/$file=/$file"; done
    # shellcheck disable=SC2086 # several words
    tests/cluster/bin/cluster image -o "$out/$name.tar" --name "${DEVBRIDGE_TEST_IMAGES:-devbridge.test}/$name:1" \
        --entrypoint "$entrypoint" $files
}
image shop-web /shop-web shop-web shop-visitor
image shop-catalog /shop-catalog shop-catalog
image shop-stock /shop-stock shop-stock
[ "$what" = all ] || exit 0
image tool /tool tool
# As usual images are: a shell, an interpreter, a program in /app that its user owns, and a folder that root owns.
busybox=$(command -v busybox)
links=
for applet in sh cat ls tar touch rm mkdir chmod sha256sum find; do links="$links --link /bin/$applet=busybox"; done
# shellcheck disable=SC2086 # several words
tests/cluster/bin/cluster image -o "$out/app.tar" --name "${DEVBRIDGE_TEST_IMAGES:-devbridge.test}/app:1" \
    --entrypoint /bin/sh --cmd /app/run.sh --workdir /app --user 65532 --env PATH=/bin \
    --dir /app:0755:65532 --dir /tmp:1777 $links "$busybox=/bin/busybox:0755" "$out/bin/tool=/tool" \
    tests/app/run.sh=/app/run.sh:0644:65532 tests/app/index.html=/srv/index.html
