"""How many tokens to draft."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

LENGTHS = (0, 1, 2, 3, 4, 5, 7, 9, 11, 15)
"""Numbers of tokens a draft may have."""
RATE = 0.6
"""First guess at the acceptance rate."""
CARRIED = 0.9
"""Share of the rate seen in what the next text begins with; the rest is the first guess: drafts are tried again."""
PRIOR = 4.0
"""How many tokens the first guess at the acceptance rate weighs."""
MEMORY = 0.95
"""What share of its weight an observation keeps from one pass to the next."""


@dataclass(frozen=True)
class Costs:
    """What things cost, in attached passes over one token. `Speculator.calibrate` measures them.

    They decide how much is drafted, and nothing about what is written.
    """

    verify: tuple[tuple[int, float], ...] = ((1, 1.0), (16, 2.0))
    """(tokens, cost of a pass over them), ascending; between them straight lines."""
    draft: float = 0.1
    """One drafted token."""

    def of(self, length: int) -> float:
        """Drafting `length` tokens and verifying them with the one before, in attached passes over one token."""
        points = self.verify
        tokens = length + 1
        for (left, low), (right, high) in itertools.pairwise(points):
            if tokens <= right:
                return low + (high - low) * (tokens - left) / (right - left) + length * self.draft
        return points[-1][1] * tokens / points[-1][0] + length * self.draft


class DraftLength:
    """Chooses how much to draft: as much as makes most tokens per cost at the acceptance rate seen so far."""

    def __init__(self, costs: Costs, longest: int, rate: float = RATE) -> None:
        self._costs = costs
        self._lengths = [length for length in LENGTHS if length <= longest]
        self._first = rate * PRIOR
        self._accepted, self._judged = self._first, PRIOR

    @property
    def rate(self) -> float:
        """Estimated probability that the next drafted token is accepted when those before were."""
        return self._accepted / self._judged

    @property
    def next_rate(self) -> float:
        """First guess for a text of the same kind."""
        return CARRIED * self.rate + (1 - CARRIED) * RATE

    def choose(self, most: int) -> int:
        """Tokens to draft, at most `most`."""
        rate = self.rate

        def worth(length: int) -> float:
            expected = sum(rate**i for i in range(length + 1))  # tokens written
            return expected / self._costs.of(length)

        return max((length for length in self._lengths if length <= most), key=worth)

    def saw(self, drafted: int, accepted: int) -> None:
        """Notes what became of a draft; tokens behind the first refused one were not judged."""
        if not drafted:  # nothing learnt: back towards the first guess, so that drafting is tried again
            self._accepted += (1 - MEMORY) * (self._first - self._accepted)
            self._judged += (1 - MEMORY) * (PRIOR - self._judged)
            return
        judged = min(drafted, accepted + 1)
        self._accepted = MEMORY * self._accepted + accepted
        self._judged = MEMORY * self._judged + judged
