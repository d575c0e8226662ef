#!/usr/bin/env bash
# Makes the release archive and installs it as a user would: from the archive, from beside it, again
# over itself; then everything goes again. Also what install.sh must refuse.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed() { echo "install: $*" >&2; exit 1; }

packaging/release.sh --out "$work/one" > /dev/null
packaging/release.sh --out "$work/two" > /dev/null
archive=$(echo "$work"/one/*.tar.gz)
cmp "$archive" "$work/two/${archive##*/}" || failed "two archives of the same sources differ"

# A home in which somebody has things already.
prefix=$work/home/.local
mkdir -p "$prefix/bin" "$prefix/share/fish"
echo mine > "$prefix/bin/other"
listing() { (cd "$prefix" && find . | LC_ALL=C sort); }
before=$(listing)

# check HOW: what is installed works; then it goes, and all is as before.
check() {
  "$prefix/bin/devbridge" version > /dev/null || failed "$1: the command does not run"
  for file in bash-completion/completions/devbridge zsh/site-functions/_devbridge fish/vendor_completions.d/devbridge.fish; do
    grep -q devbridge "$prefix/share/$file" || failed "$1: no completion in $file"
  done
  ./install.sh --uninstall --prefix "$prefix" > /dev/null
  [ "$(listing)" = "$before" ] || failed "$1: after --uninstall there is: $(listing)"
}

./install.sh --prefix "$prefix" --archive "$archive" > "$work/said"
grep -q "export PATH=\"$prefix/bin:" "$work/said" || failed "nothing is said about PATH"
check "from the archive"

./install.sh --prefix "$prefix" --archive "$archive" > /dev/null
./install.sh --prefix "$prefix" --archive "$archive" > /dev/null
check "twice"

cp install.sh "$work/one/"
"$work/one/install.sh" --prefix "$prefix" > /dev/null
check "from beside the archive"

tar -xzf "$archive" -C "$work"
"$work"/devbridge-*/install.sh --prefix "$prefix" > /dev/null
check "from within the archive"

# refused WHAT COMMAND...: it fails, and nothing is changed.
refused() {
  local what=$1
  shift
  ! "$@" > /dev/null 2>&1 || failed "$what is accepted"
  [ "$(listing)" = "$before" ] || failed "$what: something is left: $(listing)"
}
refused "--uninstall of nothing" ./install.sh --uninstall --prefix "$prefix"
printf x >> "$archive"
refused "a damaged archive" ./install.sh --prefix "$prefix" --archive "$archive"
rm "$archive.sha256"
refused "an archive without a checksum" ./install.sh --prefix "$prefix" --archive "$archive"
echo "install: all as it should be"
