"""The bundle: a good one loads, a damaged one says what is wrong with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from shadow_intent import bundle as layout
from shadow_intent.bundle import MAX_BYTES, MAX_ROBOT_BYTES, Bundle, write_manifest
from shadow_intent.classifier import IntentClassifier
from shadow_intent.errors import BundleError, ConfigError
from shadow_intent.pipeline import Pipeline
from shadow_intent.skills import load_skills


@pytest.fixture
def copy(bundle_folder: Path, tmp_path: Path) -> Path:
    """A bundle to damage."""
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))


def edit_manifest(folder: Path, **changed: Any) -> None:
    values = json.loads((folder / layout.MANIFEST).read_text(encoding="utf-8"))
    (folder / layout.MANIFEST).write_text(json.dumps({**values, **changed}), encoding="utf-8")


def _manifest(folder: Path) -> layout.Manifest:
    return layout._manifest(json.loads((folder / layout.MANIFEST).read_text(encoding="utf-8")))


def test_the_bundle_fits_the_skills_the_budget_and_this_machine(bundle_folder: Path) -> None:
    bundle = Bundle.load(bundle_folder)
    assert bundle.size_bytes <= MAX_BYTES
    assert bundle.model_path.stat().st_size < bundle.robot_bytes <= MAX_ROBOT_BYTES
    assert set(bundle.labels) == set(load_skills().skills)
    assert IntentClassifier(bundle).self_check() >= 0.0
    notice = (bundle_folder / "NOTICE").read_text()
    assert bundle.manifest.base["licence"] == "Apache-2.0"
    assert "Apache License" in notice and "all-MiniLM-L6-v2" in notice


def test_the_shipped_certificate_is_what_its_numbers_say() -> None:
    certificate = Bundle.load().manifest.certificate
    for part, epsilon in ((certificate, 0.005), (certificate["ignoring"], 0.01)):
        bound = binomtest(part["wrong"], part["n"], alternative="less").proportion_ci(0.95, "exact").high
        assert part["valid"] and bound == pytest.approx(part["bound"], abs=1e-6) and bound <= epsilon == part["epsilon"]
    policy = Bundle.load().policy
    assert (policy.accept, policy.ignore) == (certificate["accept"], certificate["ignoring"]["accept"])


def test_writing_the_manifest_again_gives_the_same_bundle(copy: Path) -> None:
    before = Bundle.load(copy)
    write_manifest(copy, before.manifest)
    assert Bundle.load(copy).bundle_id == before.bundle_id


def test_a_missing_folder_names_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no such bundle folder; train one with training/run\.sh"):
        Bundle.load(tmp_path / "absent")


@pytest.mark.parametrize("name", layout.FILES)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: missing"):
        Bundle.load(copy)


@pytest.mark.parametrize("name", [layout.MODEL, layout.TOKENIZER, layout.SAMPLES])
def test_one_altered_byte_is_found(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}: SHA-256 is .* the file was altered"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": 1}, "format is 1, this version reads 2"),
        ({"labels": ["sit", "sit"]}, "labels must be distinct strings"),
        ({"labels": ["sit"]}, "labels must be distinct strings"),
        ({"temperature": 0}, r"temperature is 0, expected a number in \(0, 100\)"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"policy": {"accept": 2.0, "accept_stop": 0.5, "margin": 0.1}}, "policy accept"),
        ({"policy": {"bravery": 1.0}}, "bravery"),
        ({"colour": "red"}, "expected the keys base, certificate, files"),
        ({"max_tokens": "64"}, "max_tokens is '64', expected a whole number"),
        ({"certificate": []}, r"certificate is \[\], expected an object"),
        ({"certificate": {"valid": True, "accept": 0.9999}}, "below the certified threshold 0.9999"),
        (
            {"certificate": {"valid": True, "accept": 0.5, "ignoring": {"valid": True, "accept": 0.9999}}},
            "policy ignore is .* below",
        ),
        ({"certificate": {"valid": False}}, "without a certificate, expected 1.0"),
        ({"files": []}, r"files is \[\], expected an object"),
    ],
)
def test_a_manifest_that_breaks_a_rule_says_which(copy: Path, changed: dict[str, Any], message: str) -> None:
    edit_manifest(copy, **changed)
    with pytest.raises(BundleError, match=f"(?s)not a bundle manifest: .*{message}"):
        Bundle.load(copy)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_manifest_that_is_no_object_is_refused(copy: Path, content: bytes) -> None:
    (copy / layout.MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match="not a bundle manifest"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (layout.MODEL, b"not a model", "ONNX Runtime cannot load it"),
        (layout.MODEL, b"", "ONNX Runtime cannot load it"),
        (layout.TOKENIZER, b"{}", "not a tokenizer"),
        (layout.SAMPLES, b"[]", "lacks utterances"),
        (layout.SAMPLES, b"{", "not what it should be"),
        (layout.SAMPLES, b'[{"text": "sit"}]', "not what it should be: KeyError"),
        (layout.SAMPLES, b'[{"text": "sit", "logits": [1.0]}]', "a logit for every label"),
    ],
)
def test_an_artefact_that_is_not_what_it_should_be_is_named(
    copy: Path, name: str, content: bytes, message: str
) -> None:
    (copy / name).write_bytes(content)
    write_manifest(copy, _manifest(copy))
    with pytest.raises(BundleError, match=message):
        IntentClassifier(Bundle.load(copy)).self_check()


def test_a_label_without_a_logit_is_found(copy: Path) -> None:
    edit_manifest(copy, labels=[*Bundle.load(copy).labels, "moonwalk"])
    with pytest.raises(BundleError, match="42 logits for 43 labels"):
        IntentClassifier(Bundle.load(copy))


def test_a_label_without_a_skill_is_refused_before_anything_loads(copy: Path) -> None:
    edit_manifest(copy, labels=["moonwalk", *Bundle.load(copy).labels[1:]])
    with pytest.raises(ConfigError, match="no row for moonwalk"):
        Pipeline.from_bundle(Bundle.load(copy))


def test_sample_logits_that_do_not_reproduce_are_refused(copy: Path) -> None:
    samples = json.loads((copy / layout.SAMPLES).read_text(encoding="utf-8"))
    samples[0]["logits"][0] += 5.0
    (copy / layout.SAMPLES).write_text(json.dumps(samples), encoding="utf-8")
    write_manifest(copy, _manifest(copy))
    with pytest.raises(BundleError, match=r"differs by .* from its stored logits"):
        Pipeline.from_bundle(Bundle.load(copy))
