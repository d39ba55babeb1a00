"""Long runs: faults, fuzzing, large data sets, mutation, other versions. Each part records its results in results.md.

make torture                           # all parts, three hours
python -m tests.torture faults         # one of them
python -m tests.torture --scale 0.01   # a quick look at those that can be scaled, not recorded
"""

import argparse
import datetime
from pathlib import Path

from benchmarks.benchmark import machine
from mnist_cnn import files
from tests.torture import faults, fuzz, large, mutation, versions

PARTS = {"faults": faults.run, "fuzz": fuzz.run, "large": large.run, "mutation": mutation.run, "versions": versions.run}
RESULTS = Path(__file__).with_name("results.md")


def record(part, lines):
    """Replace the section of this part in results.md."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    sections = dict(section.split("\n", 1) for section in text.split("\n## ")[1:])
    today = f"{datetime.date.today()}, {machine()}"
    sections[part] = "\n".join(["", f"{today}.", "", *(f"- {line}" for line in lines), ""])
    text = "# Torture\n\nWritten by `make torture`.\n"
    text += "".join(f"\n## {name}\n{sections[name].rstrip()}\n" for name in PARTS if name in sections)
    files.write(RESULTS, text.encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=PARTS, help="default: all")
    parser.add_argument("--scale", type=float, help="share of the kills, inputs, images, epochs and modules")
    arguments = parser.parse_args()
    recorded = arguments.scale is None
    for part in arguments.parts or [part for part in PARTS if recorded or part != "versions"]:
        print(f"{part} ...", flush=True)
        lines = []
        for line in PARTS[part]() if recorded or part == "versions" else PARTS[part](arguments.scale):
            print(line, flush=True)
            lines.append(line)
            if recorded:
                record(part, lines)  # what is done is kept if the rest is stopped


if __name__ == "__main__":
    main()
