from __future__ import annotations

import pytest
import torch
from tiny import Batch, excite
from transformers import PreTrainedModel

from shadow_intent.shadow import ShadowConfig, ShadowNetwork, listening, narrow

F = 48


def make(base: PreTrainedModel) -> ShadowNetwork:
    network = ShadowNetwork.cut(base, ShadowConfig())
    excite(network.backbone.layers)
    return network.eval()


def heard(network: ShadowNetwork, batch: Batch) -> list[torch.Tensor]:
    with torch.no_grad(), listening(network) as energy:
        network(*batch)
        network(*batch)
    return energy


def test_with_all_its_neurons_it_says_the_same(base: PreTrainedModel, batch: Batch) -> None:
    network = make(base)
    torch.testing.assert_close(narrow(network, F, heard(network, batch))(*batch), network(*batch))


def test_neurons_that_write_nothing_are_the_first_to_go(base: PreTrainedModel, batch: Batch) -> None:
    network = make(base)
    for block in network.backbone.layers:
        block.mlp.down_proj.weight.data[:, 5:25] = 0
        block.mlp.gate_proj.weight.data[30:35] = 0
    small = narrow(network, F - 25, heard(network, batch))
    assert small.backbone.config.intermediate_size == F - 25
    assert small.backbone.layers[0].mlp.gate_proj.weight.shape == (F - 25, base.config.hidden_size)
    torch.testing.assert_close(small(*batch), network(*batch))
    assert not torch.allclose(narrow(network, F - 35, heard(network, batch))(*batch), network(*batch), atol=1e-3)


def test_what_it_hears_is_the_energy_of_every_token(base: PreTrainedModel, batch: Batch) -> None:
    network, states = make(base), []
    hook = network.backbone.layers[1].mlp.down_proj.register_forward_pre_hook(
        lambda _, inputs: states.append(inputs[0])
    )
    energy = heard(network, batch)
    hook.remove()
    torch.testing.assert_close(energy[1], sum(s.square().sum((0, 1)) for s in states))
    assert not any(block.mlp.down_proj._forward_pre_hooks for block in network.backbone.layers)


def test_the_original_and_the_base_stay_as_they_were(base: PreTrainedModel, batch: Batch) -> None:
    network = make(base)
    before = network(*batch)
    small = narrow(network, 8, heard(network, batch))
    excite(small.backbone)
    torch.testing.assert_close(network(*batch), before, rtol=0, atol=0)
    assert small.embedding is base.get_input_embeddings()


@pytest.mark.parametrize("width", [0, F + 1])
def test_a_width_out_of_range_is_refused(base: PreTrainedModel, batch: Batch, width: int) -> None:
    network = make(base)
    with pytest.raises(ValueError, match=r"width must be in \[1, 48\]"):
        narrow(network, width, heard(network, batch))
