#!/usr/bin/env bash
# Runs a command on this machine as on a slower one: real-time loops take PERCENT of each processor meanwhile.
#
#   tests/slower.sh PERCENT COMMAND...
#
# For tests that fail elsewhere and not here: with 40, everything takes about 1.7 times as long, with 60 2.5 times. Needs
# root, and the tool that tests/images.sh makes.
set -euo pipefail

[[ $# -ge 2 && $1 =~ ^([1-9]|[1-8][0-9]|90)$ ]] || { sed -n 's/^#   //p' "$0" >&2; echo "PERCENT is 1 to 90" >&2; exit 64; }
percent=$1
shift
tool=$(cd "$(dirname "$0")/.." && pwd)/target/images/bin/tool
[ -x "$tool" ] || { echo "no $tool: run tests/images.sh first" >&2; exit 1; }

loops=()
trap 'kill "${loops[@]}" 2> /dev/null || true' EXIT
for cpu in $(seq 0 $(($(nproc) - 1))); do
  chrt --fifo 1 taskset --cpu-list "$cpu" "$tool" busy --percent "$percent" --seconds 7200 &
  loops+=($!)
done
"$@"
