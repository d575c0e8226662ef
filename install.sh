#!/bin/sh
# Installs devbridge for one user, without root.
#
#   install.sh [--prefix DIR] [--archive FILE]    DIR is ~/.local by default
#   install.sh --uninstall [--prefix DIR]
#
# Installs from FILE, or from the unpacked archive that it is in, or from an archive that lies beside
# it, or else builds from source in the checkout that it is in. What it makes is written down in
# DIR/share/devbridge/installed, and --uninstall removes exactly that.
set -eu

prefix=${HOME:?}/.local
archive=
uninstall=
usage() { sed -n '4,5s/^# *//p' "$0"; }
say() { printf '%s\n' "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case $1 in
    --prefix) [ $# -ge 2 ] || die "--prefix needs a directory"; prefix=$2; shift 2 ;;
    --archive) [ $# -ge 2 ] || die "--archive needs a file"; archive=$2; shift 2 ;;
    --uninstall) uninstall=yes; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 64 ;;
  esac
done
case $prefix in
  /*) ;;
  *) prefix=$PWD/$prefix ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
list=$prefix/share/devbridge/installed

# --- what was installed ----------------------------------------------------------------------------

# Each line of the list is a path below the prefix; directories end in a slash and stand before what
# is in them. From the end to the beginning, each one can go when its turn comes.
remove() {
  [ -f "$list" ] || die "devbridge is not installed in $prefix (no $list)"
  lines=$(sed -n '1!G;h;$p' "$list")
  printf '%s\n' "$lines" | while IFS= read -r path; do
    case $path in
      /* | *..*) die "not a list of installed files: $list" ;;
      */) rmdir "$prefix/$path" 2>/dev/null || : ;; # somebody else uses it
      ?*) rm -f "$prefix/$path" ;;
    esac
  done
  # The prefix itself is on the list of none.
  say "devbridge is removed from $prefix"
}

# Writes down a path below the prefix, once.
note() { grep -qxF -e "$1" "$list" 2>/dev/null || printf '%s\n' "$1" >> "$list"; }

# Makes a directory below the prefix, one level after the other, and writes down those that are new.
directory() {
  rest=$1 path=
  while [ -n "$rest" ]; do
    path=$path${rest%%/*}/
    rest=${rest#*/}
    [ -d "$prefix/$path" ] && continue
    mkdir "$prefix/$path"
    made="$made$path
"
    [ ! -f "$list" ] || note "$path"
  done
}

# put PATH MODE: standard input becomes a file below the prefix, in one step.
put() {
  directory "${1%/*}/"
  cat > "$prefix/$1.new"
  chmod "$2" "$prefix/$1.new"
  mv -f "$prefix/$1.new" "$prefix/$1"
  note "$1"
}

# --- where it comes from ---------------------------------------------------------------------------

architecture() {
  [ "$(uname -s)" = Linux ] || die "devbridge runs on Linux (WSL2 is Linux), this is $(uname -s)"
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) die "there is no devbridge for $(uname -m)" ;;
  esac
}

# Unpacks an archive whose checksum lies beside it; prints the directory of its files.
unpack() {
  [ -f "$1" ] || die "no such archive: $1"
  [ -f "$1.sha256" ] || die "no checksum beside the archive: $1.sha256"
  (cd "$(dirname "$1")" && sha256sum -c "$(basename "$1").sha256" > /dev/null 2>&1) ||
    die "the archive is damaged or not the one of its checksum: $1"
  # The checksum file must speak of this very archive.
  grep -qF -e "$(basename "$1")" "$1.sha256" || die "$1.sha256 is the checksum of another file"
  tar -xzf "$1" -C "$work"
  printf '%s\n' "$work"/devbridge-*
}

# Prints the path of the command to install.
program() {
  beside=
  for file in "$here"/devbridge-*-linux-"$(architecture)".tar.gz; do
    [ -f "$file" ] && beside=$file
  done
  if [ -n "$archive" ]; then
    files=$(unpack "$archive") || exit 1
    say "$files/devbridge"
  elif [ -f "$here/devbridge" ]; then
    say "$here/devbridge"
  elif [ -n "$beside" ]; then
    files=$(unpack "$beside") || exit 1
    say "$files/devbridge"
  elif [ -x "$here/packaging/build.sh" ]; then
    command -v cargo > /dev/null || die "building needs Rust: see https://rustup.rs"
    "$here/packaging/build.sh" --out "$here/target/dist" >&2
    say "$here/target/dist/devbridge"
  else
    die "nothing to install: no archive given, and none beside install.sh"
  fi
}

# --- what it does ----------------------------------------------------------------------------------

if [ -n "$uninstall" ]; then
  remove
  exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
architecture > /dev/null
from=$(program) || exit 1
version=$("$from" version) || die "this program does not run here: $from"

mkdir -p "$prefix"
made=
directory share/devbridge/
[ -f "$list" ] || printf '%s' "$made" > "$list"
# Its own line comes first of all files, so that it goes last.
note share/devbridge/installed
put bin/devbridge 755 < "$from"
command=$prefix/bin/devbridge
"$command" completion bash | put share/bash-completion/completions/devbridge 644
"$command" completion zsh | put share/zsh/site-functions/_devbridge 644
"$command" completion fish | put share/fish/vendor_completions.d/devbridge.fish 644

say "$version is installed: $command"
case :$PATH: in
  *":$prefix/bin:"*) ;;
  *) say "put it on your PATH, for example in ~/.profile:" "" "  export PATH=\"$prefix/bin:\$PATH\"" "" ;;
esac
say "zsh finds completions with: fpath+=($prefix/share/zsh/site-functions)"
say "to remove it: $0 --uninstall --prefix $prefix"
