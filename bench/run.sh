#!/usr/bin/env bash
# `./do bench [ARG...]`: run.py with these arguments, after what the build brings.
# `./do bench micro`: only what single parts cost.
# `./do bench busy-hour [ARG...]`: recorded traffic to three upstreams with a bad peak, through each gateway.
# `./do bench random-errors [ARG...]`: 100,000 requests, of which upstreams refuse 5 %.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
if [ "${1:-}" = micro ]; then
    for part in http1 openai brain; do "build/bench/bench_$part"; done
    exit
fi
case ${1:-} in
busy-hour) shift; exec python3 bench/hour.py "$@" ;;
random-errors) shift; exec python3 bench/random_errors.py "$@" ;;
esac
exec python3 bench/run.py "$@"
