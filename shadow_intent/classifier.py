"""The detached shadow on the robot: text to intent with ONNX Runtime and tokenizers, without torch."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state
from tokenizers import Tokenizer

from shadow_intent.bundle import SAMPLES, Bundle
from shadow_intent.errors import BundleError
from shadow_intent.intent import Prediction

ORT_ERRORS = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NoSuchFile,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
)
SAMPLE_TOLERANCE = 0.5
"""Largest difference of a stored logit that still counts as reproduced: int8 kernels differ between processors."""


class IntentClassifier:
    """Detached inference: logits = head(mean over tokens of s⁰), s⁰ = P·f(x) (ShadowPEFT eq. 1)."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Loads model and tokenizer and warms up. `threads`: intra-op threads of ONNX Runtime.

        Raises BundleError when either file is not what the manifest promises.
        """
        self.bundle = bundle
        self._tokenizer = tokenizer_of(bundle.tokenizer_path, bundle.manifest.max_tokens)
        self._session = session_of(bundle.model_path, threads)
        shape = self._session.get_outputs()[0].shape
        if shape[-1] != len(bundle.labels):
            raise BundleError(f"{bundle.model_path}: {shape[-1]} logits for {len(bundle.labels)} labels")
        for length in (1, 12, bundle.manifest.max_tokens):
            self._run(np.zeros((1, length), np.int64))

    def logits(self, text: str) -> NDArray[np.float32]:
        """Uncalibrated logits (num_labels,)."""
        return self._read(text)[0]

    def probabilities(self, text: str) -> NDArray[np.float64]:
        """Temperature-scaled probabilities (num_labels,)."""
        return self._softmax(self.logits(text))

    def predict(self, text: str) -> Prediction:
        """The most probable intent of one utterance."""
        start = time.perf_counter()
        logits, cut = self._read(text)
        probabilities = self._softmax(logits)
        second, first = np.argsort(probabilities)[-2:]
        return Prediction(
            label=self.bundle.labels[first],
            probability=float(probabilities[first]),
            runner_up=self.bundle.labels[second],
            runner_up_probability=float(probabilities[second]),
            latency_ms=(time.perf_counter() - start) * 1e3,
            cut=cut,
        )

    def self_check(self) -> float:
        """Largest difference from the stored sample logits. Raises BundleError when they are not reproduced."""
        worst = 0.0
        for text, stored in self._samples():
            logits = self.logits(text)
            difference = float(np.abs(stored - logits).max())
            if difference > SAMPLE_TOLERANCE or stored.argmax() != logits.argmax():
                raise BundleError(
                    f"{self.bundle.path}: sample {text!r} differs by {difference:.2f} from its stored logits "
                    f"(at most {SAMPLE_TOLERANCE} allowed); this machine does not run this model faithfully"
                )
            worst = max(worst, difference)
        return worst

    def _samples(self) -> list[tuple[str, NDArray[np.float64]]]:
        """Texts and their stored logits. Raises BundleError when there are none."""
        try:
            samples = [(str(s["text"]), np.asarray(s["logits"], np.float64)) for s in self.bundle.samples]
        except (ValueError, TypeError, KeyError) as error:
            raise BundleError(f"{self.bundle.path}: {SAMPLES} is not what it should be: {error!r}") from error
        if not samples or any(logits.shape != (len(self.bundle.labels),) for _, logits in samples):
            raise BundleError(f"{self.bundle.path}: {SAMPLES} lacks utterances with a logit for every label")
        return samples

    def _read(self, text: str) -> tuple[NDArray[np.float32], bool]:
        """Logits (num_labels,), and whether they are about the beginning of a longer text."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return self._run(np.asarray([encoding.ids or [0]], np.int64))[0], bool(encoding.overflowing)

    def _softmax(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        scaled = logits.astype(np.float64) / self.bundle.manifest.temperature
        weights = np.exp(scaled - scaled.max())
        return np.asarray(weights / weights.sum())

    def _run(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(self._session.run(None, {"input_ids": input_ids})[0], np.float32)


def tokenizer_of(path: Path, max_tokens: int) -> Tokenizer:
    """The robot's tokenizer, which cuts at `max_tokens`. Raises BundleError."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    # tokenizers raises bare Exception on a malformed file
    except Exception as error:
        raise BundleError(f"{path}: not a tokenizer: {error}") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    with suppress(AttributeError):  # other versions of tokenizers have no way to say so
        tokenizer.model._resize_cache(0)  # of words seen: megabytes over time, and no faster on what a person says
    return tokenizer


def session_of(path: Path, threads: int) -> ort.InferenceSession:
    """An exported classifier: input_ids (1, T) -> logits (1, num_labels). Raises BundleError."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        raise BundleError(f"{path}: ONNX Runtime cannot load it: {error}") from error
