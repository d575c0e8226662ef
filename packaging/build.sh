#!/usr/bin/env bash
# Builds everything that a user needs: devbridge with the agent for the cluster inside it.
#
#   packaging/build.sh [--quick] [--out DIR]
#
# DIR (target/dist) then holds
#   devbridge      the command, with the next two embedded
#   bootstrap      the first program of an agent's container
#   agent.gz       the agent, compressed as it travels
#   traffic-agent  the agent, to look at
#
# --quick optimises little: larger and slower programs in a third of the time, for work on tests.
set -euo pipefail
cd "$(dirname "$0")/.."

out=target/dist
profile=release
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?--out needs a directory}; shift 2 ;;
    --quick) profile=quick; shift ;;
    *) echo "usage: packaging/build.sh [--quick] [--out DIR]" >&2; exit 64 ;;
  esac
done
mkdir -p "$out"
out=$(cd "$out" && pwd)
target=${CARGO_TARGET_DIR:-$PWD/target}
triple=$(rustc -vV | sed -n 's/^host: //p')
case $triple in
  *-unknown-linux-gnu) ;;
  *) echo "devbridge is built on Linux with glibc; this is $triple" >&2; exit 1 ;;
esac

# Replaces a file in one step: somebody may be running the old one. The same file stays as it is, and what is built
# from it, too.
put() { cmp -s "$1" "$2" || { cp "$1" "$2.new" && mv "$2.new" "$2"; }; }

# The builder's directories stay out of what is built.
flags=(--remap-path-prefix "${CARGO_HOME:-$HOME/.cargo}=/cargo" --remap-path-prefix "$PWD=/devbridge")
rustflags() { (IFS=$'\x1f'; echo "$*"); }

# In CI what is built is what Cargo.lock says; at work it may follow a Cargo.toml.
build=(cargo build ${CI:+--locked})

# Free of the standard library, with features of its own: see traffic-agent/bootstrap/Cargo.toml.
CARGO_ENCODED_RUSTFLAGS=$(rustflags "${flags[@]}") CARGO_TARGET_DIR=$target/bootstrap \
  "${build[@]}" --release --manifest-path traffic-agent/bootstrap/Cargo.toml
put "$target/bootstrap/release/bootstrap" "$out/bootstrap"

# Static, so that any image and any distribution will do. A static program cannot look up symbols at
# run time, which is how the crate would find getrandom(2).
flags+=(-C target-feature=+crt-static --cfg 'getrandom_backend="linux_getrandom"')
CARGO_ENCODED_RUSTFLAGS=$(rustflags "${flags[@]}")
export CARGO_ENCODED_RUSTFLAGS
# Both packages are named each time, so that what they share is built once, with the same features.
# Always with --target: without it these flags would be those of build scripts and macros, too.
build+=(--profile "$profile" --target "$triple" -p devbridge-traffic-agent -p devbridge)
if [ $profile = quick ]; then
  for setting in 'inherits="release"' opt-level=1 lto=false codegen-units=16; do
    build+=(--config "profile.quick.$setting")
  done
fi

"${build[@]}" --bin traffic-agent
put "$target/$triple/$profile/traffic-agent" "$out/traffic-agent"
gzip -9nc "$out/traffic-agent" > "$out/agent.gz.packed"
put "$out/agent.gz.packed" "$out/agent.gz"
rm -f "$out/agent.gz.packed"

DEVBRIDGE_BUNDLE=$out "${build[@]}" --bin devbridge
put "$target/$triple/$profile/devbridge" "$out/devbridge"

ls -l "$out" | awk 'NR > 1 { printf "%10d KiB  %s\n", $5 / 1024, $NF }' >&2
