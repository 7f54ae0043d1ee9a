"""A list, not a failure: files over 500 lines and functions over 60, the ones to split next."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE_LINES, FUNCTION_LINES = 500, 60

# Our formatting puts a function's opening and closing brace alone at the start of a line.
NAME = re.compile(r"(\w+)\(")


def functions(lines):
    head, start = "", None
    for number, line in enumerate(lines, 1):
        if line == "{" and start is None:
            start = number
        elif line == "}" and start is not None:
            yield head, start, number - start - 1
            start = None
        elif start is None and line and not line[0].isspace() and "(" in line:
            found = NAME.search(line)
            head = found.group(1) if found else line


def main():
    for folder in ("src", "tests", "bench"):
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            lines = path.read_text().splitlines()
            where = path.relative_to(ROOT)
            if len(lines) > FILE_LINES:
                print(f"long: {where}: {len(lines)} lines")
            for name, start, length in functions(lines):
                if length > FUNCTION_LINES:
                    print(f"long: {where}:{start}: {name} has {length} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
