from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tiny import BLOCKS, VOCABULARY, WIDTH, Batch, Build, excite, make_gpt2, make_llama, make_small
from transformers import (
    DynamicCache,
    GPT2Config,
    GPT2LMHeadModel,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    StaticCache,
    StoppingCriteria,
    StoppingCriteriaList,
)

from shadow_intent.shadow import ShadowConfig, ShadowNetwork, attach

NEW = 6
SETTINGS = pytest.mark.parametrize(
    "settings",
    [
        {"dialect": "paper"},
        {"dialect": "peft"},
        {"prefix_attention": True},
        {"dialect": "peft", "prefix_attention": True},
    ],
    ids=["paper", "peft", "paper-prefix", "peft-prefix"],
)


def small_gpt2() -> PreTrainedModel:
    """Half as wide as the others."""
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=3, n_head=4, n_positions=64)).eval()


@SETTINGS
def test_cached_logits_are_the_uncached_ones(
    base: PreTrainedModel, left_batch: Batch, trained: Build, settings: dict
) -> None:
    ids, mask = left_batch
    model = trained(base, **settings)
    prefix = {"prefix_length": torch.tensor([2, 4])} if settings.get("prefix_attention") else {}
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    whole = model(ids, attention_mask=mask, position_ids=positions, **prefix)
    cache, logits, states = None, [], []
    for start, end in ((0, 5), (5, 6), (6, 7)):
        chunk = slice(start, end)
        part = model(
            ids[:, chunk],
            attention_mask=mask[:, :end],
            position_ids=positions[:, chunk],
            past_key_values=cache,
            use_cache=True,
            **prefix,
        )
        cache = part.past_key_values
        logits.append(part.logits)
        states.append(part.shadow_state)
    real = mask.bool()
    torch.testing.assert_close(torch.cat(logits, 1)[real], whole.logits[real], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.cat(states, 1)[real], whole.shadow_state[real], atol=1e-5, rtol=1e-5)
    assert len(cache.layers) == BLOCKS + model.shadow_config.num_layers


@SETTINGS
def test_greedy_is_the_same_cached_uncached_and_one_row_at_a_time(
    base: PreTrainedModel, left_batch: Batch, trained: Build, settings: dict
) -> None:
    ids, mask = left_batch
    model = trained(base, **settings)
    options = {"max_new_tokens": NEW, "do_sample": False}
    cached = model.generate(ids, attention_mask=mask, **options)
    assert cached.shape == (2, 7 + NEW)
    assert torch.equal(cached, model.generate(ids, attention_mask=mask, use_cache=False, **options))
    assert torch.equal(cached[:1, 7:], model.generate(ids[:1, 3:], **options)[:, 4:])
    assert torch.equal(cached[1:], model.generate(input_ids=ids[1:], **options))


@SETTINGS
def test_sampling_draws_the_same_with_and_without_cache(
    llama: PreTrainedModel, left_batch: Batch, trained: Build, settings: dict
) -> None:
    ids, mask = left_batch
    model = trained(llama, **settings)
    options = {"max_new_tokens": NEW, "do_sample": True, "num_return_sequences": 2}
    drawn = []
    for use_cache in (True, False):
        torch.manual_seed(1)
        drawn.append(model.generate(ids, attention_mask=mask, use_cache=use_cache, **options))
    assert drawn[0].shape == (4, 7 + NEW)
    assert torch.equal(*drawn)


def test_the_whole_prompt_is_the_prefix(llama: PreTrainedModel, left_batch: Batch, trained: Build) -> None:
    ids, mask = left_batch
    model = trained(llama, prefix_attention=True)
    options = {"max_new_tokens": 1, "do_sample": False, "output_logits": True, "return_dict_in_generate": True}
    (first,) = model.generate(ids, attention_mask=mask, **options).logits
    expected = model(ids, attention_mask=mask, prefix_length=mask.sum(-1)).logits[:, -1]
    shorter = model(ids, attention_mask=mask, prefix_length=mask.sum(-1) - 1).logits[:, -1]
    torch.testing.assert_close(first, expected, atol=1e-5, rtol=1e-5)
    assert (first - shorter).abs().max() > 1e-4


