"""Sampling by self-speculation: what is written has the distribution that generate would sample from."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import torch
from tiny import BLOCKS, VOCABULARY, Build, agreeable, excite, make_llama
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from shadow_intent.shadow import ShadowedModel, Speculator
from shadow_intent.shadow.drafting import DraftHead, Writer, judge_sample

NEW = 14


@pytest.mark.parametrize("settings", [{"top_k": 1}, {"temperature": 1e-4}, {"top_p": 1e-4}], ids=str)
def test_with_one_token_to_choose_from_samples_are_greedy(trained: Build, settings: dict) -> None:
    model = agreeable(trained(make_llama(), num_layers=BLOCKS))
    prompt = torch.randint(1, VOCABULARY, (1, 6))
    expected = model.generate(prompt, max_new_tokens=NEW, do_sample=False)
    short = sorted(set(expected[0, 6:].tolist()))[:3]
    for draft_ids, length in ((None, 0), (None, 3), (short, 3), ([0], 3)):
        generator = torch.Generator().manual_seed(length)
        result = Speculator(model, draft_ids, length=length).generate(
            prompt, max_new_tokens=NEW, do_sample=True, generator=generator, **settings
        )
        assert torch.equal(result.tokens, expected)
        assert (result.accepted > 0) == (length > 0 and draft_ids != [0])


def test_temperature_then_top_k_then_top_p_shape_what_is_sampled_from(trained: Build) -> None:
    """The scores that criteria see, by hand; every token written is one of those kept."""
    model = agreeable(trained(make_llama(), num_layers=BLOCKS))
    prompt, seen = torch.randint(1, VOCABULARY, (1, 6)), []
    for draft_ids in (None, range(30)):
        seen.clear()
        result = Speculator(model, draft_ids, length=2).generate(
            prompt,
            max_new_tokens=NEW,
            do_sample=True,
            temperature=1.7,
            top_k=9,
            top_p=0.6,
            generator=torch.Generator().manual_seed(4),
            stopping_criteria=[lambda _, scores: seen.append(scores[0]) or False],
        )
        told = model(result.tokens).logits[0, 5:-1].detach() / 1.7  # (NEW, V)
        values, order = told.topk(9)
        before = values.softmax(-1).cumsum(-1).roll(1, -1)  # probability of all that are likelier
        before[:, 0] = 0.0
        kept = before < 0.6
        assert 1 < kept.sum(-1).float().mean() < 9  # both limits count
        for row, scores in enumerate(seen):
            ids = order[row][kept[row]]
            assert sorted(scores.isfinite().nonzero().flatten().tolist()) == sorted(ids.tolist())
            torch.testing.assert_close(scores[ids], told[row][ids], atol=1e-5, rtol=1e-5)
            assert int(result.tokens[0, 6 + row]) in ids
        assert len(seen) == NEW - 1  # nobody asks about the last one


def test_what_is_accepted_or_drawn_instead_is_distributed_as_the_target() -> None:
    target, proposal = torch.tensor([0.5, 0.3, 0.2, 0.0]), torch.tensor([0.1, 0.3, 0.2, 0.4])
    generator = torch.Generator().manual_seed(0)
    seen: Counter[int] = Counter()
    drafts = torch.multinomial(proposal, 6000, replacement=True, generator=generator).tolist()
    for drafted in drafts:
        other = judge_sample(target, proposal, drafted, generator)
        seen[drafted if other is None else int(other)] += 1
    shares = torch.tensor([seen[i] / 6000 for i in range(4)])
    assert (shares - target).abs().max() < 0.025  # 4 standard deviations
    assert seen[3] == 0


class Two(LogitsProcessor):
    """Allows two tokens, and tells them apart more clearly."""

    allowed = torch.tensor([3, 7])

    def __init__(self, factor: float = 6.0) -> None:
        self.factor = factor

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return torch.full_like(scores, float("-inf")).index_copy(1, self.allowed, self.factor * scores[:, self.allowed])


def exact_shares(model: ShadowedModel, prompt: Tensor, two: Two, count: int) -> dict[tuple[int, ...], float]:
    """The probability of each answer of `count` tokens."""
    exact = {}
    for answer in itertools.product(two.allowed.tolist(), repeat=count):
        ids = torch.cat([prompt, torch.tensor([answer])], dim=1)
        with torch.no_grad():
            told = model(ids).logits[0, prompt.shape[1] - 1 : -1, two.allowed]
        rows = (two.factor * told).softmax(-1)
        exact[answer] = rows[range(count), [int(token == two.allowed[1]) for token in answer]].prod().item()
    return exact


def chi_square(seen: Counter[tuple[int, ...]], exact: dict[tuple[int, ...], float]) -> float:
    expected = {answer: seen.total() * share for answer, share in exact.items()}
    return sum((seen[answer] - count) ** 2 / count for answer, count in expected.items())


def test_samples_have_the_distribution_of_the_model(trained: Build) -> None:
    """Pairs of tokens after a prompt, against their exact probabilities."""
    torch.manual_seed(5)
    model = agreeable(trained(make_llama(), num_layers=2))
    prompt, two = torch.randint(1, VOCABULARY, (1, 4)), Two()
    exact = exact_shares(model, prompt, two, 2)
    generator, speculator = torch.Generator().manual_seed(1), Speculator(model, length=1)
    seen: Counter[tuple[int, ...]] = Counter()
    for _ in range(150):
        result = speculator.generate(
            prompt, max_new_tokens=3, do_sample=True, logits_processor=LogitsProcessorList([two]), generator=generator
        )
        assert result.drafted == 1  # the second of the three
        seen[tuple(result.tokens[0, 4:6].tolist())] += 1
    assert max(exact.values()) - min(exact.values()) > 0.05  # not all the same
    assert chi_square(seen, exact) < 16.3  # 3 degrees of freedom, p = 0.001


def test_drafts_of_several_tokens_and_the_one_after_them_have_it_too(trained: Build) -> None:
    """A shadow that often errs, and not the same at both places of a draft."""
    torch.manual_seed(8)
    model = trained(make_llama(), num_layers=2)
    excite(model.network, 1.5)
    prompt, two = torch.randint(1, VOCABULARY, (1, 4)), Two(2.0)
    exact = exact_shares(model, prompt, two, 4)
    generator, speculator = torch.Generator().manual_seed(1), Speculator(model, length=2)
    seen: Counter[tuple[int, ...]] = Counter()
    passes: Counter[int] = Counter()
    for _ in range(600):
        result = speculator.generate(
            prompt, max_new_tokens=4, do_sample=True, logits_processor=LogitsProcessorList([two]), generator=generator
        )
        passes[result.passes] += 1
        seen[tuple(result.tokens[0, 4:].tolist())] += 1
    assert min(passes[1], 600 - passes[1]) > 50  # both drafted tokens taken, and not
    assert chi_square(seen, exact) < 37.7  # 15 degrees of freedom, p = 0.001


@pytest.mark.parametrize("draft_ids", [[3, 9], [5]], ids=["one allowed", "none allowed"])
@torch.inference_mode()
def test_a_short_list_changes_nothing_in_the_distribution(trained: Build, draft_ids: list[int]) -> None:
    """Drafts of one place, judged over and over, against the exact probabilities there."""
    torch.manual_seed(5)
    model = agreeable(trained(make_llama(), num_layers=2))
    prompt, generator = torch.randint(1, VOCABULARY, (1, 4)), torch.Generator().manual_seed(1)
    processors = LogitsProcessorList([Two()])
    writer = Writer(model, DraftHead(model.base, draft_ids), None, processors, generator, sample=True)
    target = processors(prompt, model(prompt).logits[:, -1]).softmax(-1)[0]
    state = model.network(prompt)
    seen: Counter[int] = Counter()
    for _ in range(800):
        token, proposal = writer._propose(prompt, state)
        other = writer._judge(target.log()[None], int(token), proposal)
        seen[int(token if other is None else other)] += 1
    assert set(seen) == {3, 7}
    assert 0.05 < target[3] < 0.95
    deviation = (target[3] * target[7] / 800) ** 0.5
    assert abs(seen[3] / 800 - target[3]) < 4 * deviation
    result = Speculator(model, draft_ids, length=3).generate(
        prompt, max_new_tokens=NEW, do_sample=True, logits_processor=processors, generator=generator
    )
    assert set(result.tokens[0, 4:].tolist()) <= {3, 7}


def test_samples_are_reproducible_with_a_fixed_length(trained: Build) -> None:
    speculator = Speculator(trained(make_llama()), length=3)
    prompt = torch.randint(1, VOCABULARY, (1, 6))
    options = {"max_new_tokens": NEW, "do_sample": True, "temperature": 0.8, "top_k": 20, "top_p": 0.9}
    one, other = (
        speculator.generate(prompt, generator=torch.Generator().manual_seed(3), **options).tokens for _ in range(2)
    )
    assert torch.equal(one, other)
