"""Train, resume, export and retrain on a tiny base, with everything real but the size."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shadow_intent import bundle as layout
from shadow_intent.bundle import Bundle, write_manifest
from shadow_intent.classifier import IntentClassifier
from shadow_intent.errors import BundleError, ConfigError, ShadowIntentError
from shadow_intent.intent import NO_SLOTS
from shadow_intent.shadow.loss import IGNORE
from training import evaluate, report
from training.corpus import NO_LABEL, Example, Exchange, digest
from training.encoder_teacher import EncoderTeacher
from training.export import check_rounding, check_size, to_onnx, write_bundle
from training.logs import reviewed_before
from training.parts import Parts
from training.recipe import Recipe
from training.retrain import Verdict, retrain, with_reviewed
from training.teachers import Told, feature_distance, mean_of
from training.train import ENCODER, LABELS, PARTS, TEACHER, WRITTEN, Run, train
from training.written import Writer

WRITTEN_TEXTS = ["sit or dance", "dance and sit"]


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, recipe: Recipe, examples: list[Example], exchanges: list[Exchange]
) -> Run:
    torch.set_num_threads(1)
    run = Run(recipe, tmp_path_factory.mktemp("run"), examples, exchanges)
    run.train()
    run.finish()
    return run


@pytest.fixture(scope="module")
def bundle(finished: Run, recipe: Recipe, examples: list[Example], exchanges: list[Exchange]) -> Bundle:
    parts = {"train": examples, "validation": examples, "rare": examples, "test": examples}
    return write_bundle(finished.folder, finished.folder / "bundle", recipe, parts, exchanges)


def test_training_learns_what_it_is_shown(bundle: Bundle, examples: list[Example]) -> None:
    classifier = IntentClassifier(bundle)
    right = sum(classifier.predict(e.text).label == e.label for e in examples)
    assert right >= 0.8 * len(examples)


def test_only_the_shadow_is_trained(
    finished: Run, recipe: Recipe, examples: list[Example], exchanges: list[Exchange]
) -> None:
    fresh = Run(recipe, finished.folder / "other", examples, exchanges)
    trained, start = dict(finished.base.named_parameters()), dict(fresh.base.named_parameters())
    frozen = {id(p) for p in fresh.trainable}
    assert all(torch.equal(trained[n], p) for n, p in start.items() if id(p) not in frozen and "adapters" not in n)
    assert not any(p.requires_grad for p in finished.base.get_input_embeddings().parameters())


@pytest.fixture(scope="module")
def narrowed(
    tmp_path_factory: pytest.TempPathFactory, recipe: Recipe, examples: list[Example], exchanges: list[Exchange]
) -> Run:
    taught = replace(recipe, mlp_width=24, teacher_epochs=6, teachers=2, mixed=0.3, epochs=3, distillation=0.9)
    taught = replace(
        taught,
        learning_rate=1e-3,
        teacher_learning_rate=1e-3,
        encoder_steps=40,
        encoder_learning_rate=1e-2,
        feature_distillation=2.0,
    )
    taught, folder = replace(taught, written=2), tmp_path_factory.mktemp("narrowed")
    lines = (Writer(taught, examples).made_of, WRITTEN_TEXTS)  # a tiny base cannot write
    (folder / WRITTEN).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return train(taught, folder, examples, exchanges)


def test_a_narrow_shadow_learns_what_its_wide_teacher_knows(narrowed: Run, examples: list[Example]) -> None:
    tiny = narrowed.base.config.intermediate_size
    wide = Parts.load(narrowed.folder / TEACHER / PARTS, narrowed.model.detach()).detached(frozen=True).eval()
    small = Parts.load(narrowed.folder / PARTS, narrowed.base).detached(frozen=True).eval()
    assert (wide.network.backbone.config.intermediate_size, tiny) == (64, 64)
    assert small.network.backbone.config.intermediate_size == 24
    batch = next(narrowed.utterances.epoch(len(examples), torch.Generator()))
    told, said = (m(batch.input_ids, batch.attention_mask).argmax(-1) for m in (wide, small))
    assert (told == said).float().mean() >= 0.9
    assert (said == batch.labels).float().mean() >= 0.8


def test_teachers_differ_by_their_seeds_and_mixed_texts_have_no_label(narrowed: Run, examples: list[Example]) -> None:
    first, second = narrowed.teachers.wide
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert narrowed.mixed_per_epoch == int(0.3 * len(examples))
    made = list(narrowed.mixer.draw(8, torch.Generator().manual_seed(1)))
    (batch,) = narrowed._whole(made)
    narrowed.teachers.read(narrowed.every, made)
    assert (batch.labels == IGNORE).all()
    assert 0 < narrowed._intent_loss(batch) < 10  # of nothing but the distance from the teachers


def test_the_encoder_teaches_beside_the_wide_shadows_in_its_languages(narrowed: Run, examples: list[Example]) -> None:
    narrowed.teachers.read(narrowed.every, ())
    batch = next(narrowed.utterances.epoch(len(narrowed.utterances), torch.Generator()))
    teacher = EncoderTeacher(narrowed.recipe, narrowed.labels)
    teacher.learn(narrowed.folder / ENCODER, examples)  # what the run kept
    english = sorted({e.text for e in examples if teacher.reads(e)} | set(WRITTEN_TEXTS))
    assert {e.language for e in examples if e.text in english} == {"en"} and len(english) < len(batch.texts)
    said, features = (dict(zip(english, found, strict=True)) for found in teacher.told(english))
    right = [narrowed.labels[int(said[e.text].argmax())] == e.label for e in examples if e.text in said]
    assert sum(right) >= 0.8 * len(right)
    for row, (text, told) in enumerate(zip(batch.texts, narrowed.teachers.of(batch), strict=True)):
        wide = [t(batch.input_ids, batch.attention_mask)[row] for t in narrowed.teachers.wide]
        every = [*wide, *([said[text]] if text in said else [])]
        expected = torch.stack([one.softmax(-1) for one in every]).mean(0)
        torch.testing.assert_close(told.logits.softmax(-1), expected, atol=1e-4, rtol=1e-3)
        assert (told.features is None) == (text not in said)
        if told.features is not None:
            torch.testing.assert_close(told.features, features[text], atol=1e-4, rtol=1e-3)


def test_features_draw_near_the_encoders(narrowed: Run, examples: list[Example]) -> None:
    fresh = Run(
        narrowed.recipe,
        narrowed.folder / "other",
        examples,
        [],
        teachers=[narrowed.folder / TEACHER / PARTS],
        encoder=narrowed.teachers.encoder,
    )
    batch = next(fresh.utterances.epoch(len(examples), torch.Generator()))
    narrowed.teachers.read(narrowed.every, ())
    told = narrowed.teachers.of(batch)
    distances = []
    for run in (narrowed, fresh):
        run.detached.eval()
        with torch.no_grad():
            features = run.detached.pooled(run.detached.embedding(batch.input_ids), batch.attention_mask)
            distances.append(float(feature_distance(run.projection(features), told)))
    assert distances[0] < 0.8 * distances[1]


def test_the_distance_of_features_is_of_those_the_encoder_reads() -> None:
    projected = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]], requires_grad=True)
    told = [Told(torch.zeros(3), features) for features in (torch.tensor([1.0, 0.0]), None, torch.tensor([0.0, 5.0]))]
    distance = feature_distance(projected, told)
    torch.testing.assert_close(distance, torch.tensor((1 - math.sqrt(0.5)) / 3))
    distance.backward()
    assert projected.grad is not None and projected.grad[1].abs().sum() == 0 < projected.grad[2].abs().sum()
    assert feature_distance(projected, told[1:2]) == 0


def test_what_the_base_wrote_is_learnt_from_the_teachers_alone(narrowed: Run, examples: list[Example]) -> None:
    batch = next(narrowed.utterances.epoch(len(narrowed.utterances), torch.Generator()))
    unlabelled = {text for text, label in zip(batch.texts, batch.labels.tolist(), strict=True) if label == IGNORE}
    assert unlabelled == set(WRITTEN_TEXTS) and len(batch.texts) == len(examples) + 2


def test_what_was_made_for_one_pass_is_forgotten_in_the_next(narrowed: Run) -> None:
    made = [Example(f"sit dance {n}", NO_LABEL, "en", NO_SLOTS, "mixed") for n in range(2)]
    (batch,) = narrowed._whole(made)
    narrowed.teachers.read(narrowed.every, made)
    assert len(narrowed.teachers.of(batch)) == 2
    narrowed.teachers.read(narrowed.every, ())
    with pytest.raises(KeyError):
        narrowed.teachers.of(batch)


def test_an_encoder_of_other_data_is_refused(narrowed: Run, examples: list[Example]) -> None:
    with pytest.raises(ShadowIntentError, match="other data"):
        EncoderTeacher(narrowed.recipe, narrowed.labels).learn(narrowed.folder / ENCODER, examples[1:])


def test_an_encoder_needs_utterances_in_its_languages(recipe: Recipe, examples: list[Example], tmp_path: Path) -> None:
    teacher = EncoderTeacher(replace(recipe, encoder_languages=("de",)), ("sit",))
    with pytest.raises(ShadowIntentError, match="no utterance is in a language of the encoder: de"):
        teacher.learn(tmp_path, examples)


def test_few_utterances_are_passed_over_more_often(
    recipe: Recipe, examples: list[Example], exchanges: list[Exchange], tmp_path: Path
) -> None:
    run = Run(replace(recipe, least_steps=5 * 8 - 1), tmp_path, examples, exchanges)
    assert (run.steps_per_epoch, run.steps) == (8, 5 * 8)  # 54 utterances and 5 made ones, 8 at a time


def test_the_mean_of_teachers_is_that_of_their_probabilities() -> None:
    logits = [torch.randn(3, 5), torch.randn(3, 5) + 7]
    expected = (logits[0].softmax(-1) + logits[1].softmax(-1)) / 2
    torch.testing.assert_close(mean_of(logits).softmax(-1), expected)
    assert mean_of(logits[:1]) is logits[0]


@pytest.mark.parametrize("odd", [{"teachers": 0}, {"teacher_epochs": 0}, {"mlp_width": 0}, {"mixed": 1.0}])
def test_a_recipe_that_contradicts_itself_is_refused(odd: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="recipe"):
        replace(Recipe.load(), **odd)


def test_mixed_texts_need_a_teacher(recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match="no label but a teacher's"):
        replace(recipe, mixed=0.5)


def test_an_interrupted_run_goes_on_behind_its_finished_teacher(
    narrowed: Run, examples: list[Example], exchanges: list[Exchange]
) -> None:
    again = train(narrowed.recipe, narrowed.folder, examples, exchanges)
    assert again.step == again.steps
    for a, b in zip(narrowed.parts.detached().parameters(), again.parts.detached().parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_detached_model_is_the_same_in_onnx(bundle: Bundle, finished: Run) -> None:
    parts = Parts.load(finished.folder / PARTS, finished.model.detach())
    detached = parts.detached(frozen=True).eval()
    for sample in bundle.samples[:5]:
        ids = parts.vocabulary.tokenizer.encode(sample["text"]).ids
        exact = detached(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.long))[0].detach().numpy()
        assert np.abs(exact - np.array(sample["logits"])).max() < 0.1 * np.abs(exact).max() + 0.1


def test_a_bundle_that_lost_accuracy_or_is_too_large_is_refused(
    bundle: Bundle, finished: Run, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Parts.load(finished.folder / PARTS, finished.model.detach())
    exact = trained.detached(frozen=True)
    check_rounding(IntentClassifier(bundle), exact, examples)
    check_size(bundle)
    worse = Path(shutil.copytree(bundle.path, tmp_path / "worse"))
    untrained = Parts.fresh(finished.base, finished.recipe, len(bundle.labels), trained.vocabulary)
    to_onnx(untrained.detached(frozen=True), worse / layout.MODEL, finished.recipe.max_tokens)
    write_manifest(worse, bundle.manifest)
    with pytest.raises(BundleError, match="round"):
        check_rounding(IntentClassifier(Bundle.load(worse)), exact, examples)
    monkeypatch.setattr(layout, "MAX_ROBOT_BYTES", bundle.robot_bytes - 1)
    with pytest.raises(BundleError, match="what the robot reads"):
        check_size(bundle)


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, recipe: Recipe, examples: list[Example], exchanges: list[Exchange]
) -> None:
    short = replace(recipe, epochs=2)
    whole = Run(short, tmp_path / "whole", examples, exchanges)
    whole.train()
    first = Run(short, tmp_path / "parts", examples, exchanges)
    first.train(limit=first.steps_per_epoch)
    second = Run(short, tmp_path / "parts", examples, exchanges)
    second.resume()
    assert second.step == second.steps_per_epoch
    second.train()
    for a, b in zip(whole.trainable, second.trainable, strict=True):
        torch.testing.assert_close(a, b)


def test_a_run_folder_of_another_recipe_is_refused(
    finished: Run, recipe: Recipe, examples: list[Example], exchanges: list[Exchange]
) -> None:
    other = Run(replace(recipe, epochs=9), finished.folder, examples, exchanges)
    with pytest.raises(ShadowIntentError, match="another recipe"):
        other.resume()
    other = Run(recipe, finished.folder, [*examples[1:], replace(examples[0], label="jump")], exchanges)
    with pytest.raises(ShadowIntentError, match="another set of data"):
        other.resume()


def test_a_run_of_other_labels_becomes_no_bundle(
    finished: Run, bundle: Bundle, recipe: Recipe, exchanges: list[Exchange], tmp_path: Path
) -> None:
    file = tmp_path / LABELS
    assert tuple(json.loads((finished.folder / LABELS).read_text())) == bundle.labels
    file.write_text(json.dumps(bundle.labels[1:]))
    with pytest.raises(BundleError, match=f"other labels than the skill table has: {bundle.labels[0]}"):
        write_bundle(tmp_path, tmp_path / "out", recipe, {}, exchanges)


def test_the_bundle_carries_what_it_promises(bundle: Bundle, recipe: Recipe) -> None:
    manifest = bundle.manifest
    assert manifest.training["recipe"] == recipe.as_dict() and len(manifest.training["data_sha256"]) == 64
    assert manifest.metrics["all"]["label_accuracy"]["n"] > 0
    assert len(bundle.samples) >= 5 and IntentClassifier(bundle).self_check() < 0.01
    assert recipe.base in (bundle.path / "NOTICE").read_text() and manifest.base == {"name": recipe.base}


def test_a_bundle_without_enough_data_says_that_nothing_is_guaranteed(bundle: Bundle) -> None:
    assert not bundle.manifest.certificate["valid"] and "needed" in bundle.manifest.certificate["reason"]
    assert bundle.policy.accept == 1.0


def test_the_report_counts_what_the_bundle_does(bundle: Bundle, examples: list[Example], tmp_path: Path) -> None:
    result = report.study(bundle, examples)
    curve = result["curves"]["all"]
    assert np.all(np.diff(curve["coverage"]) > 0) and np.all(np.diff(curve["risk"]) >= 0)
    assert sum(b["n"] for b in curve["bins"]) == len(examples)
    assert curve["acted"]["n"] == len(examples) == sum(row["right"]["n"] for row in result["labels"].values())
    assert sum(row["decided"]["n"] for row in result["labels"].values()) == len(examples)
    report.plot({"tiny": result}, bundle, tmp_path)
    figures = {"risk_coverage", "reliability", "labels", "label_risk_coverage", "label_reliability"}
    assert {p.stem for p in tmp_path.glob("*.png")} == figures


def test_an_altered_file_is_found(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    copy.mkdir()
    for file in bundle.path.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "model.onnx").write_bytes(b"x" + (copy / "model.onnx").read_bytes()[1:])
    with pytest.raises(BundleError, match=r"model\.onnx: SHA-256"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("after", "action", "passed"), [(95.0, 1.0, True), (94.8, 1.2, True), (94.0, 1.0, False), (95.0, 1.5, False)]
)
def test_the_gate_refuses_worse_weights(after: float, action: float, passed: bool) -> None:
    assert Verdict(95.0, after, 1.0, action).passed is passed


def test_what_was_reviewed_and_what_is_near_it_is_in_no_part_that_measures(examples: list[Example]) -> None:
    reviewed = [Example("please turn left 90 degrees now", "turn_left", "en", NO_SLOTS, "review:1")]
    near = Example("please turn left ninety degrees now", "turn_left", "en", NO_SLOTS, "near:1")
    other = Example("rotate yourself to port by a quarter", "turn_left", "en", NO_SLOTS, "other:1")
    parts = with_reviewed({"train": examples, "validation": [near, other], "rare": [*reviewed, other]}, reviewed)
    assert parts == {"train": [*examples, *reviewed], "validation": [other], "rare": [other]}


def test_a_retrained_bundle_is_certified_on_nothing_it_was_trained_on(
    bundle: Bundle,
    recipe: Recipe,
    examples: list[Example],
    exchanges: list[Exchange],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reviewed = [replace(e, family=f"review:{i}") for i, e in enumerate(examples[:8])]
    parts = {"train": examples[::2], "validation": examples, "rare": examples, "test": examples}
    held = with_reviewed(parts, reviewed)
    verdict = retrain(bundle, reviewed, tmp_path / "new", recipe, parts, exchanges, steps=2)
    folder = tmp_path / ("new" if verdict.passed else "new.candidate")
    manifest = Bundle.load(folder).manifest
    assert manifest.certificate["n"] == len(held["rare"]) < len(examples)
    assert manifest.metrics["all"]["label_accuracy"]["n"] == len(held["test"]) < len(examples)
    whole = [e for name in ("train", "validation", "rare", "test") for e in held[name]]
    assert manifest.training["data_sha256"] == digest(whole, exchanges)

    later = [replace(e, family=f"later:{i}") for i, e in enumerate(examples[8:12])]
    verdict = retrain(Bundle.load(folder), later, tmp_path / "later", recipe, parts, exchanges, steps=1)
    again = Bundle.load(tmp_path / ("later" if verdict.passed else "later.candidate"))
    assert [e.text for e in reviewed_before(again)] == [e.text for e in (*reviewed, *later)]
    held = with_reviewed(parts, [*reviewed, *later])
    assert again.manifest.metrics["all"]["label_accuracy"]["n"] == len(held["test"])
    monkeypatch.setattr(evaluate, "read_parts", lambda: parts)
    assert evaluate.held_out(again) == {"test": held["test"], "rare": held["rare"]}
    assert evaluate.held_out(bundle) == {"test": examples, "rare": examples}


def test_intervals_are_exact() -> None:
    cell = evaluate.share(98, 100)
    assert (cell["percent"], cell["low"], cell["high"]) == (98.0, 92.96, 99.76)
