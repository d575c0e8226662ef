#!/usr/bin/env bash
# Holds the line on who may know whom, in seconds and without a download. deny.toml says the same and
# more (licences, advisories) to cargo-deny, which takes minutes to install.
set -euo pipefail
cd "$(dirname "$0")/.."

wrong=0
complain() { echo "deps: $*" >&2; wrong=1; }

# Names of all packages that the selected ones are built with.
tree() { cargo tree --quiet --edges normal,build --prefix none --format '{p}' "$@" | awk 'NF { print $1 }' | sort -u; }

# forbid WHO "WHY" NAMES TREE-ARGUMENTS...: none of the names may be in the tree; a name may end in *.
forbid() {
  local who=$1 why=$2 names=$3 name found
  shift 3
  local all
  all=$(tree "$@")
  for name in $names; do
    found=$(grep -xE "${name//\*/.*}" <<<"$all" || true)
    [ -z "$found" ] || complain "$who depends on" $found "($why)"
  done
}

# only NAME "WHO...": nobody else in the workspace may name it as a direct dependency.
only() {
  local name=$1 allowed=$2 user
  for user in $(cargo tree --quiet --workspace --edges normal,build,dev --invert "$name" --depth 1 --prefix depth --format '{p}' 2>/dev/null |
    sed -n 's/^1\([^ ]*\) .*(\/.*/\1/p' | sort -u); do
    [[ " $allowed " = *" $user "* ]] || complain "$user depends on $name (only: $allowed)"
  done
}

forbid "the workspace" "rustls with ring is the one TLS here; static programs have no OpenSSL" \
  "aws-lc-* openssl openssl-sys native-tls" --workspace
forbid "the workspace" "rules for nftables are written to the kernel directly" \
  "rustables nftnl* mnl*" --workspace
forbid "the workspace" "no longer maintained" "trust-dns-* serde_yaml" --workspace
forbid tunnel "it knows nobody" "devbridge devbridge-traffic-agent devbridge-tui kube k8s-openapi ratatui*" \
  -p devbridge-tunnel
forbid "tunnel without features" "messages and status types only" \
  "tokio* quinn* rustls* ring hickory-*" -p devbridge-tunnel --no-default-features
forbid inspector "it sees copies of what has passed; it knows neither Kubernetes nor sockets" \
  "devbridge kube k8s-openapi tokio quinn* rustls* hyper ratatui*" -p devbridge-inspector
forbid tui "it draws status; it knows neither Kubernetes nor sockets" \
  "devbridge kube k8s-openapi tokio quinn* rustls* hyper" -p devbridge-tui
forbid traffic-agent "it must stay small; the keeper has its own client (docs/architecture.md)" \
  "devbridge devbridge-tui kube kube-* k8s-openapi ratatui* clap indicatif" -p devbridge-traffic-agent
only kube "devbridge devbridge-tests"
only k8s-openapi "devbridge devbridge-tests"
only ratatui "devbridge-tui"

# The bootstrap has no standard library: what it builds on is listed one by one.
expected="adler2 bitflags cfg-if crc32fast devbridge-bootstrap linux-raw-sys miniz_oxide rustix"
found=$(tree --manifest-path traffic-agent/bootstrap/Cargo.toml | paste -sd ' ')
[ "$found" = "$expected" ] || complain "the bootstrap is built with '$found', expected '$expected'"

# What everybody can download, and nothing from somewhere else.
foreign=$(sed -n 's/^source = //p' Cargo.lock traffic-agent/bootstrap/Cargo.lock | sort -u |
  grep -vxF '"registry+https://github.com/rust-lang/crates.io-index"' || true)
[ -z "$foreign" ] || complain "sources other than crates.io: $foreign"

exit $wrong
