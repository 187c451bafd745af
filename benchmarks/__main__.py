"""`python -m benchmarks`: every benchmark in turn, results in build/benchmarks."""

import subprocess
import sys
from pathlib import Path

NAMES = ("edge", "motion", "stop")

if __name__ == "__main__":
    folder = Path("build/benchmarks")
    for name in NAMES:
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(folder / f"{name}.json")]
        subprocess.run(command, check=True)