def test_a_generation_broken_off_within_a_block_leaves_nothing_behind(
    base: PreTrainedModel, left_batch: Batch, trained: Build
) -> None:
    ids, mask = left_batch
    with torch.no_grad():
        bare = base(ids, attention_mask=mask).logits
    model = trained(base)
    options = {"attention_mask": mask, "max_new_tokens": NEW, "do_sample": False}
    expected, calls, cache = model.generate(ids, **options), [], DynamicCache()

    def third_time(*_: object) -> None:
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt

    hook = base.model.layers[2].block.register_forward_pre_hook(third_time)
    with pytest.raises(KeyboardInterrupt):
        model.generate(ids, past_key_values=cache, **options)
    hook.remove()
    with torch.no_grad():
        assert torch.equal(base(ids, attention_mask=mask).logits, bare)  # through the blocks that carry the shadow
    assert torch.equal(model.generate(ids, **options), expected)
    for layer in cache.layers:  # two passes were whole, the prompt and one token; the third came to some blocks only
        layer.crop(8 - layer.get_seq_length())
    begun, real = expected[:, :9], torch.cat([mask, mask.new_ones(2, 2)], dim=1)
    rest = {**options, "attention_mask": real, "max_new_tokens": NEW - 2, "past_key_values": cache}
    assert torch.equal(model.generate(begun, **rest), expected)
    with torch.no_grad():
        assert torch.equal(model.detach()(ids, attention_mask=mask).logits, bare)


def test_beams_reorder_both_halves_of_the_cache(llama: PreTrainedModel, left_batch: Batch, trained: Build) -> None:
    ids, mask = left_batch
    model = trained(llama)
    options = {"attention_mask": mask, "max_new_tokens": NEW, "num_beams": 3, "do_sample": False}
    assert torch.equal(model.generate(ids, **options), model.generate(ids, use_cache=False, **options))


def test_a_cropped_cache_goes_on_from_there(llama: PreTrainedModel, trained: Build) -> None:
    model = trained(llama)
    ids = torch.randint(1, 60, (1, 6))
    cache = model(ids, use_cache=True).past_key_values
    cache.crop(-2)
    again = model(ids[:, 4:], past_key_values=cache).logits
    torch.testing.assert_close(again, model(ids).logits[:, 4:], atol=1e-5, rtol=1e-5)


def test_untrained_generates_what_the_base_generates(base: PreTrainedModel, left_batch: Batch, trained: Build) -> None:
    ids, mask = left_batch
    options = {"attention_mask": mask, "max_new_tokens": NEW, "do_sample": False}
    expected = base.generate(ids, **options)
    model = trained(base)
    for injection in model.adapters.injections:
        injection.up.weight.data.zero_()
    assert torch.equal(model.generate(ids, **options), expected)


