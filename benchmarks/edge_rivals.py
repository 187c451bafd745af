"""One text to logits: the bundle by threads and beside busy cores, and the classifiers one would reach for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np

from shadow_intent.bundle import Bundle
from shadow_intent.classifier import IntentClassifier
from shadow_intent.errors import ShadowIntentError

BUSY = """
import os, numpy as np
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {cores})
table = np.ones(1 << 23)  # 64 MiB: keeps the memory bus busy too
print("busy", flush=True)
while True:
    table *= 1.0000001
"""
"""Prints a line once nothing but the load is left to do."""


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Runs what is inside on these cores, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def busy(cores: set[int]) -> Iterator[None]:
    """As many processes as these cores, which compute on them all the time. Raises ShadowIntentError."""
    command = [sys.executable, "-c", BUSY.format(cores=cores)]
    with ExitStack() as stack:
        loads = []
        for _ in cores:
            loads.append(stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)))
            stack.callback(loads[-1].kill)
        for load in loads:
            if load.stdout is None or not load.stdout.readline():
                raise ShadowIntentError(f"the process that keeps a core busy ended with {load.wait()}; see above")
        yield


def ours(bundle: Bundle, text: str, core: int, timed: Callable[[Any], dict[str, float]]) -> dict[str, dict[str, float]]:
    """The bundle by thread settings of ONNX Runtime, and with the other cores busy."""
    every = set(range(os.cpu_count() or 1))
    size = {"mb": round(bundle.model_path.stat().st_size / 1e6, 1)}
    rows = {}
    for threads in (1, 2):
        with pinned({core} if threads == 1 else every):
            run = partial(IntentClassifier(bundle, threads).logits, text)
            rows[f"this bundle, threads {threads}"] = timed(run) | size
            if threads == 1 and (others := every - {core}):
                with busy(others):
                    rows["this bundle, threads 1, other cores busy"] = timed(run) | size
    return rows


def others(text: str, minilm: str, timed: Callable[[Any], dict[str, float]]) -> dict[str, dict[str, float]]:
    """TF-IDF with a linear support vector machine, fitted to the training part, and MiniLM's embedding of a text."""
    import torch
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    from training.corpus import read_parts
    from training.encoder import Encoder

    train = read_parts()["train"]
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, min_df=2, dtype=np.float32)
    model = make_pipeline(make_union(TfidfVectorizer(ngram_range=(1, 2), min_df=2), characters), LinearSVC())
    model.fit([e.text for e in train], [e.label for e in train])
    weights = model[-1].coef_.size * 4 / 1e6
    rows = {"TF-IDF + linear SVC": timed(lambda: model.decision_function([text])) | {"mb": round(weights, 1)}}
    if minilm:
        torch.set_num_threads(1)
        encoder = Encoder(minilm)
        rows["MiniLM, torch, fp32"] = timed(lambda: encoder.embeddings([text])) | {"mb": round(encoder.megabytes, 1)}
    return rows
