"""Words that must not stand in the repository: paths of one machine, hosts of package registries."""

import os
import re
import sys

IGNORED = re.compile(r"(^|/)(build[^/]*|out|\.cache|\.git|node_modules|__pycache__)$")

FORBIDDEN = {
    r"/tmp/wt\b|(?<![\w.])/work/|/home/\w": "a path of one machine",
    r"registry\.npmjs\.|files\.pythonhosted\.|\bpypi\.org|deb\.debian\.org|proxy\.golang\.|crates\.io":
        "the host of a package registry",
    r"\b(TODO|FIXME|XXX)\b": "unfinished work belongs into an issue",
    r"^(<{7}|>{7}) ": "a merge that was not resolved",
}


def all_files():
    for folder, folders, names in os.walk("."):
        folders[:] = [name for name in folders if not IGNORED.search(name)]
        yield from (os.path.join(folder, name) for name in names if name != ".git")


def main():
    problems = 0
    for name in sorted(all_files()):
        if os.path.samefile(name, __file__):
            continue
        try:
            with open(name, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue  # data, or deleted
        for number, line in enumerate(lines, 1):
            for pattern, why in FORBIDDEN.items():
                if re.search(pattern, line):
                    print(f"{name}:{number}: {why}")
                    problems += 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
