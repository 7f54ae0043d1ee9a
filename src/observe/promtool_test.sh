#!/bin/sh
# Prometheus' own checker reads a page with one of everything: promtool_test.sh METRICS_TEST
if ! command -v promtool >/dev/null; then
    echo "ok 1 # SKIP promtool is not here"
elif "$1" --page | promtool check metrics 2>&1 | sed 's/^/# /' | tee /dev/stderr | grep -q .; then
    echo "not ok 1 - promtool has nothing to say about the page"
else
    echo "ok 1 - promtool has nothing to say about the page"
fi
echo "1..1"
