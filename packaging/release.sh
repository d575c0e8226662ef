#!/usr/bin/env bash
# Makes the archive that install.sh unpacks, the same bytes for the same sources.
#
#   packaging/release.sh [--out DIR]      DIR is target/release-archives by default
#
# Holds the command, its completions, README, licence and install.sh. Beside it: FILE.sha256.
set -euo pipefail
cd "$(dirname "$0")/.."

out=target/release-archives
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?--out needs a directory}; shift 2 ;;
    *) echo "usage: packaging/release.sh [--out DIR]" >&2; exit 64 ;;
  esac
done

packaging/build.sh
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
case $(uname -m) in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) arch=$(uname -m) ;;
esac
name=devbridge-$version-linux-$arch
# The time of the sources, not of the build.
time=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/$name/completions" "$out"
cp target/dist/devbridge install.sh LICENSE README.md "$stage/$name/"
target/dist/devbridge completion bash > "$stage/$name/completions/devbridge.bash"
target/dist/devbridge completion zsh > "$stage/$name/completions/_devbridge"
target/dist/devbridge completion fish > "$stage/$name/completions/devbridge.fish"

LC_ALL=C tar --create --format=ustar --sort=name --mtime="@$time" --owner=0 --group=0 --numeric-owner \
  --mode='u=rwX,go=rX' --directory "$stage" "$name" | gzip -9n > "$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")
echo "$out/$name.tar.gz"
