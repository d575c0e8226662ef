#!/bin/sh
# Builds bin/cluster and bin/pause, unless the sources are those of the last build.
set -eu
cd "$(dirname "$0")"
stamp=$( { go version; find . -path ./bin -prune -o -type f \( -name '*.go' -o -name '*.yaml' -o -name 'go.*' -o -name build.sh \) -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum; } | sha256sum)
if [ -x bin/cluster ] && [ -x bin/pause ] && [ "$(cat bin/.stamp 2>/dev/null)" = "$stamp" ]; then exit 0; fi
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.} minor=${minor%%.*} base=k8s.io/component-base/version
export CGO_ENABLED=0
mkdir -p bin
# Running clusters share the file: a new one takes its name, the old one stays as it is.
go build -trimpath -ldflags='-s -w' -o bin/pause.new ./cmd/pause
go build -trimpath -ldflags="-s -w -X $base.gitVersion=$version -X $base.gitMajor=1 -X $base.gitMinor=$minor" -o bin/cluster.new .
mv bin/pause.new bin/pause
mv bin/cluster.new bin/cluster
echo "$stamp" > bin/.stamp
