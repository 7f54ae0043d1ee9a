#!/usr/bin/env bash
# Everything that people do in this repository, for a plain Debian 12 (root, or with sudo).
# `./do help` lists the verbs. Generated files stay in build*/, out/ and .cache/, all ignored by git.
set -euo pipefail
caller=$PWD
cd "$(dirname "$(readlink -f "$0")")"
root=$PWD

# What the product needs to build and run.
build_packages=(gcc libc6-dev meson ninja-build pkg-config ca-certificates python3
    libuv1-dev libc-ares-dev libssl-dev libyaml-dev libjansson-dev node-llhttp libxxhash-dev
    zlib1g-dev libhiredis-dev)
# What only the tests need; the last line are libraries of the programs below.
test_packages=(iproute2 clang-14 clang-format-14 libclang-rt-14-dev llvm-14 binutils openssl curl
    shellcheck
    liblua5.3-0 libopentracing-c-wrapper0 libpcre2-8-0 libjemalloc2 liblzf1 libatomic1)
# Servers that tests and benchmarks start: `command package`. Their packages bring services that
# would run from now on (at the latest after the next boot), so they are unpacked, not installed.
test_programs=("promtool prometheus" "redis-cli redis-tools" "redis-server redis-server")
bench_programs=("haproxy haproxy" "nginx nginx")

peer_files=bench/proxies/busy-hour

export PATH="$PATH:/usr/sbin:/sbin:$root/.cache/programs/usr/bin:$root/.cache/programs/usr/sbin"

say() { printf '%s\n' "$*" >&2; }
die() { say "do: $*"; exit 2; }

help() {
    cat <<'END'
./do run [ARG...]     set up, build, and serve: ARGs go to `unbusy serve` (--config FILE ...)
./do test [PART...]   set up and test everything; parts: lint unit story storm sanitize threads fuzz e2e
./do build            the release binary, build/unbusy
./do bench [ARG...]   measure against HAProxy and nginx; busy-hour: upstreams with a bad peak, and other
                      gateways besides; random-errors: 5 % of all calls fail
./do fuzz [SECONDS] [TARGET...]   fuzz each target for so long (60)
./do lint             format, layers, sizes, shell scripts
./do fmt              format all C files
./do setup [test] [sdk] [bench]   install what is missing to build (and to test, for the end-to-end
                      tests with the official SDKs, to measure)
END
}

# --- setup ----------------------------------------------------------------------------------------

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

updated=
apt_update() {
    if [ -z "$updated" ]; then
        say "reading the package lists"
        as_root apt-get update -q >&2
        updated=yes
    fi
}

# Installs those of the given Debian packages that are missing.
install_packages() {
    command -v dpkg-query >/dev/null || die "made for Debian 12; here, please provide: $*"
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        die "neither root nor sudo; please install: ${missing[*]}"
    apt_update
    say "installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
}

# Unpacks the package of each `command package` that is not there under .cache/programs.
unpack_programs() {
    local pair name package
    for pair in "$@"; do
        read -r name package <<<"$pair"
        command -v "$name" >/dev/null && continue
        apt_update
        say "unpacking $package"
        mkdir -p .cache/debs .cache/programs
        (cd .cache/debs && rm -f "${package}"_*.deb && apt-get download -q -o APT::Sandbox::User=root "$package" >&2)
        dpkg-deb -x .cache/debs/"${package}"_*.deb .cache/programs
    done
}

# Runs COMMAND... unless it ran well before with these FILES. A change of FILES starts afresh.
once() { # once STAMP FILE... -- COMMAND...
    local stamp=$1 files=() sum
    shift
    while [ "$1" != -- ]; do files+=("$1"); shift; done
    shift
    sum=$(sha256sum "${files[@]}")
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ] && return 0
    "$@" || return
    printf '%s\n' "$sum" >"$stamp"
}

make_venv() {
    say "installing the Python packages of the tests"
    rm -rf .cache/venv
    python3 -m venv .cache/venv
    .cache/venv/bin/pip install -q --disable-pip-version-check --require-hashes --only-binary :all: \
        -r tests/e2e/requirements.txt >&2
}

