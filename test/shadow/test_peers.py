"""Agreement with the two public implementations, their weights copied into ours."""

from __future__ import annotations

from copy import deepcopy

import peft
import pytest
import shadow_peft
import torch
from shadow_peft.task_models import ShadowForCausalLM
from tiny import BLOCKS, SIZES, WIDTH, Batch, excite, make_llama
from torch import nn
from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedModel

from shadow_intent.shadow import ShadowConfig, ShadowedModel, ShadowNetwork, attach

CLOSE = {"atol": 1e-5, "rtol": 1e-5}
LAMBDA = 0.3


def with_labels(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    ids, mask = batch
    return ids, mask, ids.masked_fill(mask == 0, -100), mask.bool()


def copy_gated(ours: nn.Module, transform: nn.Sequential, gate: nn.Sequential) -> None:
    """T and G of a peer, two-layer nets whose linear layers may have a bias, into our `Update`."""
    (t_in, t_out), (g_in, g_out) = (
        [layer for layer in net if isinstance(layer, nn.Linear)] for net in (transform, gate)
    )
    for name, weight in ours.inner.named_parameters():
        weight.data = torch.cat([getattr(t_in, name), getattr(g_in, name)]).detach().clone()
    ours.transform.load_state_dict(t_out.state_dict())
    ours.gate.load_state_dict(g_out.state_dict())


def paper_pair(base: PreTrainedModel, width: int = WIDTH) -> tuple[ShadowForCausalLM, ShadowedModel]:
    settings = shadow_peft.ShadowConfig(
        num_shadow_layers=2, injection_hidden_size=16, gate_hidden_size=10, alpha=0.7, dropout=0.2
    )
    small = None
    config = ShadowConfig(num_layers=2, rank=16, gate_width=10, alpha=0.7, lambda_=LAMBDA)
    network = ShadowNetwork.random(base, config)
    if width != WIDTH:
        network = ShadowNetwork.random(base, config, hidden_size=width, head_dim=4)
        small = deepcopy(network.backbone)
        small.set_input_embeddings(deepcopy(network.embedding))
    adapter = shadow_peft.get_shadow_model(deepcopy(base), settings, shadow_model=small)
    excite(adapter.shadow_injection_model)
    excite(adapter.shadow_update_model)
    model = attach(base, network, config)
    network.backbone.load_state_dict(
        {name: weight for name, weight in adapter.shadow_model.state_dict().items() if "embed" not in name}
    )
    network.projection.load_state_dict(adapter.shadow_hidden_projection.state_dict())
    inject, update = adapter.shadow_injection_model, adapter.shadow_update_model
    for i, ours in enumerate(model.adapters.injections):
        ours.down.weight.data = inject.injection_downs[i].detach().T.clone()
        ours.up.weight.data = inject.injection_ups[i].detach().T.clone()
    for i, ours in enumerate(model.adapters.updates):
        copy_gated(ours, update.update_transforms[i], update.update_gates[i])
    model.adapters.norm.load_state_dict(update.hidden_norm.state_dict())
    return ShadowForCausalLM(adapter, shadow_loss_weight=LAMBDA).eval(), model.eval()


def copy_peft(peer: nn.Module, model: ShadowedModel) -> None:
    model.network.backbone.load_state_dict(peer.shadow_backbone["default"].state_dict())
    theirs = [module for module in peer.modules() if type(module).__name__ == "ShadowLayer"]
    assert len(theirs) == BLOCKS
    for ours, layer in zip(model.adapters.injections, theirs, strict=True):
        ours.down.load_state_dict(layer.shadow_down["default"].state_dict())
        ours.up.load_state_dict(layer.shadow_up["default"].state_dict())
    for ours, layer in zip(model.adapters.updates, theirs[:-1], strict=True):
        copy_gated(ours, layer.shadow_update_transform["default"], layer.shadow_update_gate["default"])


def peft_peer(base: PreTrainedModel, task: str) -> nn.Module:
    settings = peft.ShadowConfig(
        task_type=task,
        r=8,
        shadow_alpha=0.7,
        shadow_num_hidden_layers=2,
        update_hidden_size=6,
        auxiliary_loss_weight=LAMBDA,
    )
    peer = peft.get_peft_model(base, settings).eval()
    for name, module in peer.named_modules():
        if name.endswith("default") and "backbone" not in name:
            excite(module)
    return peer


def peft_pair(base: PreTrainedModel) -> tuple[nn.Module, ShadowedModel]:
    peer = peft_peer(deepcopy(base), "CAUSAL_LM")
    config = ShadowConfig(dialect="peft", num_layers=2, rank=8, gate_width=6, alpha=0.7, lambda_=LAMBDA)
    model = attach(base, ShadowNetwork.random(base, config), config).eval()
    copy_peft(peer.base_model, model)
    return peer, model


@pytest.mark.parametrize("width", [WIDTH, 16], ids=["same-width", "projected"])
def test_paper_dialect_agrees_with_shadow_peft(llama: PreTrainedModel, batch: Batch, width: int) -> None:
    ids, mask, labels, real = with_labels(batch)
    plain = llama(ids, attention_mask=mask).logits
    peer, model = paper_pair(llama, width)
    theirs = peer(input_ids=ids, attention_mask=mask, labels=labels)
    ours = model(ids, attention_mask=mask, labels=labels)
    assert (ours.logits - plain)[real].abs().max() > 0.1  # the shadow does something
    torch.testing.assert_close(ours.logits[real], theirs.logits[real], **CLOSE)
    torch.testing.assert_close(ours.loss, theirs.loss, **CLOSE)
    torch.testing.assert_close(llama.lm_head(ours.shadow_state)[real], theirs.shadow_logits[real], **CLOSE)


def test_peft_dialect_agrees_with_peft(base: PreTrainedModel, batch: Batch) -> None:
    ids, mask, labels, real = with_labels(batch)
    plain = base(ids, attention_mask=mask).logits
    peer, model = peft_pair(base)
    theirs = peer(input_ids=ids, attention_mask=mask, labels=labels)
    ours = model(ids, attention_mask=mask, labels=labels)
    assert (ours.logits - plain)[real].abs().max() > 0.1
    torch.testing.assert_close(ours.logits[real], theirs.logits[real], **CLOSE)
    torch.testing.assert_close(ours.loss, theirs.loss, **CLOSE)
    detached = peer.base_model.unload_shadow(copy=True)(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(base.lm_head(ours.shadow_state)[real], detached[real], **CLOSE)


@pytest.mark.parametrize("pair", [paper_pair, peft_pair], ids=["paper", "peft"])
def test_greedy_text_is_that_of_the_peer(llama: PreTrainedModel, left_batch: Batch, pair) -> None:
    ids, mask = left_batch
    peer, model = pair(llama)
    options = {"attention_mask": mask, "max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "use_cache": True}
    assert torch.equal(model.generate(ids, **options), peer.generate(input_ids=ids, **options))


def test_classification_agrees_with_peft(batch: Batch) -> None:
    ids, mask = batch
    classifier = LlamaForSequenceClassification(LlamaConfig(**SIZES, num_labels=5)).eval()
    base = make_llama()
    base.model.load_state_dict(classifier.model.state_dict())
    peer = peft_peer(classifier, "SEQ_CLS")
    config = ShadowConfig(
        dialect="peft", num_layers=2, rank=8, gate_width=6, alpha=0.7, lambda_=LAMBDA, num_labels=5, pooling="last"
    )
    model = attach(base, ShadowNetwork.random(base, config), config).eval()
    copy_peft(peer.base_model, model)
    for ours, theirs in (
        (model.heads.base, peer.base_model.model.score.modules_to_save["default"]),
        (model.heads.shadow, peer.base_model.shadow_head["default"]),
    ):
        ours.weight.data = theirs.weight.detach().clone()
        ours.bias.data.zero_()
    labels = torch.tensor([1, 4])
    theirs = peer(input_ids=ids, attention_mask=mask, labels=labels)
    ours = model.classify(ids, mask, labels)
    torch.testing.assert_close(ours.logits, theirs.logits, **CLOSE)
    torch.testing.assert_close(ours.loss, theirs.loss, **CLOSE)
    detached = peer.base_model.unload_shadow(copy=True)(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(model.detached()(ids, mask), detached, **CLOSE)