@pytest.mark.parametrize(
    ("make", "make_other"),
    [(make_gpt2, small_gpt2), (make_llama, small_gpt2), (make_gpt2, make_small)],
    ids=["gpt2 over gpt2", "gpt2 over llama", "llama over gpt2"],
)
def test_blocks_may_be_called_h_and_the_shadow_may_be_another_model(
    left_batch: Batch, make: Callable[[], PreTrainedModel], make_other: Callable[[], PreTrainedModel]
) -> None:
    ids, mask = left_batch
    base, small = make(), make_other()
    excite(small, 0.1)
    options = {"attention_mask": mask, "max_new_tokens": NEW, "do_sample": False, "pad_token_id": 0}
    expected = base.generate(ids, **options)
    model = attach(base, ShadowNetwork.explicit(small, base, same_vocabulary=True), ShadowConfig()).eval()
    assert torch.equal(model.generate(ids, **options), expected)
    excite(model.adapters)
    options |= {"return_dict_in_generate": True, "output_logits": True}
    cached, uncached = (model.generate(ids, use_cache=use_cache, **options) for use_cache in (True, False))
    assert not torch.equal(cached.sequences, expected)
    assert torch.equal(cached.sequences, uncached.sequences)
    for one, other in zip(cached.logits, uncached.logits, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_cache_of_the_bare_base_is_refused(llama: PreTrainedModel, trained: Build) -> None:
    ids = torch.randint(1, 60, (1, 6))
    cache = llama(ids, use_cache=True).past_key_values
    with pytest.raises(ValueError, match="without the shadow"):
        trained(llama)(ids[:, -1:], past_key_values=cache)


def test_a_static_cache_is_refused(llama: PreTrainedModel, trained: Build) -> None:
    cache = StaticCache(config=llama.config, max_cache_len=16)
    with pytest.raises(ValueError, match="DynamicCache"):
        trained(llama)(torch.ones(1, 2, dtype=torch.long), past_key_values=cache)


def test_an_empty_cache_of_any_make_is_taken(llama: PreTrainedModel, trained: Build) -> None:
    model = trained(llama)
    cache = DynamicCache()
    model(torch.ones(1, 2, dtype=torch.long), past_key_values=cache)
    assert [layer.get_seq_length() for layer in cache.layers] == [2] * (BLOCKS + 2)


@pytest.mark.parametrize("prefix", [False, True], ids=["causal", "prefix"])
def test_a_conversation_goes_on_from_its_cache(base: PreTrainedModel, trained: Build, prefix: bool) -> None:
    """The second turn reads only what is new, and says what it would say having read everything."""
    model = trained(base, prefix_attention=prefix)
    options = {"max_new_tokens": NEW, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}
    first = model.generate(torch.randint(1, VOCABULARY, (1, 6)), **options)
    asked = torch.cat([first.sequences, torch.randint(1, VOCABULARY, (1, 4))], dim=1)
    again = model.generate(asked, past_key_values=first.past_key_values, **options)
    fresh = model.generate(asked, **options, **({"prefix_length": torch.tensor([6])} if prefix else {}))
    assert torch.equal(again.sequences, fresh.sequences)
    for one, other in zip(again.logits, fresh.logits, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    assert [layer.get_seq_length() for layer in again.past_key_values.layers] == [21] * (BLOCKS + 2)


@pytest.mark.parametrize("prefix", [False, True], ids=["causal", "prefix"])
def test_padded_rows_go_on_from_their_cache(
    base: PreTrainedModel, left_batch: Batch, trained: Build, prefix: bool
) -> None:
    """Two rows, one padded on the left, over two turns: each says what it would alone and without a cache."""
    ids, mask = left_batch
    model = trained(base, prefix_attention=prefix)
    options = {"max_new_tokens": NEW, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}
    first = model.generate(ids, attention_mask=mask, **options)
    asked = torch.cat([first.sequences, torch.randint(1, VOCABULARY, (2, 4))], dim=1)
    with pytest.raises(ValueError, match="need an attention_mask"):
        model.generate(asked, past_key_values=first.past_key_values, **options)
    seen = torch.cat([mask, torch.ones(2, NEW + 4, dtype=torch.long)], dim=1)
    again = model.generate(asked, attention_mask=seen, past_key_values=first.past_key_values, **options)
    for row in range(2):
        begun = {"prefix_length": mask[row : row + 1].sum(-1)} if prefix else {}
        alone = model.generate(asked[row : row + 1, seen[row].bool()], use_cache=False, **begun, **options)
        assert torch.equal(again.sequences[row, -NEW:], alone.sequences[0, -NEW:])
        for one, other in zip(again.logits, alone.logits, strict=True):
            torch.testing.assert_close(one[row], other[0], atol=1e-5, rtol=1e-5)


def test_rows_without_padding_need_no_mask_for_an_empty_cache(llama: PreTrainedModel, trained: Build) -> None:
    model, ids = trained(llama), torch.randint(1, VOCABULARY, (2, 5))
    options = {"max_new_tokens": 3, "do_sample": False}
    assert torch.equal(model.generate(ids, past_key_values=DynamicCache(), **options), model.generate(ids, **options))


@pytest.mark.parametrize("given", [{}, {"inputs_embeds": torch.zeros(1, 2, WIDTH)}], ids=["nothing", "embeds"])
def test_a_prompt_that_is_not_token_ids_is_refused(llama: PreTrainedModel, trained: Build, given: dict) -> None:
    with pytest.raises(ValueError, match="as token ids"):
        trained(llama).generate(**given)


def test_a_cancelled_generation_ends_and_leaves_the_next_one_alone(llama: PreTrainedModel, trained: Build) -> None:
    class Cancelled(StoppingCriteria):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
            return torch.full((len(input_ids),), input_ids.shape[1] >= 8)

    class Broken(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            raise InterruptedError

    model = trained(llama)
    ids = torch.randint(1, VOCABULARY, (1, 6))
    options = {"max_new_tokens": NEW, "do_sample": False}
    expected = model.generate(ids, **options)
    short = model.generate(ids, stopping_criteria=StoppingCriteriaList([Cancelled()]), **options)
    assert torch.equal(short, expected[:, :8])
    with pytest.raises(InterruptedError):
        model.generate(ids, logits_processor=LogitsProcessorList([Broken()]), **options)
    assert torch.equal(model.generate(ids, **options), expected)
    assert torch.equal(llama(ids).logits, model.detach()(ids).logits)
