"""The fast form of the detached shadow gives the numbers of the plain one."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from shadow_intent.shadow import ClassifierHeads, DetachedShadow, ShadowConfig, ShadowNetwork
from training.single import SingleLlama, SingleUtterance, suits

SIZES = {
    "vocab_size": 60,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


def detached(model: LlamaForCausalLM | Qwen3ForCausalLM, **options: object) -> DetachedShadow:
    torch.manual_seed(1)
    config = ShadowConfig(num_labels=5, **{"prefix_attention": True, "pooling": "mean", **options})
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return DetachedShadow(ShadowNetwork.cut(model, config), ClassifierHeads(24, config), config).eval()


@pytest.mark.parametrize("tokens", [1, 2, 7, 16])
def test_the_fast_form_agrees(tokens: int) -> None:
    plain = detached(LlamaForCausalLM(LlamaConfig(**SIZES)))
    ids = torch.randint(0, 60, (1, tokens))
    with torch.no_grad():
        expected = plain(ids, torch.ones_like(ids))
        torch.testing.assert_close(SingleLlama(plain, 16)(ids), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(SingleUtterance(plain)(ids), expected)


@pytest.mark.parametrize("options", [{"prefix_attention": False}, {"pooling": "last"}])
def test_what_it_is_not_made_for_is_refused(options: dict[str, object]) -> None:
    plain = detached(LlamaForCausalLM(LlamaConfig(**SIZES)), **options)
    assert not suits(plain)
    with pytest.raises(ValueError, match="bidirectional Llama"):
        SingleLlama(plain, 16)


def test_another_architecture_takes_the_general_form() -> None:
    plain = detached(Qwen3ForCausalLM(Qwen3Config(**SIZES)))
    assert not suits(plain)
    ids = torch.randint(0, 60, (1, 6))
    with torch.no_grad():
        torch.testing.assert_close(SingleUtterance(plain)(ids), plain(ids, torch.ones_like(ids)))
