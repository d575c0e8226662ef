#!/usr/bin/env bash
# Builds everything that a user needs: devbridge with the agent for the cluster inside it.
#
#   packaging/build.sh [--out DIR]
#
# DIR (target/dist) then holds
#   devbridge      the command, with the next two embedded
#   bootstrap      the first program of an agent's container
#   agent.gz       the agent, compressed as it travels
#   traffic-agent  the agent, to look at
set -euo pipefail
cd "$(dirname "$0")/.."

out=target/dist
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?--out needs a directory}; shift 2 ;;
    *) echo "usage: packaging/build.sh [--out DIR]" >&2; exit 64 ;;
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

# In CI what is built is what Cargo.lock says; at work it may follow a Cargo.toml.
locked=${CI:+--locked}

# Replaces a file in one step: somebody may be running the old one.
put() { cp "$1" "$2.new" && mv "$2.new" "$2"; }

# The builder's directories stay out of what is built.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
flags=(--remap-path-prefix "$cargo_home=/cargo" --remap-path-prefix "$PWD=/devbridge")
rustflags() { (IFS=$'\x1f'; echo "$*"); }

# Free of the standard library, with features of its own: see traffic-agent/bootstrap/Cargo.toml.
CARGO_ENCODED_RUSTFLAGS=$(rustflags "${flags[@]}") CARGO_TARGET_DIR=$target/bootstrap cargo build $locked --release --manifest-path traffic-agent/bootstrap/Cargo.toml
put "$target/bootstrap/release/bootstrap" "$out/bootstrap"

# Static, so that any image and any distribution will do. A static program cannot look up symbols at
# run time, which is how the crate would find getrandom(2).
flags+=(-C target-feature=+crt-static --cfg 'getrandom_backend="linux_getrandom"')
CARGO_ENCODED_RUSTFLAGS=$(rustflags "${flags[@]}")
export CARGO_ENCODED_RUSTFLAGS
# Both packages are named each time, so that what they share is built once, with the same features.
# Always with --target: without it these flags would be those of build scripts and macros, too.
build=(cargo build $locked --release --target "$triple" -p devbridge-traffic-agent -p devbridge --bin)

"${build[@]}" traffic-agent
put "$target/$triple/release/traffic-agent" "$out/traffic-agent"
gzip -9nc "$out/traffic-agent" > "$out/agent.gz.new"
mv "$out/agent.gz.new" "$out/agent.gz"

DEVBRIDGE_BUNDLE=$out "${build[@]}" devbridge
put "$target/$triple/release/devbridge" "$out/devbridge"

ls -l "$out" | awk 'NR > 1 { printf "%10d KiB  %s\n", $5 / 1024, $NF }' >&2
