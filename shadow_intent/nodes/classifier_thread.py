"""The thread beside intent_node's own in which the classifier decides, and the utterances that wait for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np

from shadow_intent.intent import Decision, Utterance
from shadow_intent.nodes import priority
from shadow_intent.pipeline import Pipeline

MAX_WAITING = 4
"""Utterances that may wait; beyond them the oldest is dropped. A speaker never gets there."""
LATENCIES = 200
"""Decisions the latency's percentiles are taken over."""


class ClassifierThread:
    """Used from the node's thread, to which it hands the decisions back. It runs behind everything else."""

    def __init__(
        self,
        pipeline: Pipeline,
        decided: Callable[[Decision], None],
        dropped: Callable[[Utterance], None],
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        """`decided` is called through `post`, `dropped` at once."""
        self.pipeline = pipeline
        self.dropped = 0
        """Utterances that newer ones displaced so far."""
        self._decided, self._dropped, self._post = decided, dropped, post
        self._thread = ThreadPoolExecutor(1, "classifier", priority.yield_to_others)
        self._jobs: deque[tuple[Utterance, Future[Decision]]] = deque()
        self._pending: dict[Future[Decision], Utterance] = {}
        """Those whose decision was not handed back yet."""
        self._latencies: deque[float] = deque(maxlen=LATENCIES)

    @property
    def waiting(self) -> int:
        """Utterances without a decision yet, the one in work included."""
        return sum(not future.done() for _, future in self._jobs)

    def values(self) -> dict[str, object]:
        """For diagnostics."""
        p50, p99 = np.percentile(self._latencies, [50, 99]) if self._latencies else (None, None)
        return {
            "latency_p50_ms": "" if p50 is None else f"{p50:.2f}",
            "latency_p99_ms": "" if p99 is None else f"{p99:.2f}",
            "waiting": self.waiting,
            "dropped": self.dropped,
        }

    def add(self, utterance: Utterance) -> None:
        """Queues an utterance; the newest win."""
        self._jobs = deque((u, f) for u, f in self._jobs if not f.done())
        if len(self._jobs) >= MAX_WAITING:
            oldest, future = self._jobs.popleft()
            if future.cancel():
                del self._pending[future]
                self.dropped += 1
                self._dropped(oldest)
        future = self._thread.submit(self.pipeline.hear, utterance)
        self._jobs.append((utterance, future))
        self._pending[future] = utterance
        future.add_done_callback(lambda done: self._post(partial(self._done, done)))

    def overtake(self, which: Callable[[Utterance], bool] = lambda utterance: True) -> list[Utterance]:
        """Forgets all of `which` that was added and not handed back yet, and returns it."""
        forgotten = {future: utterance for future, utterance in self._pending.items() if which(utterance)}
        for future in forgotten:
            del self._pending[future]
            future.cancel()
        return list(forgotten.values())

    def close(self) -> None:
        """Waits for the one in work; all that was added is forgotten."""
        self.overtake()
        self._thread.shutdown(cancel_futures=True)
        self._jobs.clear()  # their callbacks lead back here, and the model would wait for the garbage collector

    def _done(self, future: Future[Decision]) -> None:
        if self._pending.pop(future, None) is not None:
            decision = future.result()
            self._latencies.append(decision.latency_ms)
            self._decided(decision)