make_node() {
    say "installing the Node packages of the tests"
    rm -rf .cache/node
    mkdir -p .cache/node
    cp tests/e2e/node/package.json tests/e2e/node/package-lock.json .cache/node/
    (cd .cache/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
}

setup_sdks() {
    mkdir -p .cache
    once .cache/venv.stamp tests/e2e/requirements.txt -- make_venv
    # Debian's npm only fetches; the tests run on the newer Node that it brings as a package.
    command -v npm >/dev/null || install_packages npm
    once .cache/node.stamp tests/e2e/node/package.json tests/e2e/node/package-lock.json -- make_node
}

# The other gateways of `./do bench busy-hour`. One that cannot be installed is left out of it.
make_litellm() {
    say "installing the LiteLLM proxy (half a gigabyte), only for this benchmark"
    rm -rf .cache/peers/litellm && python3 -m venv .cache/peers/litellm &&
        .cache/peers/litellm/bin/pip install -q --disable-pip-version-check --require-hashes \
            --no-deps --only-binary :all: -r "$peer_files/litellm/requirements.txt" >&2
}

make_portkey() {
    say "installing the Portkey gateway, only for this benchmark"
    rm -rf .cache/peers/portkey && mkdir -p .cache/peers/portkey &&
        cp "$peer_files"/portkey/package*.json .cache/peers/portkey/ &&
        (cd .cache/peers/portkey && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
}

setup_peers() { # setup_peers NAME,NAME...
    mkdir -p .cache/peers
    if [[ ,$1, == *,litellm,* ]]; then
        install_packages python3-venv
        once .cache/peers/litellm.stamp "$peer_files/litellm/requirements.txt" -- make_litellm ||
            { rm -rf .cache/peers/litellm; say "the LiteLLM proxy cannot be installed"; }
    fi
    if [[ ,$1, == *,portkey,* ]]; then
        command -v npm >/dev/null || install_packages npm
        once .cache/peers/portkey.stamp "$peer_files"/portkey/package*.json -- make_portkey ||
            { rm -rf .cache/peers/portkey; say "the Portkey gateway cannot be installed"; }
    fi
}

setup() {
    local group
    install_packages "${build_packages[@]}"
    for group in "$@"; do
        case $group in
        test)
            install_packages "${test_packages[@]}"
            unpack_programs "${test_programs[@]}"
            ;;
        bench)
            install_packages "${test_packages[@]}"
            unpack_programs "${bench_programs[@]}"
            ;;
        sdk)
            install_packages python3-venv
            setup_sdks
            ;;
        *) die "setup: no group '$group' (test, sdk, bench)" ;;
        esac
    done
}

# --- build ----------------------------------------------------------------------------------------

# configure DIR CC [MESON OPTION...]: sets up the build folder, afresh when the arguments changed.
configure() {
    local dir=$1 cc=$2
    shift 2
    local wanted="$cc $*"
    [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/.configured" 2>/dev/null)" = "$wanted" ] && return 0
    rm -rf "$dir"
    CC=$cc meson setup "$dir" "$@"
    printf '%s\n' "$wanted" >"$dir/.configured"
}

make_build() { configure build gcc && ninja -C build; }
make_clang() { configure build-clang clang-14 && ninja -C build-clang; }
# Frame pointers give readable stacks; undefined symbols are the sanitizer's own.
make_asan() {
    configure build-asan clang-14 -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true &&
        ninja -C build-asan
}
make_tsan() {
    configure build-tsan clang-14 -Db_sanitize=thread -Db_lundef=false && ninja -C build-tsan
}

build() {
    local log=out/logs/build.log
    mkdir -p out/logs
    make_build >"$log" 2>&1 || { grep -E '(error|warning|FAILED|ERROR):?' "$log" | head -40 >&2
        die "the build failed; all of it is in $log"; }
}

run() {
    setup
    build
    cd "$caller"
    exec "$root/build/unbusy" serve "$@"
}

# --- other verbs ----------------------------------------------------------------------------------

c_files() { find src tests bench -name '*.[ch]'; }

format_check() { c_files | xargs -r clang-format-14 --dry-run --Werror; }

shell_check() { find ./do .ci/run src tests bench \( -name '*.sh' -o -path ./do -o -path .ci/run \) -exec shellcheck -x {} +; }

lint() {
    local failed=0
    format_check || failed=1
    python3 tests/lint/layers.py || failed=1
    python3 tests/lint/words.py || failed=1
    python3 tests/lint/sizes.py
    shell_check || failed=1
    return $failed
}

fuzz() {
    setup test
    mkdir -p out/logs
    make_asan >out/logs/build-asan.log 2>&1 || die "the build failed; see out/logs/build-asan.log"
    bash tests/fuzz/run.sh search "$@"
}

bench() {
    local argument peers=portkey,litellm
    setup bench
    build
    if [ "${1:-}" = busy-hour ]; then
        for argument in "$@"; do
            case $argument in
            --peers=*) peers=${argument#*=} ;;
            *) [ "${before:-}" != --peers ] || peers=$argument ;;
            esac
            local before=$argument
        done
        setup_peers "$peers"
    fi
    exec bash bench/run.sh "$@"
}

verb=${1:-help}
[ $# -eq 0 ] || shift
case $verb in
setup) setup "$@" ;;
build) setup; build ;;
run) run "$@" ;;
test)
    setup test
    # shellcheck source=tests/all.sh
    . tests/all.sh
    test_all "$@"
    ;;
bench) bench "$@" ;;
fuzz) fuzz "$@" ;;
lint) setup test; lint ;;
fmt) c_files | xargs -r clang-format-14 -i ;;
help | -h | --help) help ;;
*) help >&2; die "no verb '$verb'" ;;
esac
