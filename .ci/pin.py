"""Pin the whole tree: rewrite [tool.uv] constraint-dependencies in pyproject.toml to the newest versions that resolve.

    python .ci/pin.py

uv.lock would pin too, but it records the addresses of whichever registry made it; exact constraints do not.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
PINS = re.compile(r"(?<=^constraint-dependencies = \[\n).*?(?=^\])", re.S | re.M)


def main() -> None:
    text = PROJECT.read_text()
    if not PINS.search(text):
        text += "\n[tool.uv]\nconstraint-dependencies = [\n]\n"
    PROJECT.write_text(PINS.sub("", text))
    subprocess.run(["uv", "lock", "--upgrade", "--quiet"], cwd=PROJECT.parent, check=True)
    words = [
        "--no-hashes",
        "--all-groups",
        "--all-extras",
        "--no-emit-project",
        "--no-annotate",
        "--no-header",
        "--quiet",
    ]
    listed = subprocess.run(["uv", "export", *words], cwd=PROJECT.parent, check=True, capture_output=True, text=True)
    found: dict[str, list[str]] = defaultdict(list)
    for line in listed.stdout.splitlines():
        found[line.partition("==")[0]].append(line)
    # a marker matters only where versions differ by it
    pins = [line if len(lines) > 1 else line.partition(" ;")[0] for _, lines in sorted(found.items()) for line in lines]
    body = "".join(f'  "{pin}",\n' for pin in pins)
    PROJECT.write_text(PINS.sub(lambda _: body, PROJECT.read_text()))
    print(f"pinned {len(pins)} packages")


if __name__ == "__main__":
    main()
