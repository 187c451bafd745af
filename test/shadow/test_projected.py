"""Projected folders: read and written, equal logits."""

from __future__ import annotations

from pathlib import Path

import pytest
import shadow_peft
import torch
from peer_models import CLOSE, teach
from tiny import WIDTH, make_batch, make_llama, make_small
from torch import nn

from shadow_intent.shadow import (
    ShadowConfig,
    ShadowNetwork,
    load_projected,
    save_projected,
)


def test_a_projected_folder_of_shadow_peft_is_read(tmp_path: Path) -> None:
    base, small = make_llama(), make_small()
    peer = shadow_peft.AutoModelForCausalLMWithHiddenProjection.wrap(
        shadow_model=small,
        shadow_hidden_projection=nn.Linear(16, WIDTH, bias=False),
        lm_head=base.lm_head,
        init_optimal_projection=False,
    )
    teach(peer)
    peer.save_pretrained(tmp_path)
    base.lm_head.weight.data = peer.lm_head.weight.detach().clone()  # it trains the head too
    ids, mask = make_batch("right")
    ours = base.lm_head(load_projected(tmp_path, base).eval()(ids, mask))
    torch.testing.assert_close(ours[mask.bool()], peer(ids, attention_mask=mask).logits[mask.bool()], **CLOSE)


@pytest.mark.parametrize("width", [WIDTH, 16])
def test_shadow_peft_reads_a_projected_folder_written_here(width: int, tmp_path: Path) -> None:
    base = make_llama()
    sizes = {} if width == WIDTH else {"hidden_size": width, "head_dim": 4}
    network = ShadowNetwork.random(base, ShadowConfig(), **sizes).eval()
    save_projected(tmp_path, network, base)
    peer = shadow_peft.AutoModelForCausalLMWithHiddenProjection.from_pretrained(tmp_path).eval()
    ids, mask = make_batch("right")
    theirs = peer(ids, attention_mask=mask).logits
    torch.testing.assert_close(base.lm_head(network(ids, mask))[mask.bool()], theirs[mask.bool()], **CLOSE)
