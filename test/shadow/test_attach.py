from __future__ import annotations

import pytest
import torch
from tiny import BLOCKS, WIDTH, Batch, Build, excite, make_llama
from torch import nn
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedModel

from shadow_intent.shadow import ShadowConfig, ShadowNetwork, attach

DIALECTS = pytest.mark.parametrize("dialect", ["paper", "peft"])


@DIALECTS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_untrained_logits_are_those_of_the_base_bit_for_bit(
    base: PreTrainedModel, batch: Batch, dialect: str, dtype: torch.dtype
) -> None:
    base.to(dtype)
    ids, mask = batch
    expected = base(ids, attention_mask=mask).logits
    config = ShadowConfig(dialect=dialect)
    model = attach(base, ShadowNetwork.cut(base, config), config)  # in training mode, with dropout
    assert torch.equal(model(ids, attention_mask=mask).logits, expected)


def test_a_float_shadow_leaves_an_untrained_bfloat16_base_bit_for_bit(llama: PreTrainedModel, batch: Batch) -> None:
    llama.to(torch.bfloat16)
    ids, mask = batch
    expected = llama(ids, attention_mask=mask).logits
    config = ShadowConfig()
    model = attach(llama, ShadowNetwork.cut(llama, config).float(), config)
    output = model(ids, attention_mask=mask)
    assert torch.equal(output.logits, expected)
    assert output.shadow_state.dtype == torch.float32
    assert next(model.adapters.parameters()).dtype == torch.float32


def test_trained_logits_differ_from_the_base(base: PreTrainedModel, batch: Batch, trained: Build) -> None:
    ids, mask = batch
    expected = base(ids, attention_mask=mask).logits
    assert (trained(base)(ids, attention_mask=mask).logits - expected).abs().max() > 0.01


@DIALECTS
@pytest.mark.parametrize("update", [True, False])
def test_gradient_reaches_every_shadow_weight_and_no_other(
    base: PreTrainedModel, batch: Batch, trained: Build, dialect: str, update: bool
) -> None:
    ids, mask = batch
    model = trained(base, dialect=dialect, update=update).train()
    model(ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100)).loss.backward()
    assert all(weight.grad is None for weight in base.parameters())
    shadow = dict(model.network.named_parameters()) | dict(model.adapters.named_parameters())
    assert {name for name, weight in shadow.items() if weight.grad is None or not weight.grad.any()} == set()
    trainable = {id(weight) for weight in model.parameters() if weight.requires_grad}
    assert trainable == {id(weight) for weight in shadow.values()}


@pytest.mark.parametrize(
    ("dialect", "injections", "updates"), [("paper", BLOCKS - 1, BLOCKS - 2), ("peft", BLOCKS, BLOCKS - 1)]
)
def test_the_dead_update_after_the_last_block_does_not_exist(
    llama: PreTrainedModel, trained: Build, dialect: str, injections: int, updates: int
) -> None:
    adapters = trained(llama, dialect=dialect).adapters
    assert (len(adapters.injections), len(adapters.updates)) == (injections, updates)


def test_detach_gives_the_base_back_as_it_was(base: PreTrainedModel, batch: Batch, trained: Build) -> None:
    ids, mask = batch
    base.model.norm.requires_grad_(False)
    ShadowNetwork.cut(base, ShadowConfig())  # a network freezes the table it refers to; that stays
    expected = base(ids, attention_mask=mask).logits
    weights = {name: (weight.clone(), weight.requires_grad) for name, weight in base.named_parameters()}
    modules = [(name, id(module)) for name, module in base.named_modules()]
    model = trained(base).train()
    model.gradient_checkpointing_enable()
    model(ids, attention_mask=mask, labels=ids).loss.backward()
    base = model.detach()
    assert [(name, id(module)) for name, module in base.named_modules()] == modules
    assert not any(module.training or getattr(module, "gradient_checkpointing", False) for module in base.modules())
    assert {name: weight.requires_grad for name, weight in base.named_parameters()} == {
        name: required for name, (_, required) in weights.items()
    }
    assert all(torch.equal(weight, weights[name][0]) for name, weight in base.named_parameters())
    assert torch.equal(base(ids, attention_mask=mask).logits, expected)


