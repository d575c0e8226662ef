#!/usr/bin/env bash
# Runs every test and every check, on a fresh machine too, and says how long each took.
#
#   tests/run.sh [checks] [unit] [cluster]      default: all three
#
# checks: format, lints, documentation, who depends on whom. unit: everything that needs no cluster.
# cluster: devbridge as users meet it, on a real Kubernetes (see tests/cluster). Needs Linux, Rust, Go
# and root (or sudo); what else is missing is installed where there is apt-get.
#
# A test that is skipped or ignored counts as failed: nobody reads what did not run. The last line is
# `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."

parts=" ${*:-checks unit cluster} "
logs=target/test-logs
rm -rf "$logs"
mkdir -p "$logs"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -E env "PATH=$PATH" "$@"; fi; }

wanted() { [[ $parts = *" $1 "* ]]; }

# --- steps -----------------------------------------------------------------------------------------

rows=()
passed=0
failed=0

# step KIND NAME COMMAND...: runs one, shows and keeps what it prints, never ends the run.
# KIND check: counts as one. KIND suite: its tests are counted, and there must be some.
step() {
  local kind=$1 name=$2 log=$logs/${2// /-}.log started=$SECONDS status=0 good bad
  shift 2
  printf '\n=== %s\n' "$name"
  "$@" > >(tee "$log") 2>&1 || status=$?
  wait $! # for tee, which may still write
  if [ "$kind" = check ]; then
    good=$((status == 0)) bad=$((status != 0))
  else
    read -r good bad < <(count "$log")
    if [ $((good + bad)) = 0 ]; then echo "no test ran" && bad=1; fi
    if [ $status != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
  fi
  passed=$((passed + good)) failed=$((failed + bad))
  rows+=("$(printf '%-34s %5d s %6d passed %4d failed' "$name" $((SECONDS - started)) "$good" "$bad")")
  [ "$bad" = 0 ]
}

# Passed and failed tests in a log of cargo, of the cluster tests or of Go; skipped ones have failed.
count() {
  awk '
    /^test result: .* passed; [0-9]+ failed; [0-9]+ ignored/ {
      for (i = 2; i <= NF; i++) {
        if ($i ~ /^passed/) good += $(i - 1)
        if ($i ~ /^(failed|ignored)/) bad += $(i - 1)
      }
    }
    /^test .* \.\.\. ok \([0-9.]+ s\)$/ { good++ }
    /^test .* \.\.\. FAILED \([0-9.]+ s\)$/ { bad++ }
    /^--- PASS/ { good++ }
    /^--- FAIL/ || /^ *--- SKIP/ { bad++ }
    END { print good + 0, bad + 0 }' "$1"
}

# --- what the machine must have --------------------------------------------------------------------

prepare() {
  local program missing=()
  for program in cargo go; do
    command -v $program > /dev/null || { echo "missing: $program" >&2; return 1; }
  done
  export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
  for pair in cc:gcc ip:iproute2 nft:nftables iptables:iptables conntrack:conntrack tmux:tmux \
    unshare:util-linux containerd:containerd runc:runc busybox:busybox-static; do
    command -v "${pair%:*}" > /dev/null || missing+=("${pair#*:}")
  done
  [ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || missing+=(containernetworking-plugins)
  [ ${#missing[@]} = 0 ] && return 0
  command -v apt-get > /dev/null || { echo "missing: ${missing[*]}" >&2; return 1; }
  as_root apt-get update -q &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# --- checks ----------------------------------------------------------------------------------------
# Steps run where errexit has no effect: each of their lines must hand on its failure.

# In the package that is no member of the workspace.
bootstrap() { (cd traffic-agent/bootstrap && CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-../../target}/bootstrap "$@"); }

format() {
  local unformatted
  cargo fmt --all --check && bootstrap cargo fmt --check && unformatted=$(gofmt -l tests/cluster) || return
  [ -z "$unformatted" ] || { echo "gofmt: $unformatted"; return 1; }
}

lock_files() {
  cargo metadata --locked --format-version 1 > /dev/null && bootstrap cargo metadata --locked --format-version 1 > /dev/null
}

scripts() {
  local script
  for script in $(git ls-files '*.sh' .ci/run); do
    case $(head -n 1 "$script") in
      *bash) bash -n "$script" ;;
      *) sh -n "$script" ;;
    esac || return
  done
}

# The repository speaks of the product alone: nothing of the machine that it was written on.
leaks() {
  local word
  for word in "$PWD/" "$HOME/." "$(hostname)"; do
    # Short or usual words are found everywhere, and say nothing.
    case $word in
      /*/*/ | "$HOME/.") ;;
      /* | localhost* | ? | ?? | ??? | ???? | ?????) continue ;;
    esac
    if git grep -n -I -F -e "$word"; then echo "the repository names $word"; return 1; fi
  done
}

lints() {
  cargo clippy --workspace --all-targets -- -D warnings &&
    bootstrap cargo clippy --all-targets -- -D warnings
}

# Who reads it works on the programs: private items belong to it, and may be linked to.
documentation() {
  local -x RUSTDOCFLAGS='-D warnings -A rustdoc::private-intra-doc-links'
  cargo doc --workspace --no-deps --document-private-items && bootstrap cargo doc --no-deps --document-private-items
}

# --- tests -----------------------------------------------------------------------------------------

# Always the whole workspace, with other targets: another choice of packages means other features of
# what they depend on, and all of it built again.
unit_tests() {
  cargo test --workspace --lib --bins --no-fail-fast && cargo test --workspace --doc --no-fail-fast
}

integration_tests() {
  local name names=()
  for name in $(cargo test --workspace --no-run 2>&1 |
    sed -n '/Executable unittests/d; s|^ *Executable .*/\([^/]*\)-[0-9a-f]*)$|\1|p'); do
    [ "$name" = cluster ] || names+=(--test "$name")
  done
  cargo test --workspace --no-fail-fast "${names[@]}"
}

bootstrap_tests() { bootstrap cargo test --lib; }

# With the flags of build.sh, so that Kubernetes is not compiled once more.
go_tests() {
  (cd tests/cluster && export CGO_ENABLED=0 && go vet -trimpath ./internal/... ./cmd/... && go test -trimpath -v ./internal/...)
}

cluster_tests() {
  local host
  host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
  # Only root may make a cluster; everything is built as whoever runs this.
  [ "$(id -u)" = 0 ] || export "CARGO_TARGET_${host}_RUNNER=sudo -E"
  cargo test --workspace --test cluster
}

# What a killed component or a killed `up` leaves behind on the machine: nothing.
crash_tests() {
  local runner=()
  [ "$(id -u)" = 0 ] || runner=(-exec 'sudo -E')
  (cd tests/cluster && CGO_ENABLED=0 go test -trimpath -tags cluster -v "${runner[@]}" ./internal/crash)
}

# --- the run ---------------------------------------------------------------------------------------

finish() {
  printf '\n=== summary (%d s)\n' $SECONDS
  [ ${#rows[@]} = 0 ] || printf '%s\n' "${rows[@]}"
  printf '%d passed, %d failed\n' $passed $failed
}

step check prerequisites prepare || { finish; exit 1; }

# The longest build (5 to 9 minutes, much of it on one core) runs beside the others; tests run when it is done.
go_build=
if wanted cluster; then
  nice tests/cluster/build.sh > "$logs/cluster-build.log" 2>&1 &
  go_build=$!
fi

if wanted checks; then
  step check 'lock files' lock_files || true
  step check format format || true
  step check scripts scripts || true
  step check leaks leaks || true
  step check dependencies packaging/deps.sh || true
  step check lints lints || true
  step check documentation documentation || true
fi
if wanted unit || wanted cluster; then
  step check 'build: tests' cargo test --workspace --no-run || true
fi
if wanted cluster; then
  step check 'build: devbridge' packaging/build.sh || true
  step check 'release and install' tests/install.sh || true
  built=0
  step check 'build: cluster' wait $go_build || { built=1 && cat "$logs/cluster-build.log"; }
  [ $built = 0 ] && { step check 'build: images' tests/images.sh || true; }
fi
if wanted unit; then
  step suite 'unit tests' unit_tests || true
  step suite 'integration tests' integration_tests || true
  step suite 'bootstrap unit tests' bootstrap_tests || true
  step suite 'cluster program tests' go_tests || true
fi
if wanted cluster; then
  step suite 'cluster tests' cluster_tests || true
  step suite 'cluster crash tests' crash_tests || true
fi

finish
[ $failed = 0 ]
