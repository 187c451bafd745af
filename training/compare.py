"""LoRA, DoRA and ShadowPEFT at about as many trained weights: `python -m training.compare --clinc data_full.json`.

As many as the ranks of LoRA allow, see `rivals.lora_rank_for`; the table has the numbers.
Every run is a file in docs/results/compare; what is there is not run again, so the command may be stopped and repeated,
and several may work at once with different --seeds. `--report` makes table and plot of what there is.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from scipy.stats import t as student_t

from shadow_intent.cloud.base import EMBEDDED, load_base, load_tokenizer
from shadow_intent.errors import ShadowIntentError
from training.compare_runs import Run, Settings, train_and_measure
from training.compare_tasks import Intents, Replies
from training.machine import processor
from training.pretrain import COMMAND

SHOTS = 20
WIDTH = 120
"""Columns of the tables."""
VARIANTS: dict[tuple[str, int], list[dict[str, Any]]] = {
    ("intents", SHOTS): [{"update": False}, {"start": "pretrained"}],
    ("replies", 0): [{"update": False}, {"start": "pretrained"}],
    ("intents", 0): [],
}
"""Shadows that are made or started otherwise, by task and shots; none where a run takes long."""
SWEEP: dict[tuple[str, int], list[dict[str, Any]]] = {
    ("intents", SHOTS): [
        {"start": "random"},
        *({"rank": rank, "alpha": alpha} for rank, alpha in [(8, 1.0), (32, 1.0), (16, 0.1), (16, 0.5)]),
    ],
    ("replies", 0): [{"aim": "drafts"}, {"start": "pretrained", "aim": "drafts"}],
    ("intents", 0): [{"update": False}, {"start": "pretrained"}],
}
"""As `VARIANTS`, with seed `SWEEP_SEED` only."""
SWEEP_SEED = 1
SETTINGS = ("base", "epochs", "full_epochs", "batch_size", "limit", "bf16")
"""Options that all runs of a report share."""
TITLES = {
    ("intents", SHOTS): f"CLINC150, {SHOTS} a class",
    ("intents", 0): "CLINC150, all",
    ("replies", 0): "English requests with plan and reply",
}
"""By task and shots."""


def planned(seeds: Sequence[int], pretrained: bool) -> list[Run]:
    """All runs, the short ones first."""
    runs = []
    for (task, shots), variants in VARIANTS.items():
        for seed in seeds:
            runs += [Run(task, method, seed, shots) for method in ("LoRA", "DoRA", "shadow")]
            others = variants + (SWEEP[task, shots] if seed == SWEEP_SEED else [])
            runs += [Run(task, "shadow", seed, shots, **other) for other in others]
    return [run for run in runs if pretrained or run.start != "pretrained"]


def work(given: argparse.Namespace, runs: Iterable[Run]) -> None:
    """Does what is not done yet."""
    base, tokenizer = load_base(given.base), load_tokenizer(given.base)
    given.runs.mkdir(parents=True, exist_ok=True)
    todo = [run for run in runs if not _is_done(given, run)]
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, TimeRemainingColumn()) as progress:
        for number, run in enumerate(todo, start=1):
            task = (
                Intents(given.clinc, tokenizer, run.shots, run.seed, given.limit)
                if run.task == "intents"
                else Replies(tokenizer, given.limit)
            )
            bar = progress.add_task(f"{number}/{len(todo)} {run.name}", total=None)
            epochs = given.full_epochs if (run.task, run.shots) == ("intents", 0) else given.epochs
            settings = Settings(
                epochs=epochs,
                batch_size=given.batch_size,
                pretrained=given.pretrained,
                keep=given.keep,
                bf16=given.bf16,
            )
            results = train_and_measure(run, settings, base, task, partial(_show, progress, bar))
            results |= {"settings": _settings(given, run), "command": given.command, "processor": processor()}
            if run.start == "pretrained":
                results["pretraining"] = (given.pretrained / COMMAND).read_text(encoding="utf-8").strip()
            file = given.runs / f"{run.name}.json"
            file.with_suffix(".part").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            file.with_suffix(".part").replace(file)


def _settings(given: argparse.Namespace, run: Run) -> dict[str, Any]:
    """What a result depends on beside its run."""
    settings = {name: getattr(given, name) for name in SETTINGS}
    return settings | {"pretrained": str(given.pretrained) if run.start == "pretrained" else None}


def _is_done(given: argparse.Namespace, run: Run) -> bool:
    """Whether the folder holds the run. Raises ShadowIntentError when it was made with other settings."""
    file, ours = given.runs / f"{run.name}.json", _settings(given, run)
    if not file.is_file():
        return False
    theirs = json.loads(file.read_text(encoding="utf-8"))["settings"]
    odd = [f"{name} {theirs.get(name)}, not {value}" for name, value in ours.items() if theirs.get(name) != value]
    if odd:
        raise ShadowIntentError(f"{file} was made with {', '.join(odd)}; remove it, or give another folder of --runs")
    return True


def _show(progress: Progress, bar: Any, step: int, steps: int) -> None:
    progress.update(bar, completed=step, total=steps)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % interval over seeds; nan for a single one."""
    if len(values) < 2:
        return values[0], math.nan
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return statistics.fmean(values), float(student_t.ppf(0.975, len(values) - 1)) * spread


