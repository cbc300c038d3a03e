# What is done often, a line each; CONTRIBUTING.md says when. `just` alone lists them.

_list:
    @just --list

# Compile everything, tests too
check:
    cargo check --workspace --all-targets

# Format and lints
lint:
    cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings

# Licences, spelling, TOML, documentation, links: what CI asks besides lints and tests
house:
    .ci/house

# Image, compose file, manifests, chart, alerts, dashboard
deploy-check:
    deploy/check

# The console's page: types, what is vendored, size, and how it does in a browser
console-check:
    console/check

# Everything that CI runs
ci:
    .ci/run

# Every test, real Kafka included
test:
    cargo test --workspace

# Unit tests whose path has NAME in it
unit NAME:
    cargo test --workspace --lib -- {{ NAME }}

# Who imports whom, and whether documents name what is there
layers:
    cargo test --workspace --test layers

# The simulator, one seed after another until one is red
sim:
    cargo run -p flowgate-simulator -- run

# One seed in full
seed N:
    cargo run -p flowgate-simulator -- replay {{ N }}

# What is left of a red seed
shrink N:
    cargo run -p flowgate-simulator -- shrink {{ N }}

# The gate broken on purpose in every way, and which seed finds it
mutants:
    cargo run -p flowgate-simulator -- mutants

# Processes on real Kafka, one kind of fault a test
faults:
    cargo test --workspace --test faults

# Three nodes, two gates, every kind of fault
chaos:
    cargo test --workspace --test chaos

# Inputs for one reader, found by coverage (TARGET: event, command, state, ...)
fuzz TARGET:
    cargo +nightly fuzz run -s none {{ TARGET }}

# The gate beside bare copy loops and Kafka Streams
bench:
    cargo run --release -p flowgate-side-by-side -- --case live-100,hold-100,drain-100

# How long an event takes in each part
parts:
    cargo bench -p flowgate-parts

# 18 months of purchases in seconds
demo:
    cargo run --release -- demo --fast

# The code's documentation, what is private too
docs:
    cargo doc --workspace --no-deps --document-private-items

# The documents as a book, in target/book
book:
    mdbook build
