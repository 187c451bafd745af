"""`python -m benchmarks`: what is quick to measure, in turn; results in build/benchmarks."""

import subprocess
import sys
from pathlib import Path

NAMES = {"edge": (), "motion": (), "red_team": (), "stop": (), "soak": ("--utterances", "1000")}
"""With what keeps a benchmark short."""

if __name__ == "__main__":
    folder = Path("build/benchmarks")
    for name, arguments in NAMES.items():
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(folder / f"{name}.json"), *arguments]
        subprocess.run(command, check=True)
