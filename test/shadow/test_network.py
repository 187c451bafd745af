"""Decoders that f cannot be, and masks that it cannot take."""

from __future__ import annotations

import pytest
from tiny import VOCABULARY, WIDTH, Batch, make_llama, make_small
from transformers import OPTConfig, OPTForCausalLM, PreTrainedModel

from shadow_intent.shadow import ShadowConfig, ShadowNetwork, prefix_mask


def make_opt(tokens: int) -> PreTrainedModel:
    sizes = {"hidden_size": WIDTH, "word_embed_proj_dim": tokens, "ffn_dim": 48, "num_hidden_layers": 2}
    return OPTForCausalLM(OPTConfig(vocab_size=VOCABULARY, num_attention_heads=4, pad_token_id=0, **sizes)).eval()


@pytest.mark.parametrize("own", [False, True])
def test_tokens_narrower_than_the_states_are_named(own: bool) -> None:
    """OPT-350m projects its tokens in and its states out."""
    config = ShadowConfig(num_layers=1)
    with pytest.raises(ValueError, match="word_embed_proj_dim 16 and hidden_size 32"):
        ShadowNetwork.cut(make_opt(16), config, own_embedding=own)
    with pytest.raises(ValueError, match="word_embed_proj_dim 16"):
        ShadowNetwork.explicit(make_small(), make_opt(16), same_vocabulary=True)
    with pytest.raises(ValueError, match="word_embed_proj_dim 16"):
        ShadowNetwork.explicit(make_opt(16), make_llama(), same_vocabulary=True)


def test_a_narrower_opt_needs_narrower_tokens(batch: Batch) -> None:
    base, config = make_opt(WIDTH), ShadowConfig(num_layers=1)
    with pytest.raises(ValueError, match="word_embed_proj_dim 32 and hidden_size 16"):
        ShadowNetwork.random(base, config, hidden_size=16)
    network = ShadowNetwork.random(base, config, hidden_size=16, word_embed_proj_dim=16)
    assert network(*batch).shape == (2, 7, WIDTH)


@pytest.mark.parametrize("attention", ["flash_attention_2", "flex_attention"])
def test_attention_without_a_dense_mask_is_refused_for_prefixes(
    llama: PreTrainedModel, batch: Batch, attention: str
) -> None:
    ids, mask = batch
    network = ShadowNetwork.cut(llama, ShadowConfig())
    network.backbone.config._attn_implementation = attention
    with pytest.raises(ValueError, match=f"{attention}.*sdpa or eager"):
        network(ids, mask, prefix_mask(mask, mask.sum(-1)))
