"""From a finished run to a bundle: ONNX, int8, temperature, thresholds, metrics, hashes.

`python -m training.export --run build/run --out build/bundle`
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from rich.progress import track
from safetensors.torch import load_file, save_file

from shadow_intent import bundle as layout
from shadow_intent.bundle import Bundle, Manifest, write_manifest
from shadow_intent.classifier import IntentClassifier
from shadow_intent.cloud.base import load_base
from shadow_intent.errors import BundleError, ShadowIntentError
from shadow_intent.pipeline import Pipeline
from shadow_intent.route import Policy
from shadow_intent.shadow import DetachedShadow, load_shadow, save_shadow
from shadow_intent.skills import load_skills
from training import evaluate
from training.corpus import Example, digest, read_corpus, read_exchanges, split
from training.recipe import DEFAULT, Recipe
from training.train import NEW_ROWS, ROWS, SHADOW, TOKENIZER, TokenRows

SAMPLES = 24
"""Utterances stored with their logits."""
NOTICE = """\
This bundle holds weights derived from SmolLM2-135M-Instruct by Hugging Face, licensed under the Apache License, Version 2.0
(https://www.apache.org/licenses/LICENSE-2.0): its first decoder blocks, fine-tuned, and rows of its token embedding, quantised
to 8 bits. The changes are the training described in bundle.json under "training". The utterances it was trained on are part
of the shadow_intent source distribution under the same licence.
"""


def to_onnx(detached: DetachedShadow, path: Path) -> None:
    """int8 ONNX of input_ids (B, T), attention_mask (B, T) -> logits (B, num_labels), both dimensions dynamic."""
    detached.eval()
    ids = torch.ones(2, 8, dtype=torch.long)
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
    with tempfile.TemporaryDirectory() as scratch:
        exact = Path(scratch) / "exact.onnx"
        torch.onnx.export(
            detached,
            (ids, torch.ones_like(ids)),
            str(exact),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": axes, "attention_mask": axes},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(exact)
        del model.graph.value_info[:]  # the exporter's shapes contradict what quantize_dynamic inserts
        onnx.save(model, exact)
        quantize_dynamic(
            exact,
            path,
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )


def detached_from(run: Path, recipe: Recipe) -> tuple[DetachedShadow, Any, Any]:
    """The trained classifier over the robot's token rows, with its shadow and base."""
    base = load_base(recipe.base)
    shadow = load_shadow(run / SHADOW, base)
    if shadow.heads is None:
        raise BundleError(f"{run / SHADOW}: no classification heads")
    rows = TokenRows(base.get_input_embeddings().weight.detach(), json.loads((run / ROWS).read_text()))
    rows.new.data = load_file(run / NEW_ROWS)["new"]
    table = torch.nn.Embedding.from_pretrained(rows.weight.detach())
    return DetachedShadow(shadow.network, shadow.heads, shadow.config, table), shadow, base


def export(run: Path, out: Path, recipe: Recipe) -> Bundle:
    """Writes the bundle and returns it, checked. `out` is replaced only once everything is there."""
    draft = out.with_name(out.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    detached, shadow, base = detached_from(run, recipe)
    to_onnx(detached, draft / layout.MODEL)
    save_shadow(draft, shadow, base, torch.float16)
    shutil.copy(run / TOKENIZER, draft / layout.TOKENIZER)
    (draft / layout.VOCABULARY).write_text((run / ROWS).read_text(), encoding="utf-8")
    save_file({"new": load_file(run / NEW_ROWS)["new"].half()}, draft / layout.NEW_ROWS)
    (draft / layout.NOTICE).write_text(NOTICE, encoding="utf-8")
    (draft / layout.SAMPLES).write_text("[]", encoding="utf-8")
    examples, exchanges = read_corpus(), read_exchanges()
    labels = tuple(load_skills().skills)
    manifest = Manifest(
        format=layout.FORMAT,
        labels=labels,
        policy=Policy(accept=1.0, margin=evaluate.MARGIN),
        temperature=1.0,
        max_tokens=recipe.max_tokens,
        shadow=shadow.config.to_dict(),
        base={"name": recipe.base, "model": "SmolLM2-135M-Instruct", "licence": "Apache-2.0"},
        training={"recipe": recipe.as_dict(), "data_sha256": digest(examples, exchanges)},
        metrics={},
        files={},
    )
    write_manifest(draft, manifest)
    manifest = calibrate(draft, manifest, split(examples))
    write_manifest(draft, manifest)
    finished = Bundle.load(draft)
    if finished.size_bytes > layout.MAX_BYTES:
        raise BundleError(f"{draft}: {finished.size_bytes / 2**20:.1f} MiB, at most {layout.MAX_BYTES >> 20} allowed")
    shutil.rmtree(out, ignore_errors=True)
    draft.replace(out)
    return Bundle.load(out)


def calibrate(draft: Path, manifest: Manifest, parts: dict[str, list[Example]]) -> Manifest:
    """Temperature and thresholds from the validation part, metrics from the test part, sample logits."""
    classifier = IntentClassifier(Bundle.load(draft))
    validation = parts["validation"]
    rows = [classifier.logits(e.text) for e in track(validation, "calibrating", transient=True)]
    targets = np.array([manifest.labels.index(e.label) for e in validation])
    temperature = evaluate.fit_temperature(np.stack(rows), targets)
    scaled = np.exp(evaluate.log_softmax(np.stack(rows) / temperature, axis=1))
    policy = evaluate.choose_policy(scaled, targets, manifest.labels)
    samples = [{"text": e.text, "logits": row.tolist()} for e, row in list(zip(validation, rows, strict=True))[:: len(rows) // SAMPLES]]
    (draft / layout.SAMPLES).write_text(json.dumps(samples, ensure_ascii=False), encoding="utf-8")
    manifest = replace(manifest, temperature=round(temperature, 4), policy=policy)
    write_manifest(draft, manifest)
    return replace(manifest, metrics=measure(draft, parts["test"]))


def measure(folder: Path, examples: Sequence[Example]) -> dict[str, Any]:
    """Held-out results of a bundle folder."""
    decisions = evaluate.decide(Pipeline.from_bundle(Bundle.load(folder)), examples)
    results = evaluate.report(examples, decisions)
    evaluate.show(f"test: {len(examples)} utterances never trained on, 95 % intervals", results)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("build/run"), help="folder of a finished run")
    parser.add_argument("--out", type=Path, default=Path("build/bundle"), help="bundle folder to write")
    parser.add_argument("--recipe", type=Path, default=DEFAULT, help="recipe the run was made with")
    arguments = parser.parse_args()
    try:
        bundle = export(arguments.run, arguments.out, Recipe.load(arguments.recipe))
    except (ShadowIntentError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{bundle.path}: bundle {bundle.bundle_id}, {bundle.size_bytes / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
