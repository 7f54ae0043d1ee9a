#!/usr/bin/env bash
# `./do bench hour [SPEEDUP]`: recorded traffic against a bad upstream alone, and through unbusy.
#
# The first minutes of Azure's conversation trace (tests/data/llm) go, so many times as fast (4), once to
# a mock that is bad 28 % of the time, and once through unbusy to three such mocks that take turns in
# being bad. Everything is on loopback and ends by itself.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
speedup=${1:-4}
unbusy=$PWD/build/unbusy
trace=$PWD/tests/data/llm/azure2023_conv.csv.gz
dir=$(mktemp -d)
pids=()
finish() {
    kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap finish EXIT

# start FILE COMMAND...: in the background; sets `port` once FILE has a line with an address.
start() {
    local file=$dir/$1
    shift
    "$@" >"$file" 2>&1 &
    pids+=($!)
    for _ in $(seq 200); do
        port=$(sed -n 's#.*http://127.0.0.1:\([0-9]*\).*#\1#p' "$file" | head -1)
        [ -z "$port" ] || return 0
        sleep 0.05
    done
    cat "$file" >&2
    exit 1
}

ports=()
for turn in 1 2 3; do
    start "mock$turn" "$unbusy" mock --listen 127.0.0.1:0 --model chat --profile 8b --seed "$turn" \
        --episodes "share=0.28,mean=15s,turn=$turn/3,seed=7" --fault "503:0.5;when=bad" \
        --fault "late:0.2;when=bad;delay=20s" --fault "reset:0.2;when=bad" --fault "silence:0.1;when=bad"
    ports+=("$port")
done
{
    printf 'listen: 127.0.0.1:0\nupstreams:\n'
    for i in 0 1 2; do
        printf '  - {name: mock%d, url: "http://127.0.0.1:%d/v1", models: {chat: chat}}\n' "$i" "${ports[i]}"
    done
    printf 'models:\n  - {name: chat, tiers: [[mock0, mock1, mock2]]}\n'
} >"$dir/unbusy.yaml"
start gateway "$unbusy" serve --config "$dir/unbusy.yaml"

replay() { # replay WORDS PORT
    printf '\n%s\n' "$1"
    "$unbusy" load --url "http://127.0.0.1:$2/v1" --model chat --trace "$trace" --speedup "$speedup" \
        --duration 90s --timeout 60s --quiet
}
replay "one of the three upstreams alone, a bare client:" "${ports[0]}"
replay "all three through unbusy:" "$port"
