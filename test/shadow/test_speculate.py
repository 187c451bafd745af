"""Self-speculation writes what the attached model alone would write."""

from __future__ import annotations

import itertools

import accelerate
import pytest
import torch
from test_architectures import CONFIGS, make
from tiny import BLOCKS, VOCABULARY, WIDTH, Build, agreeable, excite, make_batch, make_llama, make_qwen3
from torch import Tensor
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    RepetitionPenaltyLogitsProcessor,
)

from shadow_intent.shadow import Costs, ShadowConfig, ShadowNetwork, Speculator, attach, frequent_tokens
from shadow_intent.shadow.drafting import DraftHead
from shadow_intent.shadow.pace import DraftLength

NEW = 14


@pytest.mark.parametrize("settings", [{}, {"dialect": "peft"}, {"prefix_attention": True}, {"update": False}], ids=str)
def test_greedy_is_that_of_generate(base: PreTrainedModel, trained: Build, settings: dict) -> None:
    model = agreeable(trained(base, num_layers=BLOCKS, **settings))
    prompt = torch.randint(1, VOCABULARY, (1, 6))
    expected = model.generate(prompt, max_new_tokens=NEW, do_sample=False)
    for length in (None, 0, 1, 3, 9):
        result = Speculator(model, length=length).generate(prompt, max_new_tokens=NEW)
        assert torch.equal(result.tokens, expected)
        assert result.written == NEW
        assert result.written - 1 == result.passes + result.accepted
        assert result.cache.get_seq_length() == 6 + NEW - 1


def test_a_shadow_that_agrees_saves_passes_and_one_that_does_not_is_asked_less(trained: Build) -> None:
    prompt = torch.randint(1, VOCABULARY, (1, 6))
    good = Speculator(agreeable(trained(make_llama(), num_layers=BLOCKS))).generate(prompt, max_new_tokens=30)
    assert good.acceptance > 0.7
    assert good.tokens_per_pass > 2.5
    bad = Speculator(trained(make_llama())).generate(prompt, max_new_tokens=30)
    assert bad.acceptance < 0.5
    assert sum(bad.lengths[12:]) / len(bad.lengths[12:]) < sum(good.lengths) / len(good.lengths)


def test_a_short_list_of_tokens_to_draft_changes_nothing_that_is_written(trained: Build) -> None:
    model = agreeable(trained(make_llama(), num_layers=BLOCKS))
    prompt = torch.randint(1, VOCABULARY, (1, 6))
    expected = model.generate(prompt, max_new_tokens=NEW, do_sample=False)
    written = expected[0, 6:].tolist()
    few = Speculator(model, draft_ids=frequent_tokens([written], 3), length=4).generate(prompt, max_new_tokens=NEW)
    none = Speculator(model, draft_ids=[0], length=4).generate(prompt, max_new_tokens=NEW)
    assert torch.equal(few.tokens, expected)
    assert torch.equal(none.tokens, expected)
    assert none.accepted == 0 < few.accepted


def test_frequent_tokens_by_hand() -> None:
    assert frequent_tokens([[5, 3, 3], [9, 3, 5], [1]], 3).tolist() == [3, 5, 1]


@pytest.mark.parametrize("architecture", ["gpt2", "gemma3", "mistral-window"])
def test_other_architectures_speculate_too(architecture: str) -> None:
    base = make(CONFIGS[architecture])
    config = ShadowConfig(num_layers=BLOCKS)
    model = attach(base, ShadowNetwork.cut(base, config), config).eval()
    excite(model.adapters, 0.2)
    prompt = torch.randint(1, VOCABULARY, (1, 6))
    speculator, greedy = Speculator(model, length=3), {"do_sample": False, "pad_token_id": 0}
    expected = model.generate(prompt, max_new_tokens=NEW, **greedy)
    result = speculator.generate(prompt, max_new_tokens=NEW)
    assert torch.equal(result.tokens, expected)
    assert 0 < result.accepted < result.drafted
    end = int(expected[0, 13])
    short = speculator.generate(prompt, max_new_tokens=NEW, eos_token_id=end)  # within what was accepted at once
    asked = torch.cat([short.tokens, torch.randint(1, VOCABULARY, (1, 3))], dim=1)
    again = speculator.generate(asked, max_new_tokens=5, past_key_values=short.cache)
    assert torch.equal(again.tokens, model.generate(asked, max_new_tokens=5, **greedy))


def test_it_ends_where_generate_ends_and_goes_on_from_there(trained: Build) -> None:
    model = agreeable(trained(make_llama(), num_layers=BLOCKS, prefix_attention=True))
    prompt = torch.randint(1, VOCABULARY, (1, 6))
    speculator = Speculator(model, length=5)
    whole = model.generate(prompt, max_new_tokens=NEW, do_sample=False)
    end = int(whole[0, 9])
    result = speculator.generate(prompt, max_new_tokens=NEW, eos_token_id=end)
    assert torch.equal(result.tokens, whole[:, : whole[0].tolist().index(end, 6) + 1])
    asked = torch.cat([result.tokens, torch.randint(1, VOCABULARY, (1, 3))], dim=1)
    again = speculator.generate(asked, max_new_tokens=5, past_key_values=result.cache)
    fresh = model.generate(asked, max_new_tokens=5, do_sample=False, prefix_length=torch.tensor([6]))
    assert torch.equal(again.tokens, fresh)


