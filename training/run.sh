#!/bin/sh
# Data to bundle, one command: training/run.sh [FOLDER]   (default build/training). Run again to resume.
# Ship the result with: cp FOLDER/bundle/* shadow_intent/bundle_default/
set -eu
cd "$(dirname "$0")/.."
out=${1:-build/training}
python=${PYTHON:-.venv/bin/python}
mkdir -p "$out"
# threads that spin while they wait starve whatever else runs on a small machine
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"

echo "1/4 check the data"
"$python" -m training.corpus
echo "2/4 train"
"$python" -m training.train --run "$out/run"
echo "3/4 export and calibrate"
"$python" -m training.export --run "$out/run" --out "$out/bundle"
echo "4/4 evaluate"
"$python" -m training.evaluate "$out/bundle" --json "$out/results.json"
"$python" -m training.evaluate_replies "$out/bundle" --json "$out/replies.json"
echo "bundle: $out/bundle"
