#!/usr/bin/env bash
# `./do bench [ARG...]`: run.py with these arguments, after what the build brings.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
exec python3 bench/run.py "$@"
