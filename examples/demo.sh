#!/bin/bash
# The main job in one command: a changed `catalog` on this laptop answers the requests of a shop that runs in Kubernetes.
#
#   examples/demo.sh [--context C] [--devbridge PATH]
#
# Without --context it builds and starts a cluster of its own (root, or sudo); with it, that context of your kubeconfig is
# used, where the shop's images must be found (DEVBRIDGE_TEST_IMAGES names their registry; kind gets them by itself).
# --devbridge, or DEVBRIDGE_BIN, is an installed devbridge; otherwise it is built. Afterwards nothing is left of it.
set -euo pipefail
cd "$(dirname "$0")/.."

context=
devbridge=${DEVBRIDGE_BIN:-}
while [ $# -gt 0 ]; do
    case $1 in
        --context) context=${2:?--context needs a name}; shift 2 ;;
        --devbridge) devbridge=${2:?--devbridge needs a path}; shift 2 ;;
        *) echo "usage: examples/demo.sh [--context C] [--devbridge PATH]" >&2; exit 2 ;;
    esac
done

cluster=tests/cluster/bin/cluster
namespace=shop-demo-$$
instance=
session=
work=$(mktemp -d)

began=$(date +%s%N)
step() {
    local now=$(( ($(date +%s%N) - began) / 100000000 ))
    printf '\n[%3d.%d s] %s\n' $((now / 10)) $((now % 10)) "$*"
}
fail() {
    echo "demo: $*" >&2
    [ ! -s "$work/devbridge.log" ] || sed 's/^/  devbridge: /' "$work/devbridge.log" >&2
    exit 1
}
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Sends SIGINT, as Ctrl-C does, and waits for the end; gives up on politeness after 30 seconds.
leave() {
    [ -n "$session" ] || return 0
    kill -INT "$session" 2> /dev/null || true
    local tenths=0
    while kill -0 "$session" 2> /dev/null && [ $tenths -lt 300 ]; do sleep 0.1; tenths=$((tenths + 1)); done
    kill -KILL "$session" 2> /dev/null || true
    wait "$session" 2> /dev/null || true
    session=
}
clean_up() {
    local status=$?
    trap - EXIT
    trap '' INT TERM
    leave
    if [ -n "$instance" ]; then
        as_root "$cluster" --name "$instance" down || status=1
    elif [ -e "$work/namespace" ]; then
        "${kubectl[@]}" delete namespace "$namespace" --wait=false > /dev/null || status=1
    fi
    rm -rf "$work"
    exit $status
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step "building what is not there yet"
needs=build
[ -n "$context" ] || needs="build cluster"
# shellcheck disable=SC2086 # several words
packaging/prerequisites.sh $needs
if [ -z "$devbridge" ]; then
    packaging/build.sh > "$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "devbridge could not be built"; }
    devbridge=target/dist/devbridge
fi
devbridge=$(realpath "$devbridge")
own_images=
case $context in
    "") own_images=yes ;;
    kind-*) [ -n "${DEVBRIDGE_TEST_IMAGES:-}" ] || own_images=yes ;;
esac
if [ -n "$own_images" ]; then
    tests/cluster/build.sh
    tests/images.sh shop
else
    tests/images.sh programs
fi
catalog=$PWD/target/images/bin/shop-catalog

if [ -z "$context" ]; then
    step "starting a cluster of our own"
    instance=demo-$$
    as_root "$cluster" --name "$instance" up > /dev/null
    as_root "$cluster" --name "$instance" load target/images/shop-*.tar > "$work/load.log" 2>&1 || fail "$(cat "$work/load.log")"
    # Whatever kubeconfig there is on this machine, this one is meant.
    (umask 077; as_root "$cluster" --name "$instance" kubeconfig --raw > "$work/kubeconfig")
    export KUBECONFIG=$work/kubeconfig
    kubectl=("$PWD/$cluster" kubectl --kubeconfig "$KUBECONFIG")
    where=()
else
    [ -z "$own_images" ] || for image in target/images/shop-*.tar; do
        kind load image-archive "$image" --name "${context#kind-}"
    done
    if command -v kubectl > /dev/null; then kubectl=(kubectl --context "$context")
    elif [ -x "$cluster" ]; then kubectl=("$PWD/$cluster" kubectl --context "$context")
    else fail "kubectl is not installed"; fi
    where=(--context "$context")
fi

step "deploying the shop: web asks catalog, catalog asks stock"
"${kubectl[@]}" create namespace "$namespace" > /dev/null
touch "$work/namespace"
"${kubectl[@]}" label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted > /dev/null
sed "s#devbridge.test/#${DEVBRIDGE_TEST_IMAGES:-devbridge.test}/#" examples/shop/k8s.yaml |
    "${kubectl[@]}" -n "$namespace" apply -f - > /dev/null
for deployment in stock catalog web; do
    "${kubectl[@]}" -n "$namespace" rollout status deployment/$deployment --timeout=120s > /dev/null
done

# Asks the shop's page from inside the cluster, so many times.
visit() { "${kubectl[@]}" -n "$namespace" exec deploy/web -c web -- /shop-visitor http://web/items/tea "$1"; }
# visit_until PATTERN: visits for up to 20 seconds until the page shows it five times in a row: a node learns within
# a second where a Service leads, and until then some answers come from before.
visit_until() {
    local tries=0
    until [ "$(visit 5 2>&1 | grep -c "$1")" = 5 ]; do
        tries=$((tries + 1))
        [ $tries -lt 40 ] || fail "the page never showed $1 all the time: $(visit 5 2>&1)"
        sleep 0.5
    done
}

step "the page as the cluster serves it"
visit_until '"by":"catalog-'
visit 3

step "devbridge intercept catalog -n $namespace -- shop-catalog --banner 'from my laptop'"
: > "$work/devbridge.log"
set -m # A process group of its own, as in a terminal: signals reach it.
"$devbridge" intercept catalog -n "$namespace" ${where[@]+"${where[@]}"} \
    -- "$catalog" --banner "from my laptop" >> "$work/devbridge.log" 2>&1 < /dev/null &
session=$!
set +m
tenths=0
until grep -q '^ready:' "$work/devbridge.log"; do
    kill -0 "$session" 2> /dev/null || { session=; fail "devbridge ended"; }
    [ $tenths -lt 900 ] || fail "not ready within 90 s"
    sleep 0.1
    tenths=$((tenths + 1))
done
sed 's/^/  /' "$work/devbridge.log"

step "the same page: the answers come from this laptop, the number in stock from the cluster's database"
visit_until '"by":"from my laptop"' # Nodes learn of a Service's change by and by: up to a second.
visit 3 | tee "$work/pages"
[ "$(grep -c '"stock":7,"by":"from my laptop"' "$work/pages")" = 3 ] || fail "not all answers came from the laptop"

step "Ctrl-C"
: > "$work/devbridge.log"
leave
sed 's/^/  /' "$work/devbridge.log"

step "the page as the cluster serves it"
visit 3 | tee "$work/pages"
[ "$(grep -c '"by":"catalog-' "$work/pages")" = 3 ] || fail "not all answers came from the originals"

step "done; cleaning up"
