"""The detached shadow as a plain model and as ONNX: the same logits without any code of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
import torch
from test_architectures import CONFIGS, make
from tiny import WIDTH, excite, make_batch, make_llama, make_qwen3, make_small
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedModel,
)

from shadow_intent.shadow import (
    DetachedLanguage,
    Shadow,
    ShadowConfig,
    ShadowNetwork,
    prefix_mask,
    to_causal_lm,
    to_classifier,
    to_onnx,
)

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def make_gpt2() -> PreTrainedModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=60, n_embd=WIDTH, n_layer=3, n_head=4, n_positions=64)).eval()


def make_phi() -> PreTrainedModel:
    """Its output head has a bias."""
    base = PhiForCausalLM(PhiConfig(vocab_size=60, hidden_size=WIDTH, num_hidden_layers=3, num_attention_heads=4))
    excite(base, 0.2)
    return base.eval()


def implicit(base: PreTrainedModel) -> ShadowNetwork:
    return ShadowNetwork.cut(base, ShadowConfig())


def projected(base: PreTrainedModel) -> ShadowNetwork:
    return ShadowNetwork.explicit(make_small(), base, same_vocabulary=True)


def detached_logits(shadow: Shadow, base: PreTrainedModel, ids: Tensor, mask: Tensor) -> Tensor:
    return base.get_output_embeddings()(shadow.network.eval()(ids, mask))


@pytest.mark.parametrize(
    ("make", "network"),
    [
        (make_llama, implicit),
        (make_qwen3, implicit),
        (make_gpt2, implicit),
        (make_phi, implicit),
        (make_llama, projected),
    ],
    ids=lambda x: x.__name__,
)
@torch.inference_mode()
def test_a_plain_causal_lm_says_what_the_detached_shadow_says(
    make: Callable[[], PreTrainedModel], network: Callable[[PreTrainedModel], ShadowNetwork], tmp_path: Path
) -> None:
    base = make()
    shadow = Shadow(ShadowConfig(), network(base))
    excite(shadow.network.backbone, 0.1)
    to_causal_lm(shadow, base).save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert plain.config.tie_word_embeddings == (base.config.tie_word_embeddings and network is implicit)
    for side in ("left", "right"):
        ids, mask = make_batch(side)
        expected = detached_logits(shadow, base, ids, mask)[mask.bool()]
        torch.testing.assert_close(plain(ids, attention_mask=mask).logits[mask.bool()], expected, **CLOSE)
    assert plain.generate(ids[1:], max_new_tokens=3, do_sample=False, pad_token_id=0).shape == (1, 10)


@pytest.mark.parametrize("architecture", CONFIGS)
@torch.inference_mode()
def test_a_plain_causal_lm_of_every_architecture(architecture: str, tmp_path: Path) -> None:
    base = make(CONFIGS[architecture])
    excite(base, 0.1)  # biases start at zero
    shadow = Shadow(ShadowConfig(), implicit(base))
    to_causal_lm(shadow, base).save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(plain) is type(base)
    for side in ("left", "right"):
        ids, mask = make_batch(side)
        expected = detached_logits(shadow, base, ids, mask)[mask.bool()]
        torch.testing.assert_close(plain(ids, attention_mask=mask).logits[mask.bool()], expected, **CLOSE)


@pytest.mark.parametrize("rows", [48, 72])
@torch.inference_mode()
def test_padded_tables_are_cut_to_the_shorter(rows: int, tmp_path: Path) -> None:
    base, vocabulary = make_llama(), {str(number): number for number in range(48)}
    network = ShadowNetwork.explicit(make_small(vocab_size=rows), base, tokenizers=(vocabulary, vocabulary))
    shadow = Shadow(ShadowConfig(), network)
    to_causal_lm(shadow, base).save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path)
    ids, mask = torch.randint(1, 48, (2, 7)), torch.ones(2, 7, dtype=torch.long)
    expected = detached_logits(shadow, base, ids, mask)[..., :rows]
    assert plain.get_input_embeddings().num_embeddings == expected.shape[-1] == min(rows, 60)
    torch.testing.assert_close(plain(ids, attention_mask=mask).logits, expected, **CLOSE)


def test_the_types_and_the_base_stay_as_they_are(tmp_path: Path) -> None:
    base = make_llama().to(torch.bfloat16)
    before = {name: weight.clone() for name, weight in base.named_parameters()}
    shadow = Shadow(ShadowConfig(), implicit(base))
    to_causal_lm(shadow, base).save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert plain.dtype == torch.bfloat16
    excite(plain)
    assert all(torch.equal(weight, before[name]) for name, weight in base.named_parameters())


@pytest.mark.parametrize("architecture", [name for name in CONFIGS if name != "llama"])
@torch.inference_mode()
def test_a_plain_classifier_of_every_architecture(architecture: str) -> None:
    base = make(CONFIGS[architecture])
    shadow = Shadow(ShadowConfig(num_labels=3, pooling="last", head_bias=False), implicit(base)).fit(base).eval()
    excite(shadow.network.backbone, 0.1)
    plain = to_classifier(shadow)
    for side in ("left", "right"):
        ids, mask = make_batch(side)
        got, expected = plain(ids, attention_mask=mask).logits, shadow.detached()(ids, mask)
        if (architecture, side) == ("gpt2", "left"):  # it counts padding as positions, as the docstring says
            assert (got - expected).abs().max() > 1e-3
        else:
            torch.testing.assert_close(got, expected, **CLOSE)


@pytest.mark.parametrize("network", [implicit, projected])
@torch.inference_mode()
def test_a_plain_classifier_says_what_the_detached_shadow_says(
    network: Callable[[PreTrainedModel], ShadowNetwork], tmp_path: Path
) -> None:
    base = make_llama()
    shadow = Shadow(ShadowConfig(num_labels=3, pooling="last", head_bias=False), network(base)).fit(base).eval()
    to_classifier(shadow, {0: "sit", 1: "stand", 2: "walk"}).save_pretrained(tmp_path)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert plain.config.id2label[2] == "walk"
    for side in ("left", "right"):
        ids, mask = make_batch(side)
        torch.testing.assert_close(plain(ids, attention_mask=mask).logits, shadow.detached()(ids, mask), **CLOSE)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"prefix_attention": True}, "prefix_attention"),
        ({"num_labels": 2}, "pooling"),
        ({"num_labels": 2, "pooling": "last"}, "head_bias"),
        ({}, "num_labels"),
    ],
)
def test_what_a_plain_classifier_lacks_is_named(settings: dict, named: str) -> None:
    base = make_llama()
    with pytest.raises(ValueError, match=named):
        to_classifier(Shadow(ShadowConfig(**settings), implicit(base)).fit(base))


def test_what_a_plain_causal_lm_lacks_is_named() -> None:
    base = make_llama()
    with pytest.raises(ValueError, match="prefix_attention"):
        to_causal_lm(Shadow(ShadowConfig(prefix_attention=True), implicit(base)), base)
    biased = make_phi()
    biased.lm_head = torch.nn.Linear(WIDTH, 60)
    with pytest.raises(ValueError, match="bias"):
        to_causal_lm(Shadow(ShadowConfig(), ShadowNetwork.explicit(make_llama(), biased, same_vocabulary=True)), biased)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("prefix_length", [0, 4])
@torch.no_grad()
def test_onnx_says_what_the_detached_language_model_says(prefix_length: int, tmp_path: Path) -> None:
    """An implicit f that reads from left to right, and a projected one with prefix attention."""
    base = make_llama()
    config = ShadowConfig(num_layers=1, prefix_attention=prefix_length > 0)
    small = make_small(num_hidden_layers=1)
    network = (
        ShadowNetwork.explicit(small, base, same_vocabulary=True) if prefix_length else ShadowNetwork.cut(base, config)
    )
    detached = DetachedLanguage(Shadow(config, network), base).eval()
    to_onnx(detached, tmp_path / "shadow.onnx")
    assert b"site-packages" not in (tmp_path / "shadow.onnx").read_bytes()
    session = onnxruntime.InferenceSession(tmp_path / "shadow.onnx")
    for rows, length in ((1, 1), (3, 7), (2, 12)):
        ids, mask = torch.randint(1, 60, (rows, length)), torch.ones(rows, length, dtype=torch.long)
        mask[0, length // 2 + 1 :] = 0
        inputs = {"input_ids": ids, "attention_mask": mask}
        if prefix_length:
            inputs["prefix"] = prefix_mask(mask, torch.tensor([prefix_length] * rows))
        (got,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        real = mask.bool()
        torch.testing.assert_close(torch.from_numpy(got)[real], detached(*inputs.values())[real], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_language_model_is_not_read_with_the_wrong_attention() -> None:
    base, (ids, mask) = make_llama(), make_batch("right")
    causal = DetachedLanguage(Shadow(ShadowConfig(), implicit(base)), base)
    both = DetachedLanguage(Shadow(ShadowConfig(prefix_attention=True), implicit(base)), base)
    prefix = prefix_mask(mask, torch.tensor([3, 3]))
    assert not torch.allclose(both(ids, mask, prefix), causal(ids, mask), atol=1e-3)
    with pytest.raises(ValueError, match=r"expected \(B, T\) bool with prefix_attention=True, got None"):
        both(ids, mask)
    with pytest.raises(ValueError, match=r"expected None with prefix_attention=False, got \(2, 7\)"):
        causal(ids, mask, prefix)