def test_detach_gives_a_base_back_in_training(llama: PreTrainedModel, trained: Build) -> None:
    llama.train().model.layers[0].eval()
    llama.gradient_checkpointing_enable()
    model = trained(llama)
    model.gradient_checkpointing_disable()
    base = model.detach()
    assert base.training
    assert not base.model.layers[0].training
    assert base.model.layers[1].gradient_checkpointing


def test_the_bare_base_still_answers_as_itself_while_attached(
    llama: PreTrainedModel, batch: Batch, trained: Build
) -> None:
    ids, mask = batch
    expected = llama(ids, attention_mask=mask).logits
    model = trained(llama)
    model(ids, attention_mask=mask)
    assert torch.equal(llama(ids, attention_mask=mask).logits, expected)


@pytest.mark.parametrize("graph", [False, True], ids=["loop", "transformers"])
def test_outputs_come_as_a_tuple_on_request(base: PreTrainedModel, batch: Batch, trained: Build, graph: bool) -> None:
    ids, mask = batch
    labels = torch.tensor([1, 2])
    model = trained(base, num_labels=3)
    with torch.set_grad_enabled(graph):
        expected = model(ids, attention_mask=mask), model(ids, attention_mask=mask, labels=labels)
        logits, state = model(ids, attention_mask=mask, return_dict=False)
        classes = model(ids, attention_mask=mask, labels=labels, return_dict=False)
    torch.testing.assert_close((logits, state), (expected[0].logits, expected[0].shadow_state))
    torch.testing.assert_close(classes, expected[1].to_tuple())


