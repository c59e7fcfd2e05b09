"""Adds the last lines of several pytest runs into one, in pytest's own words.

Usage: python .ci/summary.py FAILED SECONDS LOG...
"""

import re
import sys
from collections import Counter
from pathlib import Path

WORDS = ("failed", "passed", "skipped", "deselected", "xfailed", "errors")


def counted(text):
    """Read the counts of the last summary line; a run without one is an error."""
    for line in reversed(text.splitlines()):
        if re.search(r"\bin [\d.]+s", line) and re.search(r"\d+ [a-z]+", line):
            found = {}
            for number, word in re.findall(r"(\d+) ([a-z]+)", line):
                found["errors" if word == "error" else word] = int(number)
            return {word: number for word, number in found.items() if word in WORDS}
    return {"errors": 1}


def main():
    """Print the sum; the line is red in words when anything failed."""
    failed, seconds, *logs = sys.argv[1:]
    total = Counter()
    for log in logs:
        path = Path(log)
        total.update(counted(path.read_text(errors="replace")) if path.exists() else {"errors": 1})
    if int(failed) and not total["failed"] and not total["errors"]:
        total["errors"] += 1
    parts = [f"{total[word]} {word}" for word in WORDS if total[word]]
    parts = ["1 error" if part == "1 errors" else part for part in parts]
    text = f"{', '.join(parts)} in {float(seconds):.2f}s"
    sys.stdout.write(f" {text} ".center(80, "=") + "\n")


if __name__ == "__main__":
    main()
