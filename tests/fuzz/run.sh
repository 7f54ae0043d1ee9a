#!/usr/bin/env bash
# run.sh replay                      the corpus and a fixed number of mutations; prints TAP
# run.sh search [SECONDS] [TARGET...]  libFuzzer on each target for so long (60)
#
# Both use build-asan (clang, sanitizers, -Dfuzz=true). New finds of a search go to out/fuzz/TARGET;
# what ends a target is kept there as crash-*.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
bin=build-asan/tests/fuzz
runs=100000

targets() { for path in "$bin"/fuzz_*; do [ -f "$path" ] && basename "$path" | sed 's/^fuzz_//'; done; }

replay() {
    local target rc number=0
    mkdir -p out/fuzz
    for target in $(targets); do
        number=$((number + 1)) rc=0
        (cd out/fuzz && "../../$bin/replay_$target" --runs $runs \
            --dict "../../tests/fuzz/$target.dict" "../../tests/fuzz/corpus/$target") \
            >"out/fuzz/$target.log" 2>&1 || rc=$?
        if [ $rc = 0 ]; then
            echo "ok $number - $target: corpus and $runs mutations"
        else
            echo "not ok $number - $target: its input is out/fuzz/crash-replay_$target"
            tail -30 "out/fuzz/$target.log" | sed 's/^/# /'
        fi
    done
    echo "1..$number"
}

search() {
    local seconds=${1:-60} target failed=0 wanted
    shift || true
    mapfile -t wanted < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else targets; fi)
    for target in "${wanted[@]}"; do
        mkdir -p "out/fuzz/$target"
        "$bin/fuzz_$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
            -dict="tests/fuzz/$target.dict" -artifact_prefix="out/fuzz/$target/" \
            -print_final_stats=1 "out/fuzz/$target" "tests/fuzz/corpus/$target" || failed=1
    done
    return $failed
}

case ${1:-} in
replay) replay ;;
search) shift; search "$@" ;;
*) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
