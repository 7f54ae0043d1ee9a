# shellcheck shell=bash
# `./do test [PART...]`: sourced by ./do, which brings setup, the builds and the checks.
#
# A step is one command with a log of its own under out/logs. Steps that wait much (whole programs,
# virtual time on one core) run beside those that compile. At the end tests/tally.py adds up every
# single check that the steps report, and prints the closing line.

all_parts=(lint unit story storm sanitize threads fuzz e2e)
results=out/results

# step KIND NAME COMMAND...   KIND says how to count: check (the exit status), meson, pytest, tap.
step() {
    local kind=$1 name=$2 begin rc=0 words=ok log
    shift 2
    log=out/logs/${name// /-}.log
    begin=$EPOCHREALTIME
    (set -e; "$@") >"$log" 2>&1 || { rc=$?; words=FAILED; }
    printf '%s\t%s\t%s\n' "$kind" "$name" "$rc" >>"$results/steps"
    printf '%-7s %-28s %6.1f s\n' "$words" "$name" \
        "$(python3 -c 'import sys; print(float(sys.argv[2]) - float(sys.argv[1]))' "$begin" "$EPOCHREALTIME")"
    [ $rc = 0 ] || [ "$kind" != check ] || excerpt "$log"
}

# What people need to see of the log of a failed check: compilers bury the one line that matters.
excerpt() {
    { grep -A4 -E '(error|ERROR): ' "$1" || tail -20 "$1"; } | head -40 | cut -c 1-300 | sed 's/^/    /'
}

# suite DIR NAME SUITE...   the tests of these suites in a build folder, `at_once` for each core
suite() {
    local dir=$1 name=$2 suites=() one rc=0
    shift 2
    for one in "$@"; do suites+=(--suite "$one"); done
    rm -f "$dir/meson-logs/$name.json"
    $fixed_addresses meson test -C "$dir" --no-rebuild --logbase "$name" -t "${slower:-1}" \
        --num-processes $((${at_once:-1} * $(nproc))) \
        "${suites[@]}" || rc=$?
    cp "$dir/meson-logs/$name.json" "$results/$name.json"
    return $rc
}

# The sanitizers' shadow memory does not fit every layout that newer kernels choose.
fixed_addresses=
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed_addresses="setarch $(uname -m) -R"; fi

part_lint() {
    step check "format" format_check
    step check "layers" python3 tests/lint/layers.py
    step check "words" python3 tests/lint/words.py
    step check "shell scripts" shell_check
    python3 tests/lint/sizes.py >out/logs/sizes.log
}

part_sanitize() {
    step check "build with clang, ASan, UBSan" make_asan
    slower=5 ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
        step meson "sanitize" suite build-asan sanitize unit story
}

part_threads() {
    step check "build with clang, TSan" make_tsan
    slower=5 TSAN_OPTIONS=halt_on_error=0 step meson "threads" suite build-tsan threads threads
}

part_fuzz() {
    [ -f build-asan/.configured ] || step check "build with clang, ASan, UBSan" make_asan
    step tap "fuzz" bash tests/fuzz/run.sh replay
}

part_e2e() {
    step pytest "e2e" timeout -k 10 600 .cache/venv/bin/python -m pytest -q -p no:cacheprovider \
        --junitxml="$results/e2e.xml" tests/e2e
}

stop_aside() {
    if [ -n "$aside" ]; then kill -TERM -- "-$aside" 2>/dev/null || true; fi
}

test_all() {
    local parts=("$@") part
    [ $# -gt 0 ] || parts=("${all_parts[@]}")
    rm -rf "$results"
    mkdir -p "$results" out/logs
    has() { [[ " ${parts[*]} " == *" $1 "* ]]; }
    for part in "${parts[@]}"; do
        [[ " ${all_parts[*]} " == *" $part "* ]] || die "test: no part '$part' (${all_parts[*]})"
    done

    if has e2e; then setup sdk; fi
    if has lint; then part_lint; fi
    if has unit || has story || has storm || has e2e; then step check "build with gcc" make_build; fi
    # Unit tests wait (for timers, for silence) far more than they work.
    if has unit; then at_once=3 step meson "unit" suite build unit unit; fi
    if has story; then step meson "story" suite build story story; fi

    aside=
    trap stop_aside EXIT
    set -m # a process group of its own, so that all of it can be ended
    (
        set +m
        if has storm; then step meson "storm" suite build storm storm; fi
        if has e2e; then part_e2e; fi
    ) &
    aside=$!
    set +m
    if [ $# -eq 0 ]; then step check "build with clang" make_clang; fi
    if has sanitize; then part_sanitize; fi
    if has threads; then part_threads; fi
    if has fuzz; then part_fuzz; fi
    wait "$aside"
    aside=

    python3 tests/tally.py "$results" out/logs
}
