"""The layer rule: a folder includes only from itself and from the layers before it, and the pure
folders reach nothing but memory, mathematics, assert and our own base."""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"

# docs/ARCHITECTURE.md, in this order. "main" stands for src/main.c.
LAYERS = ["base", "policy", "capacity", "http", "net", "store", "jobs", "control", "observe",
          "gateway", "sim", "tools", "main"]

PURE = ["policy", "capacity"]
# System headers that the pure folders may use, and the symbols that they may leave undefined.
PURE_HEADERS = {"assert.h", "float.h", "limits.h", "math.h", "stdalign.h", "stdbool.h", "stddef.h",
                "stdint.h", "string.h"}
PURE_SYMBOLS = re.compile(
    r"mem(cpy|move|set|cmp|chr)|str(len|cmp|ncmp|nlen)|__assert_fail"
    r"|__udivti3"  # the compiler's own division of 128 bits
    r"|f?(floor|ceil|round|abs|min|max|mod)|l?l?round|sqrt|isnan|_GLOBAL_OFFSET_TABLE_")
# Base functions that would let time, chance or words in by the back door.
IMPURE_BASE = re.compile(r"ub_(clock|log|test)_.*")
# Folders that never see a socket (DESIGN: only net does).
NO_SOCKETS = ["base", "policy", "capacity", "http", "store", "observe", "gateway"]
SOCKET_HEADERS = {"sys/socket.h", "netinet/in.h", "netinet/tcp.h", "sys/epoll.h"}

# Sources that only tests are linked with, beside the *_test.c themselves.
TEST_SUPPORT = {"gateway/stage.c", "gateway/stage_actor.c", "store/real_redis.c"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def layer_of(path):
    parts = path.relative_to(SRC).parts
    return parts[0] if len(parts) > 1 else "main"


def check_includes(problems):
    checked = 0
    for path in sorted(SRC.rglob("*.[ch]")):
        here = layer_of(path)
        if here not in LAYERS:
            problems.append(f"{path.relative_to(ROOT)}: folder '{here}' is not a layer")
            continue
        test = (path.name.endswith(("_test.c", "_bench.c"))
                or str(path.relative_to(SRC)) in TEST_SUPPORT)
        for kind, name in INCLUDE.findall(path.read_text()):
            checked += 1
            where = f"{path.relative_to(ROOT)}: #include {name}"
            if kind == "<":
                if here in PURE and name not in PURE_HEADERS and not test:
                    problems.append(f"{where}: '{here}' is pure")
                if here in NO_SOCKETS and name in SOCKET_HEADERS and not test:
                    problems.append(f"{where}: '{here}' sees no sockets")
                continue
            there = name.split("/")[0]
            if "/" not in name or not (SRC / name).exists():
                problems.append(f"{where}: write it as seen from src/, \"folder/file.h\"")
            elif there not in LAYERS or LAYERS.index(there) > LAYERS.index(here):
                problems.append(f"{where}: '{here}' may not know '{there}'")
    return checked


def symbols(sources, out):
    """Compiles plainly (no hardening, which adds symbols of its own); returns (defined, needed)."""
    defined, needed = set(), {}
    for source in sources:
        obj = out / (str(source.relative_to(SRC)).replace("/", "_") + ".o")
        subprocess.run(["gcc", "-std=c17", "-D_GNU_SOURCE", "-O1", "-fno-stack-protector",
                        "-U_FORTIFY_SOURCE", "-fno-pie", '-DUB_VERSION="0"', f"-I{SRC}", "-c",
                        str(source), "-o", str(obj)], check=True)
        for line in subprocess.run(["nm", "-P", str(obj)], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.splitlines():
            name, kind = line.split()[:2]
            if kind == "U":
                needed.setdefault(name, source)
            elif kind.isupper():
                defined.add(name)
    return defined, needed


def check_symbols(problems):
    def code(folder):
        return [p for p in sorted((SRC / folder).glob("*.c"))
                if not p.name.endswith(("_test.c", "_bench.c"))]

    checked = 0
    with tempfile.TemporaryDirectory() as out:
        out = pathlib.Path(out)
        known, _ = symbols(code("base"), out)
        known = {name for name in known if not IMPURE_BASE.fullmatch(name)}
        for folder in PURE:
            defined, needed = symbols(code(folder), out)
            known |= defined
            for name, source in sorted(needed.items()):
                checked += 1
                if name not in known and not PURE_SYMBOLS.fullmatch(name):
                    problems.append(f"{source.relative_to(ROOT)}: needs {name}, and '{folder}' is pure")
    return checked


def main():
    problems = []
    includes = check_includes(problems)
    needed = check_symbols(problems)
    for problem in problems:
        print(problem)
    print(f"layers: {includes} includes and {needed} symbols of the pure folders looked at, "
          f"{len(problems)} problems")
    return 1 if problems or includes == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
