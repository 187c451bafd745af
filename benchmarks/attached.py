"""Attached models side by side on one core: `python -m benchmarks.attached [--base smollm2 qwen3] [--json FILE]`.

A bare base, LoRA and DoRA (peft, unmerged), peft's Shadow, shadow-peft and ours, all in CPU time. Parts:

decode, prefill   The methods take turns within every round. A ratio is the median over rounds of a method's time over
                  the bare base's in the same round, and its range the least and the greatest of them. One that takes
                  more than four times as long as the base sits out after the first rounds. LoRA and DoRA have rank
                  8, the shadows rank 16 and random weights; ours has the paper's dialect, once with its weights as they
                  are and once prepacked for oneDNN. Prefill: the shadows only.
training          Each method in a process of its own, twice in turn, its fastest step of `--steps` after one to warm
                  up, all with about as many weights as ours in peft's dialect. Peak memory is that of the steps.
speculation       The trained bundle, or the shadow in `--shadow`, over smollm2, whatever `--base` says: each text once,
                  by the attached model, by the base and speculating, the attached ones prepacked; ratios are those
                  of the sums.

A part that was measured before and is not asked for again is kept in the JSON file; when and on what each was measured
stands there under "meta".
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel

from benchmarks import contestants
from benchmarks.side_by_side import circumstances, cpu_time, take_turns
from benchmarks.speculating import speculation
from shadow_intent.bundle import Bundle
from shadow_intent.errors import ShadowIntentError
from training import rivals

PROMPT = 24
PREFILLS = (32, 128, 512, 2048)
TRAIN_BATCH, TRAIN_LENGTH, TURNS = 16, 24, 2
PARTS = ("decode", "prefill", "training", "speculation")
SPECULATION = {
    "drafted": "drafted",
    "accepted": "acceptance",
    "break-even": "break_even",
    "draft cost": "draft",
    "tokens/pass": "tokens_per_pass",
    "ratio to base": "ratio_to_base",
    "one by one": "attached_ratio_to_base",
}
"""Columns of the table, and where they come from."""


@torch.inference_mode()
def decode(base: PreTrainedModel, batch: int, tokens: int, rounds: int) -> dict[str, Any]:
    """Greedy generation of `tokens` new tokens after a prompt of `PROMPT`, with a cache: milliseconds per token.

    The prompt is read within that time.
    """
    ids = torch.randint(5, base.config.vocab_size, (batch, PROMPT), generator=torch.Generator().manual_seed(1))
    options = {
        "attention_mask": torch.ones_like(ids),
        "max_new_tokens": tokens,
        "min_new_tokens": tokens,
        "do_sample": False,
        "use_cache": True,
        "pad_token_id": 0,
    }
    models: dict[str, Any] = {name: make(base) for name, make in contestants.METHODS.items()}
    return take_turns({n: partial(m.generate, input_ids=ids, **options) for n, m in models.items()}, rounds, tokens)


@torch.inference_mode()
def prefill(base: PreTrainedModel, length: int, rounds: int) -> dict[str, Any]:
    """One pass over a prompt of `length` tokens with a cache, logits of the last one."""
    ids = torch.randint(5, base.config.vocab_size, (1, length), generator=torch.Generator().manual_seed(1))
    chosen = {name: contestants.METHODS[name](base) for name in ("base", *contestants.SHADOWS)}
    options = {"use_cache": True, "logits_to_keep": 1}
    return take_turns({n: partial(m, input_ids=ids, **options) for n, m in chosen.items()}, rounds)


def training_step(name: str, base_name: str, steps: int) -> dict[str, Any]:
    """Tokens per second of CPU time and peak memory of a few steps at the number of weights that ours trains."""
    base = contestants.BASES[base_name](torch.float32)
    target = rivals.trainable(contestants.ours(base, "peft"))
    if name in ("LoRA", "DoRA"):
        rank = rivals.lora_rank_for(base, target)
        model: Any = rivals.lora(base, rank, dora=name == "DoRA")
    else:
        model = contestants.ours(base, "peft") if name == "ours" else contestants.METHODS[name](base)
    model.train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-5)
    ids = torch.randint(5, base.config.vocab_size, (TRAIN_BATCH, TRAIN_LENGTH))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM starts anew from here, see proc(5)
    before = memory("VmRSS")

    def step() -> None:
        model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()
    seconds = min(cpu_time(step) for _ in range(steps))
    peak = memory("VmHWM")
    return {
        "trainable": sum(weight.numel() for weight in weights),
        "tokens_per_s": round(ids.numel() / seconds, 1),
        "peak_mib": round(peak / 1024),
        "step_mib": round((peak - before) / 1024),
    }


def memory(name: str) -> int:
    """A field of /proc/self/status in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def training(base_name: str, steps: int) -> dict[str, Any]:
    """`training_step` of every method in a process of its own, `TURNS` times in turn; the fastest counts."""
    rows: dict[str, dict[str, Any]] = {}
    for name in contestants.TRAINED * TURNS:
        command = [sys.executable, "-m", "benchmarks.attached", "--base", base_name, "--step", name]
        done = subprocess.run([*command, "--steps", str(steps)], stdout=subprocess.PIPE, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        rows[name] = max(row, rows.get(name, row), key=lambda one: one["tokens_per_s"])
    for row in rows.values():
        row["ratio_to_peft"] = round(row["tokens_per_s"] / rows["peft Shadow"]["tokens_per_s"], 3)
    return rows


def show(results: dict[str, Any]) -> None:
    """Prints what was measured."""
    console = Console()
    for base, parts in results["bases"].items():
        rates = {key: part for key, part in parts.items() if key.startswith(("decode", "prefill"))}
        if rates:
            title = f"{base}: CPU ms per token (decode) or prompt (prefill), ratio to the bare base, its range"
            table = Table("", title=title)
            for name in rates:
                table.add_column(name, justify="right")
            for method in contestants.METHODS:
                table.add_row(method, *(_cell(part.get(method)) for part in rates.values()))
            console.print(table)
        if "training" in parts:
            table = Table("", "weights", "tokens/s", "ratio to peft Shadow", "peak MiB", title=f"{base}: training")
            for name, row in parts["training"].items():
                keys = ("tokens_per_s", "ratio_to_peft", "peak_mib")
                table.add_row(name, f"{row['trainable']:,}", *(str(row[key]) for key in keys))
            console.print(table)
    for part in (name for name in results if name.startswith("speculation")):
        table = Table("", *SPECULATION, "same", title=f"self-{part}, smollm2")
        for name, row in results[part].items():
            figures = (str(row.get(key, "")) for key in SPECULATION.values())
            table.add_row(name, *figures, f"{row['same_as_one_by_one']} of {row['texts']}")
        console.print(table)


def _cell(row: dict[str, Any] | None) -> str:
    """A method's milliseconds, its ratio and, where it is known, the range of that."""
    if row is None:
        return ""
    low_high = f" ({row['ratio_range'][0]:.2f}-{row['ratio_range'][1]:.2f})" if "ratio_range" in row else ""
    return f"{row['ms']:.1f}  {row['ratio']:.2f}{low_high}"


def measure(given: argparse.Namespace, results: dict[str, Any]) -> Iterator[str]:
    """Measures the parts asked for into `results`; yields the name of each once it is there."""
    for name in given.base:
        parts = results["bases"].setdefault(name, {})
        if {"decode", "prefill"} & set(given.parts):
            base = contestants.BASES[name](getattr(torch, given.dtype))
            for batch in given.batches if "decode" in given.parts else ():
                parts[f"decode, batch {batch}"] = decode(base, batch, given.tokens, given.rounds)
                yield f"{name}: decode, batch {batch}"
            for length in given.prefills if "prefill" in given.parts else ():
                parts[f"prefill {length}"] = prefill(base, length, given.rounds)
                yield f"{name}: prefill {length}"
        if "training" in given.parts:
            parts["training"] = training(name, given.steps)
            yield f"{name}: training"
    if "speculation" in given.parts:
        folder = given.shadow or Bundle.load(given.bundle).path
        name = f"speculation, {given.shadow.name}" if given.shadow else "speculation"
        results[name] = speculation(folder, given.count, given.tokens)
        yield name


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attached", description=__doc__.splitlines()[0])
    bases = list(contestants.BASES)
    parser.add_argument("--base", nargs="+", default=bases, choices=bases, help="bases (default: all)")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="what is measured (default: all)")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8], help="rows decoded at once (default: 1 8)")
    parser.add_argument("--prefills", nargs="+", type=int, default=PREFILLS, help="prompt lengths, tokens")
    parser.add_argument("--tokens", type=int, default=64, help="new tokens (default: 64)")
    parser.add_argument("--rounds", type=int, default=11, help="rounds of decode and prefill (default: 11)")
    parser.add_argument("--steps", type=int, default=3, help="training steps (default: 3)")
    parser.add_argument("--count", type=int, default=6, help="texts of each kind for speculation (default: 6)")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"), help="of the weights")
    parser.add_argument("--bundle", default="", help="whose shadow speculates (default: the shipped bundle)")
    parser.add_argument("--shadow", type=Path, help="folder of another shadow of smollm2 that speculates")
    parser.add_argument("--json", type=Path, help="add the results to this file")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    try:
        if given.step:
            print(json.dumps(training_step(given.step, given.base[0], given.steps)))
        else:
            run(given)
    except ShadowIntentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:  # it has said why
        return error.returncode
    return 0


def run(given: argparse.Namespace) -> None:
    """Measures what was asked for, keeps it in the file as soon as it is there, and prints everything in it."""
    results: dict[str, Any] = {"bases": {}}
    if given.json and given.json.is_file():
        results = json.loads(given.json.read_text(encoding="utf-8"))
    settings = {name: getattr(given, name) for name in ("rounds", "steps", "tokens", "count", "dtype")}
    for part in measure(given, results):
        results.setdefault("meta", {})[part] = circumstances() | settings
        print(f"measured: {part}", file=sys.stderr)
        if given.json:
            given.json.parent.mkdir(parents=True, exist_ok=True)
            given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    show(results)


if __name__ == "__main__":
    sys.exit(main())