def test_class_labels_lead_to_the_classes(llama: PreTrainedModel, batch: Batch, trained: Build) -> None:
    ids, mask = batch
    labels = torch.tensor([1, 2])
    model = trained(llama, num_labels=3)
    got, expected = model(ids, attention_mask=mask, labels=labels), model.classify(ids, mask, labels)
    assert type(got) is type(expected)
    torch.testing.assert_close(got.to_tuple(), expected.to_tuple())
    torch.testing.assert_close(
        model(ids, labels=labels).to_tuple(), model.classify(ids, torch.ones_like(ids), labels).to_tuple()
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"labels": torch.zeros(2, 7, dtype=torch.long), "logits_to_keep": 3}, "logits_to_keep"),
        ({"labels": torch.zeros(2, 7, dtype=torch.long), "logits_to_keep": torch.tensor([1])}, "logits_to_keep"),
        ({"labels": torch.zeros(2, 3, dtype=torch.long)}, r"\(2, 7\) or classes \(2,\), got \(2, 3\)"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, r"got \(3,\)"),
        ({"labels": torch.zeros(2, dtype=torch.long)}, "num_labels"),
        ({"labels": torch.zeros(2, dtype=torch.long), "prefix_length": torch.ones(2)}, "prefix_length"),
        ({"labels": torch.zeros(2, dtype=torch.long), "past_key_values": DynamicCache()}, "past_key_values"),
    ],
    ids=str,
)
def test_labels_that_do_not_fit_are_refused(
    llama: PreTrainedModel, batch: Batch, trained: Build, wrong: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        trained(llama)(batch[0], **wrong)


def test_a_second_shadow_is_refused(llama: PreTrainedModel, trained: Build) -> None:
    model = trained(llama)
    with pytest.raises(ValueError, match="detach"):
        attach(llama, model.network, model.shadow_config)


def test_a_shadow_of_another_width_is_refused(llama: PreTrainedModel) -> None:
    config = ShadowConfig()
    network = ShadowNetwork.cut(llama, config)
    network.width = WIDTH * 2
    with pytest.raises(ValueError, match=str(WIDTH)):
        attach(llama, network, config)


def test_update_off_keeps_the_initial_state(llama: PreTrainedModel, batch: Batch, trained: Build) -> None:
    """Without (5)-(7) only s0 counts, so the result is that of injections alone, redone here by hand."""
    ids, mask = batch
    model = trained(llama, update=False)
    got = model(ids, attention_mask=mask)
    config, injections = model.shadow_config, model.adapters.injections

    seen: list[nn.Module] = []
    for i, block in enumerate(model.detach().model.layers[1:]):

        def inject(_: nn.Module, args: tuple, i: int = i) -> tuple:
            down, up = injections[i].down.weight, injections[i].up.weight
            return args[0] + config.alpha * (args[0] - got.shadow_state) @ down.T @ up.T, *args[1:]

        seen.append(block.register_forward_pre_hook(inject))
    expected = llama(ids, attention_mask=mask).logits
    assert len(seen) == BLOCKS - 1
    torch.testing.assert_close(got.logits[mask.bool()], expected[mask.bool()], atol=1e-5, rtol=1e-5)


def test_cut_copies_and_does_not_share(base: PreTrainedModel) -> None:
    network = ShadowNetwork.cut(base, ShadowConfig(num_layers=2))
    original = base.model.layers[1].mlp.up_proj.weight
    copy = network.backbone.layers[1].mlp.up_proj.weight
    assert torch.equal(copy, original)
    assert copy.data_ptr() != original.data_ptr()
    assert torch.equal(network.backbone.norm.weight, base.model.norm.weight)
    assert network.embedding is base.model.embed_tokens
    assert "embedding.weight" not in network.state_dict()


def test_a_table_of_its_own_starts_as_a_copy(base: PreTrainedModel, batch: Batch) -> None:
    config = ShadowConfig()
    shared, own = (ShadowNetwork.cut(base, config, own_embedding=own).eval() for own in (False, True))
    assert torch.equal(own(*batch), shared(*batch))
    assert own.own_embedding
    assert own.embedding.weight.data_ptr() != base.model.embed_tokens.weight.data_ptr()
    own(*batch).sum().backward()
    assert own.embedding.weight.grad.any()
    assert ShadowNetwork.random(base, config, own_embedding=True).own_embedding


def test_cut_of_all_blocks_is_the_decoder(base: PreTrainedModel, batch: Batch) -> None:
    ids, mask = batch
    network = ShadowNetwork.cut(base, ShadowConfig(num_layers=BLOCKS))
    assert torch.equal(network(ids, mask), base.model(ids, attention_mask=mask).last_hidden_state)


def test_a_half_precision_copy_keeps_the_rotary_frequencies(batch: Batch) -> None:
    ids, mask = batch
    half = LlamaForCausalLM._from_config(make_llama().config, dtype=torch.bfloat16).eval()
    network = ShadowNetwork.cut(half, ShadowConfig(num_layers=BLOCKS))
    assert network.dtype == torch.bfloat16
    assert torch.equal(network(ids, mask), half.model(ids, attention_mask=mask).last_hidden_state)


def test_cutting_an_attached_base_is_refused(llama: PreTrainedModel, trained: Build) -> None:
    model = trained(llama)
    with pytest.raises(ValueError, match="detach first"):
        ShadowNetwork.cut(llama, model.shadow_config)


def test_more_blocks_than_the_base_has_are_refused(llama: PreTrainedModel) -> None:
    with pytest.raises(ValueError, match=f"<= {BLOCKS}"):
        ShadowNetwork.cut(llama, ShadowConfig(num_layers=BLOCKS + 1))


def test_random_shadow_takes_other_sizes(llama: PreTrainedModel, batch: Batch) -> None:
    ids, mask = batch
    config = ShadowConfig()
    network = ShadowNetwork.random(llama, config, hidden_size=16, intermediate_size=24, head_dim=4)
    assert network.own_embedding
    assert network.projection.weight.shape == (WIDTH, 16)
    excite(attach(llama, network, config).adapters)
    assert network(ids, mask).shape == (2, 7, WIDTH)
