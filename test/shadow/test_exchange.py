"""Checkpoints trained by each peer are read here, those trained here are read by each peer: equal logits."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from shutil import rmtree

import peft
import pytest
import shadow_peft
import torch
from peer_models import (
    BASES,
    CLOSE,
    LABELS,
    agree,
    authors,
    differs,
    huggingface,
    language_base,
    make_classifier,
    make_opt,
    teach,
)
from shadow_peft.task_models import ShadowForCausalLM, ShadowForSequenceClassification
from tiny import WIDTH, excite, make_batch, make_gpt2, make_llama, make_qwen3, make_small
from transformers import PreTrainedModel

from shadow_intent.shadow import (
    CheckpointError,
    Shadow,
    ShadowConfig,
    ShadowNetwork,
    attach,
    load_peft,
    load_shadow_peft,
    save_peft,
    save_projected,
    save_shadow_peft,
)

# shadow-peft


@BASES
def test_a_folder_of_shadow_peft_is_read(make: Callable[[], PreTrainedModel], tmp_path: Path) -> None:
    base = make()
    peer = authors(deepcopy(base), num_shadow_layers=2)
    teach(peer)
    differs(peer, base)
    peer.save_pretrained(tmp_path)
    shadow = load_shadow_peft(tmp_path, base)
    assert (shadow.config.alpha, shadow.config.gate_width, shadow.network.own_embedding) == (0.7, 6, False)
    agree(shadow.attach(base).eval(), peer)


def test_sizes_of_an_implicit_shadow_of_shadow_peft_are_read(tmp_path: Path) -> None:
    base = make_qwen3()
    sizes = {"shadow_intermediate_size": 24, "shadow_num_attention_heads": 2, "shadow_num_key_value_heads": 1}
    peer = authors(deepcopy(base), **sizes, shadow_head_dim=4)
    teach(peer)
    peer.save_pretrained(tmp_path)
    model = load_shadow_peft(tmp_path, base).attach(base).eval()
    agree(model, peer)
    save_shadow_peft(tmp_path / "back", Shadow.of(model), base)
    agree(ShadowForCausalLM.from_pretrained(model.detach(), tmp_path / "back").eval(), peer)


def test_an_explicit_shadow_of_shadow_peft_is_read(tmp_path: Path) -> None:
    base, small = make_llama(), make_small()
    peer = authors(deepcopy(base), small)
    teach(peer)
    peer.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="give its config as `backbone`"):
        load_shadow_peft(tmp_path, base)
    shadow = load_shadow_peft(tmp_path, base, backbone=small.config)
    assert shadow.network.own_embedding
    agree(shadow.attach(base).eval(), peer)


@BASES
def test_shadow_peft_reads_what_was_trained_here(make: Callable[[], PreTrainedModel], tmp_path: Path) -> None:
    base = make()
    config = ShadowConfig(num_layers=2, rank=6, gate_width=4, dropout=0.0)
    model = attach(base, ShadowNetwork.cut(base, config), config)
    teach(model)
    save_shadow_peft(tmp_path, Shadow.of(model), base)
    other = deepcopy(model).detach()
    differs(model, other)
    agree(ShadowForCausalLM.from_pretrained(other, tmp_path).eval(), model)


def narrower(base: PreTrainedModel, config: ShadowConfig) -> ShadowNetwork:
    return ShadowNetwork.explicit(make_small(), base, same_vocabulary=True)


def with_a_table(base: PreTrainedModel, config: ShadowConfig) -> ShadowNetwork:
    return ShadowNetwork.cut(base, config, own_embedding=True)


@pytest.mark.parametrize(
    ("make", "build"), [(make_llama, narrower), (make_llama, with_a_table), (make_gpt2, with_a_table)]
)
def test_shadow_peft_reads_an_explicit_shadow_through_a_projected_folder(
    make: Callable[[], PreTrainedModel], build: Callable, tmp_path: Path
) -> None:
    base, config = make(), ShadowConfig(dropout=0.0)
    model = attach(base, build(base, config), config)
    teach(model)
    with pytest.raises(CheckpointError, match=r"token table of its own: .* save with explicit=True"):
        save_shadow_peft(tmp_path / "refused", Shadow.of(model), base)
    assert not (tmp_path / "refused").exists()
    save_shadow_peft(tmp_path / "adapter", Shadow.of(model), base, explicit=True)
    save_projected(tmp_path / "shadow", model.network, base)
    projected = shadow_peft.AutoModelForCausalLMWithHiddenProjection.from_pretrained(tmp_path / "shadow")
    other = deepcopy(model).detach()
    agree(ShadowForCausalLM.from_pretrained(other, tmp_path / "adapter", shadow_model=projected).eval(), model)
    base = deepcopy(model).detach()
    with pytest.raises(CheckpointError, match="give its config as `backbone`"):
        load_shadow_peft(tmp_path / "adapter", base)
    back = load_shadow_peft(tmp_path / "adapter", base, backbone=model.network.backbone.config)
    agree(back.attach(base).eval(), model)


@pytest.mark.parametrize(("save", "dialect"), [(save_peft, "peft"), (save_shadow_peft, "paper")])
def test_token_ids_and_ties_changed_after_the_cut_do_not_matter(save: Callable, dialect: str, tmp_path: Path) -> None:
    base, config = make_llama(), ShadowConfig(dialect=dialect, num_layers=1, dropout=0.0)
    model = attach(base, ShadowNetwork.random(base, config, intermediate_size=24), config)
    teach(model)
    base.config.update({"pad_token_id": 3, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False})
    base.config.update({"id2label": {0: "x", 1: "y", 2: "z"}, "use_cache": False})
    save(tmp_path, Shadow.of(model), base)
    other = deepcopy(model).detach()
    load = ShadowForCausalLM if save is save_shadow_peft else peft.PeftModel
    agree(load.from_pretrained(other, tmp_path).eval(), model)


def test_classes_go_both_ways_with_shadow_peft(tmp_path: Path) -> None:
    classifier = make_classifier()
    base = language_base(classifier)
    ids, mask = make_batch("right")  # it pools the wrong token under padding on the left
    config = shadow_peft.ShadowConfig(alpha=0.7)
    peer = ShadowForSequenceClassification(shadow_peft.get_shadow_model(deepcopy(classifier), config))
    teach(peer, torch.tensor([1, 4]))
    peer.save_pretrained(tmp_path)
    model = load_shadow_peft(tmp_path, base).attach(base).eval()
    theirs, ours = peer(input_ids=ids, attention_mask=mask), model.classify(ids, mask)
    torch.testing.assert_close(ours.logits, theirs.logits, **CLOSE)
    torch.testing.assert_close(ours.shadow_logits, theirs.shadow_logits, **CLOSE)
    excite(model.adapters)
    save_shadow_peft(tmp_path / "back", Shadow.of(model), base)
    back = ShadowForSequenceClassification.from_pretrained(classifier, tmp_path / "back").eval()
    theirs, ours = back(input_ids=ids, attention_mask=mask), model.classify(ids, mask)
    torch.testing.assert_close(ours.logits, theirs.logits, **CLOSE)
    torch.testing.assert_close(ours.shadow_logits, theirs.shadow_logits, **CLOSE)


# peft


@BASES
@pytest.mark.parametrize("settings", [{}, {"shadow_hidden_size": 16, "update_hidden_size": 5}, {"own": True}], ids=str)
def test_a_folder_of_peft_is_read(make: Callable[[], PreTrainedModel], settings: dict, tmp_path: Path) -> None:
    base, settings = make(), dict(settings)
    if make in (make_qwen3, make_opt) and "shadow_hidden_size" in settings:
        del settings["shadow_hidden_size"]  # peft leaves head_dim and word_embed_proj_dim as they are: no fit
    own = settings.pop("own", None)
    peer = huggingface(deepcopy(base), **settings, **({"share_embeddings": False} if own else {}))
    if own:
        settings["own"] = own
    teach(peer)
    differs(peer, base)
    peer.save_pretrained(tmp_path)
    shadow = load_peft(tmp_path, base)
    assert shadow.network.own_embedding == bool({"own", "shadow_hidden_size"} & set(settings))
    agree(shadow.attach(base).eval(), peer)


@BASES
@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
def test_peft_reads_what_was_trained_here(make: Callable[[], PreTrainedModel], own: bool, tmp_path: Path) -> None:
    base = make()
    config = ShadowConfig(dialect="peft", num_layers=2, rank=6, gate_width=4, dropout=0.0)
    network = ShadowNetwork.cut(base, config)
    if own:
        network = ShadowNetwork(network.backbone, deepcopy(network.embedding).requires_grad_(), WIDTH, True)
    model = attach(base, network, config)
    teach(model)
    save_peft(tmp_path, Shadow.of(model), base)
    other = deepcopy(model).detach()
    differs(model, other)
    agree(peft.PeftModel.from_pretrained(other, tmp_path).eval(), model)


def test_an_explicit_shadow_goes_both_ways_with_peft_through_a_projected_folder(tmp_path: Path) -> None:
    base, small = make_llama(), make_small()
    config = ShadowConfig(dialect="peft", dropout=0.0)
    model = attach(base, ShadowNetwork.explicit(small, base, same_vocabulary=True), config)
    teach(model)
    save_projected(tmp_path / "shadow", model.network, base)
    save_peft(tmp_path / "adapter", Shadow.of(model), base, shadow_model=str(tmp_path / "shadow"))
    peer = peft.PeftModel.from_pretrained(deepcopy(model).detach(), tmp_path / "adapter", is_trainable=True)
    agree(peer.eval(), model)
    teach(peer)
    peer.save_pretrained(tmp_path / "back")
    base = model.detach()
    agree(load_peft(tmp_path / "back", base).attach(base).eval(), peer)


def test_classes_go_both_ways_with_peft(tmp_path: Path) -> None:
    classifier = make_classifier()
    base = language_base(classifier)
    ids, mask = make_batch("left")
    peer = huggingface(deepcopy(classifier), "SEQ_CLS", shadow_num_hidden_layers=2)
    teach(peer, torch.tensor([1, 4]))
    peer.save_pretrained(tmp_path)
    model = load_peft(tmp_path, base).attach(base).eval()
    torch.testing.assert_close(model.classify(ids, mask).logits, peer(ids, attention_mask=mask).logits, **CLOSE)
    detached = peer.base_model.unload_shadow(copy=True)(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(model.detached()(ids, mask), detached, **CLOSE)
    excite(model.adapters)
    save_peft(tmp_path / "back", Shadow.of(model), base)
    back = peft.PeftModel.from_pretrained(classifier, tmp_path / "back").eval()
    torch.testing.assert_close(model.classify(ids, mask).logits, back(ids, attention_mask=mask).logits, **CLOSE)


def test_a_plain_model_may_be_the_explicit_shadow_of_peft(tmp_path: Path) -> None:
    base, small = make_llama(), make_small()
    small.save_pretrained(tmp_path / "small")
    peer = huggingface(deepcopy(base), shadow_model=str(tmp_path / "small"))
    teach(peer)
    peer.save_pretrained(tmp_path / "adapter")
    shadow = load_peft(tmp_path / "adapter", base)
    assert shadow.network.own_embedding
    agree(shadow.attach(base).eval(), peer)
    rmtree(tmp_path / "small")
    base = make_llama()
    with pytest.raises(CheckpointError, match=r"small' cannot be had: .*; give `backbone`"):
        load_peft(tmp_path / "adapter", base)
    again = load_peft(tmp_path / "adapter", base, backbone=small.config)
    for name, weight in shadow.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weight)


@pytest.mark.parametrize(("labels", "expected"), [(0, 0.2), (LABELS, 0.7)])
def test_peft_gets_the_weight_of_the_auxiliary_loss_of_its_task(labels: int, expected: float, tmp_path: Path) -> None:
    base = make_llama()
    config = ShadowConfig(
        dialect="peft", lambda_=0.2, lambda_classify=0.7, num_labels=labels, head_bias=False, pooling="last"
    )
    save_peft(tmp_path, Shadow.of(attach(base, ShadowNetwork.cut(base, config), config)), base)
    assert peft.PeftConfig.from_pretrained(tmp_path).auxiliary_loss_weight == expected
    assert load_peft(tmp_path, make_llama()).config.lambda_ == expected
