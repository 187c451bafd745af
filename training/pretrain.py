"""Pretrains a shadow: distils it from its base on plain text.

`python -m training.pretrain --text FOLDER --run build/pretrained`; instead of a folder a Hugging Face dataset
(--dataset), or text that the base writes itself (--sample). The run folder ends up with what `load_shadow` reads; run
the same command again to go on after an interruption.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from shadow_intent.cloud.base import EMBEDDED, load_base, load_tokenizer
from shadow_intent.errors import ShadowIntentError
from shadow_intent.shadow import PretrainConfig, Pretraining, Shadow, ShadowConfig, ShadowNetwork, Stage, save_shadow
from shadow_intent.shadow.texts import SampledBlocks, TextBlocks, dataset_texts, folder_source, folder_texts

COMMAND = "command.txt"
"""In the run folder, how it was made; `training.compare` tells it."""


def blocks_for(given: argparse.Namespace, base: Any) -> TextBlocks | SampledBlocks:
    """Where the text comes from."""
    if given.sample:
        return SampledBlocks(base, given.length, seed=given.seed)
    tokenizer = load_tokenizer(given.base)
    if given.text:
        return TextBlocks(partial(folder_texts, given.text), tokenizer, given.length, folder_source(given.text))
    return TextBlocks(partial(dataset_texts, given.dataset), tokenizer, given.length, f"dataset {given.dataset}")


def pretrain(given: argparse.Namespace) -> None:
    """Runs to the end, or for --limit steps, and writes the shadow."""
    base = load_base(given.base)
    config = ShadowConfig(num_layers=given.layers)
    torch.manual_seed(given.seed)
    sizes = {"hidden_size": given.hidden_size, "intermediate_size": given.intermediate_size}
    sizes = {name: value for name, value in sizes.items() if value}
    network = ShadowNetwork.random(base, config, **sizes) if given.random or sizes else ShadowNetwork.cut(base, config)
    stages = (
        Stage(given.steps, given.learning_rate, hidden=1.0),
        Stage(given.steps, given.learning_rate / 3),
    )
    settings = PretrainConfig(
        stages, batch_size=given.batch_size, bf16=given.bf16, save_every=given.save_every, seed=given.seed
    )
    run = Pretraining(network, base, blocks_for(given, base), settings, given.run)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, TimeRemainingColumn()) as progress:
        task = progress.add_task("pretraining", total=settings.steps, completed=run.step)
        for now in run.run(given.limit or None):
            note = f"loss {now.loss:.3f}, same next token {now.agreement:.1%}"
            progress.update(task, completed=now.step, description=note)
    save_shadow(given.run, Shadow(config, network), base)
    command = shlex.join(["python", "-m", "training.pretrain", *sys.argv[1:]])
    (given.run / COMMAND).write_text(command + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.pretrain", description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", type=Path, help="folder with .txt, .md or .jsonl files")
    source.add_argument("--dataset", help='Hugging Face dataset with a field "text": id or folder, or "id:config"')
    source.add_argument("--sample", action="store_true", help="no text: the base writes it")
    parser.add_argument("--run", type=Path, required=True, help="folder of this run")
    parser.add_argument("--base", default=EMBEDDED, help=f"model id or folder (default: {EMBEDDED})")
    parser.add_argument("--layers", type=int, default=2, help="blocks of f (default: 2)")
    parser.add_argument("--random", action="store_true", help="start at random instead of from the base's blocks")
    parser.add_argument("--hidden-size", type=int, help="width of f, which then starts at random")
    parser.add_argument("--intermediate-size", type=int, help="width of f's MLP, which then starts at random")
    parser.add_argument("--length", type=int, default=128, help="tokens of a block (default: 128)")
    parser.add_argument("--batch-size", type=int, default=8, help="blocks of a step (default: 8)")
    parser.add_argument("--steps", type=int, default=1000, help="of each of the two stages (default: 1000)")
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="of the first stage (default: 3e-4)")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16")
    parser.add_argument("--save-every", type=int, default=100, help="steps between checkpoints (default: 100)")
    parser.add_argument("--limit", type=int, default=0, help="stop after that many steps; 0: at the end")
    parser.add_argument("--seed", type=int, default=0, help="of order and new weights (default: 0)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    try:
        pretrain(given)
    except (ShadowIntentError, OSError, ValueError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