def test_processors_streamer_and_criteria_work_as_in_generate(trained: Build) -> None:
    class Streamer:
        def __init__(self) -> None:
            self.seen: list[int] = []
            self.ended = False

        def put(self, value: Tensor) -> None:
            self.seen += value.flatten().tolist()

        def end(self) -> None:
            self.ended = True

    class Even(LogitsProcessor):
        def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
            return scores.index_fill(1, torch.arange(1, VOCABULARY, 2), float("-inf"))

    model = agreeable(trained(make_llama(), num_layers=BLOCKS))
    prompt = torch.randint(1, VOCABULARY, (1, 6))
    processors = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(1.3), Even()])
    expected = model.generate(prompt, max_new_tokens=NEW, do_sample=False, logits_processor=processors)
    odd = Speculator(model, draft_ids=[1, 3], length=3)  # none of them is allowed
    assert torch.equal(odd.generate(prompt, max_new_tokens=NEW, logits_processor=processors).tokens, expected)
    streamer = Streamer()
    result = Speculator(model, draft_ids=range(40)).generate(
        prompt, max_new_tokens=NEW, logits_processor=processors, streamer=streamer
    )
    assert torch.equal(result.tokens, expected)
    assert streamer.seen == expected[0].tolist()
    assert streamer.ended
    short = Speculator(model, length=2).generate(
        prompt, max_new_tokens=NEW, logits_processor=processors, stopping_criteria=[lambda ids, _: ids.shape[1] >= 9]
    )
    assert torch.equal(short.tokens, expected[:, :9])
    assert (short.written, short.cache.get_seq_length()) == (3, 8)


def test_draft_length_follows_acceptance_and_costs() -> None:
    cheap = Costs(verify=((1, 1.0), (16, 1.2)), draft=0.01)
    dear = Costs(verify=((1, 1.0), (16, 16.0)), draft=0.5)
    assert cheap.of(0) == pytest.approx(1.0)
    assert cheap.of(3) == pytest.approx(1.0 + 0.2 * 3 / 15 + 0.03)
    pace = DraftLength(cheap, longest=9, rate=0.95)
    assert pace.choose(9) == 9
    assert pace.choose(2) == 2
    for _ in range(40):
        pace.saw(4, 0)
    assert pace.rate < 0.1
    assert pace.choose(9) <= 1
    for _ in range(200):
        pace.saw(0, 0)
    assert pace.rate > 0.9  # nothing drafted, nothing learnt: as at first
    assert pace.choose(9) == 9
    assert DraftLength(dear, longest=9).choose(9) == 0
    for _ in range(40):
        pace.saw(4, 4)
    assert pace.rate > 0.8


def test_a_text_begins_at_the_acceptance_seen_before_and_tries_drafts_again(trained: Build) -> None:
    writer, prompt = Speculator(trained(make_llama())), torch.arange(1, 7).view(1, 6)  # a stranger to what is written
    drafted = [writer.generate(prompt, max_new_tokens=24).drafted for _ in range(12)]
    assert drafted[0] > 2 * max(drafted[1:]) and any(drafted[6:])


def test_calibration_measures_and_leaves_nothing_behind(trained: Build) -> None:
    model = agreeable(trained(make_llama(), num_layers=BLOCKS))
    speculator, prompt = Speculator(model, longest=3), make_batch("right")[0][1:]
    expected = speculator.generate(prompt, max_new_tokens=NEW).tokens
    ticks = itertools.count()
    costs = speculator.calibrate(prompt, lambda: float(next(ticks)))
    assert costs == Costs(verify=((1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0)), draft=1.0)
    assert torch.equal(speculator.generate(prompt, max_new_tokens=NEW).tokens, expected)


def test_calibration_counts_what_the_pass_and_the_head_of_the_draft_take(
    trained: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds as told by hand: 8 and 2 more a token for an attached pass, 4 for the shadow to say its token."""
    model, spent = trained(make_llama(), num_layers=BLOCKS), [0.0]
    told = DraftHead.logits

    def drafts(head: DraftHead, state: Tensor) -> Tensor:
        spent[0] += 4.0
        return told(head, state)

    def passes(_: object, inputs: tuple[Tensor]) -> None:
        spent[0] += 8.0 + 2.0 * inputs[0].shape[1]

    monkeypatch.setattr(DraftHead, "logits", drafts)
    model.base.lm_head.register_forward_pre_hook(passes)
    costs = Speculator(model, longest=3).calibrate(make_batch("right")[0][1:], lambda: spent[0], repeats=2)
    assert costs == Costs(verify=((1, 1.0), (2, 1.2), (3, 1.4), (4, 1.6)), draft=0.4)


def test_more_than_one_row_no_token_and_training_are_refused(trained: Build) -> None:
    model = trained(make_llama())
    with pytest.raises(ValueError, match="one sequence at a time"):
        Speculator(model).generate(torch.ones(2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="max_new_tokens"):
        Speculator(model).generate(torch.ones(1, 3, dtype=torch.long), max_new_tokens=0)
    with pytest.raises(ValueError, match="eval"):
        Speculator(model.train()).generate(torch.ones(1, 3, dtype=torch.long))


def test_the_shadow_state_goes_to_the_device_of_the_head() -> None:
    """There is one device here, and "meta", of which torch says that nothing can leave it."""
    head = DraftHead(make_llama(), [3, 5])
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        head.logits(torch.ones(1, WIDTH, device="meta"))
    assert head.token(torch.tensor([1])).tolist() == [5]


def test_an_offloaded_head_is_refused(trained: Build) -> None:
    model = trained(make_qwen3())
    accelerate.cpu_offload(model.base.lm_head, torch.device("cpu"))
    with pytest.raises(ValueError, match=r"expected on a device, got offloaded ones \(meta\)"):
        Speculator(model)
