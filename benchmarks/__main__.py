"""`python -m benchmarks`: what is quick to measure, in turn; results in build/benchmarks."""

import argparse
import subprocess
import sys
from pathlib import Path

NAMES = {"edge": (), "motion": (), "red_team": (), "stop": (), "soak": ("--utterances", "1000")}
"""With what keeps a benchmark short."""


def main() -> None:
    """Runs those that were asked for, each in a process of its own; the first that fails ends the run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(NAMES)} (default: all)")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"), help="folder (default: build/benchmarks)")
    arguments = parser.parse_args()
    if unknown := sorted({*arguments.names} - {*NAMES}):
        parser.error(f"unknown benchmark {unknown[0]!r}; expected some of {', '.join(NAMES)}")
    for name in arguments.names or NAMES:
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(arguments.out / f"{name}.json")]
        subprocess.run([*command, *NAMES[name]], check=True)


if __name__ == "__main__":
    main()
