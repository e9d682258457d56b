"""Pin the whole tree: exact versions in [tool.uv] of pyproject.toml, hashes in requirements.txt.

    python .ci/pin.py            # the newest versions that resolve
    python .ci/pin.py --keep     # keep the versions that are pinned: after a change of dependencies
    python .ci/pin.py --check    # exit code 1 where a pin is missing or left over, or a hash is none of the index's

uv.lock would pin too, but it records the addresses of whichever registry made it; exact constraints and hashes do not.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT, REQUIREMENTS = ROOT / "pyproject.toml", ROOT / "requirements.txt"
PINS = re.compile(r"(?<=^constraint-dependencies = \[\n).*?(?=^\])", re.S | re.M)
HEAD = """\
# The whole tree with the SHA-256 of every file on PyPI, made by `python .ci/pin.py`. Without uv:
#     pip install --require-hashes -r requirements.txt && pip install --no-deps -e .
"""


def uv(*words: str) -> str:
    """What uv prints on standard output."""
    return subprocess.run(["uv", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def exported(*words: str) -> str:
    """The locked packages as a requirements file; `words` are more options of `uv export`."""
    return uv("export", "--all-groups", "--all-extras", "--no-emit-project", "--no-annotate", "--no-header", *words)


def pins() -> str:
    """The lines of constraint-dependencies."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in exported("--no-hashes").splitlines():
        found[line.partition("==")[0]].append(line)
    # a marker matters only where versions differ by it
    kept = [line if len(lines) > 1 else line.partition(" ;")[0] for _, lines in sorted(found.items()) for line in lines]
    return "".join(f'  "{pin}",\n' for pin in kept)


def hashes(text: str) -> dict[str, set[str]]:
    """The hashes of a requirements file, by package with its version and marker."""
    found: dict[str, set[str]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            package, *each = line.split("--hash=")
            found[package.strip()] = {one.strip() for one in each}
    return found


def problems(text: str, hashed: str) -> list[str]:
    """What of the committed files is not as the lock has it. A release may have got more files since: no problem."""
    found = [] if PROJECT.read_text() == text else ["the pins of pyproject.toml are not those of its dependencies"]
    have, want = hashes(REQUIREMENTS.read_text()), hashes(hashed)
    if have.keys() != want.keys():
        found.append(f"requirements.txt lacks or has too many: {', '.join(sorted(have.keys() ^ want.keys()))}")
    return found + [
        f"{package}: no hash, or one that is none of the index's"
        for package in have.keys() & want.keys()
        if not have[package] or not have[package] <= want[package]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--keep", action="store_true")
    way.add_argument("--check", action="store_true")
    a = parser.parse_args()
    text = PROJECT.read_text()
    if not PINS.search(text):
        text += "\n[tool.uv]\nconstraint-dependencies = [\n]\n"
    if not (a.keep or a.check):
        PROJECT.write_text(PINS.sub("", text))
        uv("lock", "--upgrade")
    text = PINS.sub(pins().replace("\\", r"\\"), PROJECT.read_text())
    hashed = HEAD + exported()
    if a.check:
        if found := problems(text, hashed):
            raise SystemExit("\n".join([*found, "mend both files by: python .ci/pin.py --keep"]))
    else:
        PROJECT.write_text(text)
        REQUIREMENTS.write_text(hashed)
    print(f"{len(PINS.search(text)[0].splitlines())} versions pinned")


if __name__ == "__main__":
    main()
