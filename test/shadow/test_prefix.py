"""Prefix attention: the prompt sees itself both ways, what follows is causal."""

from __future__ import annotations

import pytest
import torch
from tiny import Batch, Build
from transformers import PreTrainedModel

from shadow_intent.shadow import ClassifierHeads, DetachedShadow, ShadowConfig, prefix_mask
from shadow_intent.shadow.prefix import attention_bias


def other_token(ids: torch.Tensor, position: int) -> torch.Tensor:
    changed = ids.clone()
    changed[:, position] = changed[:, position] % 58 + 1
    return changed


def test_prefix_mask_counts_real_tokens_from_either_side() -> None:
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 0]])
    expected = torch.tensor([[0, 0, 1, 1, 0], [1, 1, 1, 0, 0]], dtype=torch.bool)
    assert torch.equal(prefix_mask(mask, torch.tensor([2, 3])), expected)


def test_a_window_bounds_what_is_seen_in_both_directions() -> None:
    """By hand: queries down, keys across; the second row has padding on the left."""
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 1, 1, 1, 1]])
    prefix = torch.tensor([[1, 1, 1, 0, 0], [0, 1, 1, 0, 0]], dtype=torch.bool)
    everywhere = [["11100", "11100", "11100", "11110", "11111"], ["01100", "01100", "01100", "01110", "01111"]]
    near = [["11000", "11100", "01100", "00110", "00011"], ["01000", "01100", "01100", "00110", "00011"]]
    for window, rows in ((None, everywhere), (2, near)):
        seen = torch.tensor([[[int(mark) for mark in query] for query in row] for row in rows], dtype=torch.bool)
        bias = attention_bias(mask, prefix, torch.float16, window)
        assert bias.shape == (2, 1, 5, 5)
        assert torch.equal(bias[:, 0], torch.zeros(2, 5, 5).half().masked_fill(~seen, torch.finfo(torch.float16).min))


def test_a_late_prompt_token_reaches_an_early_one(base: PreTrainedModel, left_batch: Batch, trained: Build) -> None:
    ids, mask = left_batch
    model = trained(base, prefix_attention=True)
    length = torch.tensor([3, 6])  # the last column is generated
    first = model(ids, attention_mask=mask, prefix_length=length).shadow_state
    second = model(other_token(ids, 5), attention_mask=mask, prefix_length=length).shadow_state
    assert ((first - second)[:, 3].abs().amax(-1) > 1e-4).all()


def test_a_generated_token_reaches_nothing_before_it(base: PreTrainedModel, left_batch: Batch, trained: Build) -> None:
    ids, mask = left_batch
    model = trained(base, prefix_attention=True)
    length = torch.tensor([3, 6])
    first = model(ids, attention_mask=mask, prefix_length=length)
    second = model(other_token(ids, 6), attention_mask=mask, prefix_length=length)
    assert torch.equal(first.logits[:, :6], second.logits[:, :6])
    assert torch.equal(first.shadow_state[:, :6], second.shadow_state[:, :6])
    assert not torch.equal(first.shadow_state[:, 6], second.shadow_state[:, 6])


def test_without_prefix_attention_nothing_looks_ahead(
    llama: PreTrainedModel, left_batch: Batch, trained: Build
) -> None:
    ids, mask = left_batch
    model = trained(llama)
    first = model(ids, attention_mask=mask).shadow_state
    assert torch.equal(first[:, :5], model(other_token(ids, 5), attention_mask=mask).shadow_state[:, :5])


def test_padding_is_seen_by_nobody(llama: PreTrainedModel, batch: Batch, trained: Build) -> None:
    ids, mask = batch
    model = trained(llama, prefix_attention=True)
    length = mask.sum(-1)
    first = model(ids, attention_mask=mask, prefix_length=length)
    second = model(ids + (mask == 0) * 9, attention_mask=mask, prefix_length=length)
    real = mask.bool()
    assert torch.equal(first.logits[real], second.logits[real])
    assert first.logits.isfinite().all()


def test_attached_prompt_and_detached_utterance_have_the_same_state(
    base: PreTrainedModel, left_batch: Batch, trained: Build
) -> None:
    """The same weights classify an utterance and steer what is generated after it."""
    ids, mask = left_batch
    model = trained(base, prefix_attention=True, num_labels=5)
    attached = model(ids, attention_mask=mask, prefix_length=torch.tensor([3, 6])).shadow_state
    detached = model.detached().state(ids[:, :6], mask[:, :6])
    real = mask[:, :6].bool()
    torch.testing.assert_close(attached[:, :6][real], detached[real], atol=1e-5, rtol=1e-5)


def test_the_length_is_asked_for_and_only_where_it_means_something(llama: PreTrainedModel, trained: Build) -> None:
    ids = torch.ones(1, 3, dtype=torch.long)
    model = trained(llama, prefix_attention=True)
    with pytest.raises(ValueError, match="prefix_length is needed"):
        model(ids)
    cache = model(ids, use_cache=True, prefix_length=torch.tensor([3])).past_key_values
    with pytest.raises(ValueError, match="prefill the whole prompt"):
        model(ids, past_key_values=cache, prefix_length=torch.tensor([5]))
    with pytest.raises(ValueError, match="leave it out"):
        trained(model.detach())(ids, prefix_length=torch.tensor([3]))


def test_detached_reads_both_ways_only_if_told(llama: PreTrainedModel, batch: Batch, trained: Build) -> None:
    ids, mask = batch
    network = trained(llama).network
    for both_ways in (True, False):
        config = ShadowConfig(num_labels=3, prefix_attention=both_ways)
        shadow = DetachedShadow(network, ClassifierHeads(network.width, config), config)
        change = (shadow.state(ids, mask) - shadow.state(other_token(ids, 6), mask))[1, 0].abs().max()
        assert bool(change > 1e-4) is both_ways
