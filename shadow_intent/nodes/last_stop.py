"""What intent_node knows of the last stop, whoever stopped the robot: what was said before it is not done after it."""

from __future__ import annotations

import time
from collections import deque

from shadow_intent import msg, stop
from shadow_intent.gate import FAST_PATH, Epochs
from shadow_intent.intent import Utterance
from shadow_intent.nodes.convert import NANOSECONDS, stamp_to_ns

OWN = 8
"""So many stops of this node are remembered until stop_node has told of them; it does so within milliseconds."""


class LastStop:
    """Used from the node's thread only."""

    def __init__(self) -> None:
        self._epochs, self._at_ns = Epochs(), 0
        self._from_words = False
        self._own = deque[str](maxlen=OWN)

    def own(self, utterance: Utterance, now_ns: int) -> None:
        """The utterance itself stops the robot: what is older was overtaken as it was heard, what is newer stays."""
        self._own.append(utterance.utterance_id)
        self._at_ns = max(self._at_ns, min(utterance.stamp_ns, now_ns))

    def told(self, state: msg.StopState, now_ns: int) -> bool:
        """Whether stop_node tells of a stop that is news. The first state is none: it only tells the epoch."""
        if not self._epochs.news(state.epoch, time.monotonic()) or state.utterance_id in self._own:
            return False
        stamp_ns = stamp_to_ns(state.header.stamp)
        self._at_ns = stamp_ns if 0 <= now_ns - stamp_ns < NANOSECONDS else now_ns  # that of another clock says nothing
        self._from_words = not state.utterance_id and state.cause in FAST_PATH
        return True

    def follows(self, utterance: Utterance, now_ns: int) -> bool:
        """Whether the utterance was spoken before the stop and is not what caused it.

        A stop ahead of `now_ns` is of a simulated time that was set back.
        """
        if self._from_words and stop.match(utterance.text):
            return False
        return utterance.stamp_ns < self._at_ns <= now_ns
