#!/usr/bin/env bash
# `./do bench [ARG...]`: run.py with these arguments, after what the build brings.
# `./do bench micro`: only what single parts cost.
# `./do bench hour [SPEEDUP]`: recorded traffic against a bad upstream, and through unbusy to three.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
if [ "${1:-}" = micro ]; then
    for part in http1 openai brain; do "build/bench/bench_$part"; done
    exit
fi
if [ "${1:-}" = hour ]; then
    shift
    exec bench/hour.sh "$@"
fi
exec python3 bench/run.py "$@"
