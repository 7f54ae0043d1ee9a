"""Adds up what the steps of `./do test` reported and prints the closing line "N passed, N failed".

    tally.py RESULTS LOGS     RESULTS/steps has one line for each step: kind, name, exit status

A step that reported no test at all counts as one failure: a suite that silently does not run is
worse than one that fails. So does a test program that ends badly without a failed check of its own.
"""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree

TAP_LINE = re.compile(r"^(not )?ok\b[^#\n]*(#\s*(?:skip|todo)\b.*)?", re.I)


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.words = []  # what failed, for people

    def fail(self, words):
        self.failed += 1
        self.words.append(words)

    def add_tap(self, text, where):
        lines = text.splitlines()
        for number, line in enumerate(lines):
            found = TAP_LINE.match(line)
            if not found:
                continue
            if found.group(2):
                self.skipped += 1
            elif found.group(1):
                self.fail(f"{where}: {line}")
                for more in lines[number + 1:number + 30]:
                    if not more.startswith("#"):
                        break
                    self.words.append("    " + more)
            else:
                self.passed += 1

    def total(self):
        return self.passed + self.failed + self.skipped


def count_meson(count, path):
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        test = json.loads(line)
        before = count.failed
        output = test.get("stdout", "")
        if re.search(r"^1\.\.\d+", output, re.M) or TAP_LINE.search(output):
            count.add_tap(output, test["name"])
        elif test["result"] == "SKIP":
            count.skipped += 1
        elif test["result"] == "OK":
            count.passed += 1
        if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and count.failed == before:
            count.fail(f"{test['name']}: {test['result'].lower()}, exit status {test.get('returncode')}")
        if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL"):
            count.words += ["    " + words for words in test.get("stderr", "").splitlines()[:40]]


def count_pytest(count, path):
    if not path.exists():
        return
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            found = case.find("failure") if case.find("failure") is not None else case.find("error")
            count.fail(f"{name}: {(found.get('message') or '').splitlines()[0:1]}")
        elif case.find("skipped") is not None:
            count.skipped += 1
        else:
            count.passed += 1


def count_step(kind, name, status, results, logs):
    count = Count()
    log = logs / (name.replace(" ", "-") + ".log")
    if kind == "check":
        if status == 0:
            count.passed += 1
        else:
            count.fail(f"{name}: exit status {status}")
    elif kind == "meson":
        count_meson(count, results / (name + ".json"))
    elif kind == "pytest":
        count_pytest(count, results / (name + ".xml"))
    elif kind == "tap":
        count.add_tap(log.read_text(errors="replace"), name)
    if count.total() == 0:
        count.fail(f"{name}: no test ran")
    elif status != 0 and count.failed == 0:
        count.fail(f"{name}: all tests passed, and yet exit status {status}")
    if count.failed and kind != "check":
        count.words.append(f"    the whole log: {log}")
    return count


def main():
    results, logs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    total = Count()
    print()
    for line in (results / "steps").read_text().splitlines():
        kind, name, status = line.split("\t")
        count = count_step(kind, name, int(status), results, logs)
        for words in count.words:
            print(words)
        if kind != "check":
            print(f"{count.passed:7} passed {count.failed:5} failed {count.skipped:5} skipped   {name}")
        total.passed += count.passed
        total.failed += count.failed
        total.skipped += count.skipped
    skipped = f", {total.skipped} skipped" if total.skipped else ""
    print(f"{total.passed} passed, {total.failed} failed{skipped}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
