"""Which libraries the program loads, as TAP. Each costs every idle gateway some hundred KiB (README,
figures), so that one more is a decision: libm was 330 KiB for six calls."""

import re
import subprocess
import sys

WANTED = {"libc", "libcares", "libcrypto", "libhiredis",
          "libjansson", "libssl", "libuv", "libxxhash", "libyaml",
          "libz"}

table = subprocess.run(["readelf", "-d", sys.argv[1]], check=True, capture_output=True, text=True)
names = re.findall(r"\(NEEDED\).*\[(lib[a-z]+)", table.stdout)
more = set(names) - WANTED
print("1..2")
print(f"{'ok' if names else 'not ok'} 1 - the program names its libraries")
print(f"{'not ok' if more else 'ok'} 2 - and no others than wanted {' '.join(sorted(more))}")