def summarise(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row per task, method and path: mean and interval over seeds."""
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        run = Run(**{name: result.get(name, default) for name, default in asdict(Run("", "", 0)).items()})
        for path in ("attached", "detached"):
            if path in result:
                key = (run.task, run.shots, run.method, run.start, run.update, run.rank, run.alpha, run.aim, path)
                cells[key].append({**result, **result[path]})
    names = ("task", "shots", "method", "start", "update", "rank", "alpha", "aim", "path")
    rows = []
    for key, found in sorted(cells.items()):
        row: dict[str, Any] = {**dict(zip(names, key, strict=True)), "seeds": len(found), "tests": found[0]["tests"]}
        for figure in ("accuracy", "exact_plan", "loss", "ms", "train_seconds", "weights"):
            if values := [one[figure] for one in found if figure in one]:
                mean, half = interval(values)
                row[figure] = round(mean, 4)
                row[f"{figure}_95"] = None if math.isnan(half) else round(half, 4)
        rows.append(row)
    return rows


def _timed_on(usual: str, result: dict[str, Any]) -> dict[str, Any]:
    """The result, without its times when it was made on another processor: they cannot be averaged."""
    if result["processor"] == usual:
        return result
    kept = {name: value for name, value in result.items() if name != "train_seconds"}
    paths = {path: kept[path] for path in ("attached", "detached") if path in kept}
    return kept | {path: {n: v for n, v in found.items() if n != "ms"} for path, found in paths.items()}


def label(row: dict[str, Any]) -> str:
    """What a row is called."""
    if row["method"] != "shadow":
        return str(row["method"])
    odd = [] if row["start"] == "cut" else [row["start"]]
    odd += [] if row["update"] else ["no update"]
    odd += [f"for {row['aim']}"] if row["aim"] else []
    odd += [] if (row["rank"], row["alpha"]) == (16, 1.0) else [f"r {row['rank']}, alpha {row['alpha']:g}"]
    return f"ShadowPEFT {row['path']}" + (f" ({', '.join(odd)})" if odd else "")


def figure(row: dict[str, Any], name: str) -> str:
    """A mean with its interval."""
    if name not in row:
        return ""
    half = row[f"{name}_95"]
    return f"{row[name]:.2f}" + ("" if half is None else f" ± {half:.2f}")


def report(folder: Path, out: Path) -> None:
    """Tables on the terminal; compare.md, compare.json and compare.png into `out`.

    Raises ShadowIntentError without runs, or when they were not all made with the same settings.
    """
    results = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    if not results:
        raise ShadowIntentError(f"{folder} holds no runs yet; run without --report first")
    settings = {json.dumps({**result["settings"], "pretrained": None}) for result in results}
    pretraining = {result["pretraining"] for result in results if "pretraining" in result}
    if len(settings) > 1 or len(pretraining) > 1:
        mixed = settings if len(settings) > 1 else pretraining
        raise ShadowIntentError(f"{folder} mixes runs with different settings: {'; '.join(sorted(mixed))}")
    usual = statistics.mode(result["processor"] for result in results)
    rows = summarise(_timed_on(usual, result) for result in results)
    out.mkdir(parents=True, exist_ok=True)
    (out / "compare.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    console = Console(record=True, width=WIDTH)
    for (task, shots), title in TITLES.items():
        own = [row for row in rows if (row["task"], row["shots"]) == (task, shots)]
        title += f", {own[0]['tests']} held out" if own else ""
        table = Table("", "accuracy %", "exact plan %", "loss", "ms", "weights", "CPU s", "seeds", title=title)
        for row in own:
            cells = [figure(row, name) for name in ("accuracy", "exact_plan", "loss", "ms")]
            cells += [f"{row['weights']:,.0f}", figure(row, "train_seconds"), str(row["seeds"])]
            table.add_row(label(row), *cells)
        if table.row_count:
            console.print(table)
    commands = "\n".join([*pretraining, *dict.fromkeys(result["command"] for result in results)])
    note = f"ms and CPU s: of the runs on {usual}, one thread."
    text = f"# Comparison\n\n```\n{commands}\n```\n\n```\n{console.export_text()}```\n\n{note}\n"
    (out / "compare.md").write_text(text, encoding="utf-8")
    draw(rows, out / "compare.png")


def draw(rows: list[dict[str, Any]], file: Path) -> None:
    """A dot with its interval for each method, a panel per task; hollow dots are of a single seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    there = [key for key in TITLES if any((row["task"], row["shots"]) == key for row in rows)]
    drawing, panels = plt.subplots(1, len(there), figsize=(7 * len(there), 5.5), squeeze=False)
    for panel, key in zip(panels[0], there, strict=True):
        own = [row for row in rows if (row["task"], row["shots"]) == key]
        name = "accuracy" if key[0] == "intents" else "exact_plan"
        for row in own:
            fill = "none" if row["seeds"] == 1 else None
            panel.errorbar(row[name], label(row), xerr=row[f"{name}_95"] or 0, fmt="o", color="C0", mfc=fill, capsize=3)
        panel.invert_yaxis()
        panel.grid(axis="x", alpha=0.4)
        panel.set_title(TITLES[key])
        panel.set_xlabel(f"{name.replace('_', ' ')}, %")
    drawing.tight_layout()
    drawing.savefig(file, dpi=120)
    plt.close(drawing)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.compare", description=__doc__.splitlines()[0])
    parser.add_argument("--clinc", type=Path, help="data_full.json of CLINC150")
    parser.add_argument("--runs", type=Path, default=Path("docs/results/compare"), help="folder of runs")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="where the report goes")
    parser.add_argument("--report", action="store_true", help="only make the report")
    parser.add_argument("--base", default=EMBEDDED, help=f"model id or folder (default: {EMBEDDED})")
    parser.add_argument("--pretrained", type=Path, help="folder of training.pretrain: adds runs that start from it")
    parser.add_argument("--keep", type=Path, help="folder for the trained shadows; benchmarks.attached takes them")
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[1, 2, 3], help="one run of each kind per seed (default: 1 2 3)"
    )
    parser.add_argument("--only", nargs="+", default=[], help="only runs whose name holds one of these")
    parser.add_argument("--epochs", type=int, default=2, help="passes over few shots and over requests (default: 2)")
    parser.add_argument("--full-epochs", type=int, default=1, help="passes over all of CLINC150 (default: 1)")
    parser.add_argument("--batch-size", type=int, default=16, help="examples of a step (default: 16)")
    parser.add_argument("--bf16", action="store_true", help="train in bfloat16: quick where the processor has it")
    parser.add_argument("--limit", type=int, default=0, help="most examples of a part, to try it out")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all")
    given = parser.parse_args()
    given.command = shlex.join(["python", "-m", "training.compare", *sys.argv[1:]])
    if given.threads:
        torch.set_num_threads(given.threads)
    try:
        if not given.report:
            runs = planned(given.seeds, given.pretrained is not None)
            chosen = [run for run in runs if not given.only or any(word in run.name for word in given.only)]
            if given.clinc is None and any(run.task == "intents" for run in chosen):
                raise ShadowIntentError("--clinc is needed: the path of CLINC150's data_full.json")
            work(given, chosen)
        report(given.runs, given.out)
    except (ShadowIntentError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
