# Shortcuts; each is one line over what the scripts do, so that nobody needs `just`.

# Everything that CI runs, word for word.
check:
    .ci/run

# Format, lints, documentation, who depends on whom.
lint:
    tests/run.sh checks

# All tests that need no cluster.
test:
    tests/run.sh unit

# devbridge on a real Kubernetes.
e2e:
    tests/run.sh cluster

# What faults do, measured on a real cluster; rewrites the table in docs/reliability.md. Two at a time: with more, two cores are
# what is measured.
faults:
    packaging/build.sh && tests/images.sh && cargo test --workspace --test cluster -- --faults docs/reliability.md --test-threads 2

# The story of the README on a real cluster, each step with its time.
demo:
    examples/demo.sh

# One cluster test after a change: `just one NAME`.
one name:
    packaging/build.sh --quick && cargo test --workspace --test cluster -- {{name}}

# The command with the agent in it, in target/dist.
build:
    packaging/build.sh

# Figures on a real cluster, as ratios within the run; docs/benchmarks.md says how to read them.
bench:
    packaging/build.sh && tests/images.sh && cargo run --profile figures -p devbridge-tests --bin bench -- --test-threads 1

# The archive that install.sh unpacks.
release:
    packaging/release.sh

# For the user who builds: into ~/.local, without root.
install:
    ./install.sh

# New attacks on what reads bytes of others: `just fuzz frames`; also greetings, messages, exchange, farewell, conversation,
# shown. Needs a nightly compiler and cargo-fuzz. What it finds goes into fuzz/corpus, which the tests replay.
fuzz target="exchange" seconds="60":
    cd fuzz && cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}}
