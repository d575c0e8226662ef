#!/bin/sh
# Installs the Debian or Ubuntu packages that are missing, and nothing when none is.
#   prerequisites.sh build     to compile devbridge (Rust and Go are there already)
#   prerequisites.sh cluster   to run the test cluster
# Several words may be given.
set -eu

missing=
# lacks PROGRAM PACKAGE
lacks() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" > /dev/null 2>&1 || missing="$missing $2"
}
for what in "$@"; do
    case $what in
        build)
            lacks cc gcc
            lacks git git
            [ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
            ;;
        cluster)
            lacks containerd containerd
            lacks runc runc
            lacks nft nftables
            lacks iptables iptables
            [ -e /usr/lib/cni/bridge ] || [ -e /opt/cni/bin/bridge ] || missing="$missing containernetworking-plugins"
            ;;
        *)
            echo "usage: prerequisites.sh [build] [cluster]" >&2
            exit 2
            ;;
    esac
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get > /dev/null 2>&1; then
    echo "missing:$missing (no apt-get here: install them your way)" >&2
    exit 1
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # several packages
$sudo apt-get install -qq -y --no-install-recommends $missing > /dev/null 2>&1 || {
    # Lists that are old or not there.
    $sudo apt-get update -qq
    $sudo apt-get install -qq -y --no-install-recommends $missing > /dev/null
}
