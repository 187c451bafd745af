"""Self-speculation: the detached shadow drafts, one attached pass verifies several tokens at once.

s0 must be computed for every token anyway, and the shadow says what it expects next for the price of an output head.
What comes out is what the attached model alone would write: its greedy tokens, or samples of its distribution
(Leviathan et al. 2023, arXiv 2211.17192, algorithm 1). Logits of several tokens at once may differ from those of one in
the last bits, as with any batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import (
    Cache,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from .drafting import DraftHead, Speculation, Writer
from .model import ShadowedModel
from .pace import RATE, Costs, DraftLength
from .parts import ShadowParts


class Speculator:
    """Generates with an attached model, one sequence at a time: speculative decoding (Leviathan et al. 2023).

    How much of its drafts was accepted it remembers from text to text: have one for each kind of text.

    Args:
        model: in evaluation mode.
        draft_ids: (rows,), tokens the shadow may propose, such as the frequent ones: it then reads only their rows of
            the output head. None: all. Which ones are drafted changes nothing in what is written.
        longest: most tokens of a draft.
        length: always draft that many instead of adapting.
        costs: see `Costs`.

    Raises:
        ValueError: the base's output head is offloaded.
    """

    def __init__(
        self,
        model: ShadowedModel,
        draft_ids: Sequence[int] | Tensor | None = None,
        longest: int = 15,
        length: int | None = None,
        costs: Costs | None = None,
    ) -> None:
        self.model = model
        self.costs = costs or Costs()
        self._longest, self._length = longest, length
        self._rate = RATE
        self._head = DraftHead(model.base, draft_ids, model._prepack)

    @torch.inference_mode()
    def generate(
        self,
        input_ids: Tensor,
        max_new_tokens: int = 20,
        eos_token_id: int | Sequence[int] | None = None,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        logits_processor: LogitsProcessorList | None = None,
        stopping_criteria: Iterable[Callable[..., Any]] = (),
        streamer: Any = None,
        prefix_length: Tensor | None = None,
        past_key_values: Cache | None = None,
        generator: torch.Generator | None = None,
        shadow: str | ShadowParts | None = None,
    ) -> Speculation:
        """Continues a prompt; arguments as those of transformers' `generate`.

        Args:
            input_ids: (1, T), what is in `past_key_values` included.
            max_new_tokens: most tokens to write, >= 1.
            eos_token_id: one or several, at which writing ends; they are written. None: none does.
            do_sample: draw from the distribution instead of writing the likeliest token.
            temperature, top_k, top_p: shape that distribution, in this order and only when sampling; 1.0, 0 and 1.0
                leave it as it is.
            logits_processor: must be functions of (input_ids, scores) alone: they also see drafts that are refused.
            stopping_criteria: of (tokens (1, T), scores (1, V)), each true where writing ends; asked after every token
                but one that ends it anyway.
            streamer: gets the prompt, then what each pass wrote.
            prefix_length: (1,), real tokens of the prompt, with prefix_attention; None: all, or as in the first turn.
            past_key_values: the `cache` of an earlier turn.
            generator: for reproducible samples, with a fixed `length`.
            shadow: which one; None: the one in use.

        Returns:
            Tokens (1, T), prompt included, the cache to go on from, and counts.

        Raises:
            ValueError: more than one row, no token to write, a model in training mode, when sampling a temperature
                <= 0 or a top_k or top_p below 0, or what `ShadowedModel.forward` refuses.
        """
        self._check(input_ids, max_new_tokens)
        processors: Any = LogitsProcessorList(logits_processor or [])
        if do_sample:
            processors += _warpers(temperature, top_k, top_p)
        writer = Writer(self.model, self._head, shadow, processors, generator if do_sample else None, do_sample)
        ends = {eos_token_id} if isinstance(eos_token_id, int) else set(eos_token_id or ())
        result = writer.begin(input_ids, prefix_length, past_key_values)
        if streamer is not None:
            streamer.put(input_ids.cpu())
        self._write_on(writer, result, max_new_tokens, ends, list(stopping_criteria), streamer)
        if streamer is not None:
            streamer.end()
        return result

    def _check(self, input_ids: Tensor, max_new_tokens: int) -> None:
        """Raises ValueError for what cannot be generated from."""
        if input_ids.ndim != 2 or len(input_ids) != 1:
            raise ValueError(f"one sequence at a time, (1, T), got {tuple(input_ids.shape)}; use generate for batches")
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be >= 1, got {max_new_tokens}")
        if self.model.training:
            raise ValueError("the model is in training mode; call eval() first")

    def _write_on(
        self,
        writer: Writer,
        result: Speculation,
        most: int,
        ends: set[int],
        criteria: Sequence[Callable[..., Any]],
        streamer: Any,
    ) -> None:
        """Settles what a pass wrote and makes the next one, until `most` tokens or an end are written."""
        pace = DraftLength(self.costs, self._longest, self._rate)
        prompt = result.tokens.shape[1] - 1
        while True:
            known = prompt + result.written
            done = writer.settle(result, most, ends, criteria)
            if streamer is not None:
                streamer.put(result.tokens[0, known:].cpu())
            if done:
                self._rate = pace.next_rate
                return
            left = most - result.written - 1  # the pass itself writes one token more than it accepts
            length = min(left, pace.choose(left) if self._length is None else self._length)
            pace.saw(length, writer.step(result, length))

    def calibrate(self, input_ids: Tensor, clock: Callable[[], float], repeats: int = 9) -> Costs:
        """Measures `costs` on this machine and uses them from now on. About a hundred passes.

        Args:
            input_ids: (1, T), a prompt as they come, with T >= 16.
            clock: seconds, such as time.perf_counter.
            repeats: of each measurement; the least counts. Few of them give costs that differ from run to run.

        Returns:
            The costs, in attached passes over one token.
        """
        lengths = sorted({n for n in (1, 2, 3, 4, 6, 8, 12) if n <= self._longest} | {self._longest + 1})
        writer = Writer(self.model, self._head, None, LogitsProcessorList())
        with torch.inference_mode():
            result = writer.begin(input_ids, None, None)
            took = {n: _least(partial(writer.rehearse, result, n), clock, repeats) for n in lengths}
            draft = _least(partial(writer.rehearse_draft, result), clock, 2 * repeats)
        verify = tuple((n, took[n] / took[1]) for n in lengths)
        self.costs = Costs(verify, draft / took[1])
        return self.costs


def frequent_tokens(texts: Iterable[Sequence[int]], limit: int) -> Tensor:
    """The most frequent token ids of tokenized texts, for `Speculator`'s draft_ids.

    Returns:
        (N,), the most frequent first, N <= limit.
    """
    counts: dict[int, int] = {}
    for ids in texts:
        for token in ids:
            counts[token] = counts.get(token, 0) + 1
    return torch.tensor(sorted(counts, key=lambda token: (-counts[token], token))[:limit], dtype=torch.long)


def _warpers(temperature: float, top_k: int, top_p: float) -> list[Any]:
    warpers: list[Any] = [] if temperature == 1.0 else [TemperatureLogitsWarper(temperature)]
    warpers += [TopKLogitsWarper(top_k)] if top_k else []
    return warpers + ([TopPLogitsWarper(top_p)] if top_p < 1.0 else [])


def _least(action: Callable[[], None], clock: Callable[[], float], repeats: int) -> float:
    action()
    times = []
    for _ in range(repeats):
        start = clock()
        action()
        times.append(clock() - start)
    return min(times)
