"""What only training shows: dropout in (3) and (5), and where weights start."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tiny import BLOCKS, WIDTH

from shadow_intent.shadow import Adapters, ClassifierHeads, ShadowConfig


@pytest.mark.parametrize(
    ("dialect", "places"), [("paper", [(6, 0.3), (4, 0.3)]), ("peft", [(WIDTH, 0.3)])], ids=["paper", "peft"]
)
def test_dropout_is_where_the_dialect_has_it(
    dialect: str, places: list[tuple[int, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the width of what is dropped: the rank 6 and T's inner width 4, or the input of W_down."""
    seen: list[tuple[int, float]] = []
    dropout = F.dropout

    def listen(x: torch.Tensor, p: float) -> torch.Tensor:
        seen.append((x.shape[-1], p))
        return dropout(x, p)

    monkeypatch.setattr(F, "dropout", listen)
    adapters = Adapters(WIDTH, BLOCKS, ShadowConfig(dialect=dialect, rank=6, gate_width=4, dropout=0.3)).train()
    hidden = torch.randn(1, 2, WIDTH)
    for mode in (True, False):
        adapters.train(mode)
        adapters.inject(1, hidden, hidden + 1)
        adapters.update(1, hidden, hidden)
        assert seen == places  # in evaluation nothing is added


def test_w_down_starts_as_the_dialect_says() -> None:
    paper, peft = (
        torch.cat([one.down.weight.flatten() for one in Adapters(512, 9, ShadowConfig(dialect=d)).injections])
        for d in ("paper", "peft")
    )
    assert paper.std().item() == pytest.approx(0.02, rel=0.03)
    assert paper.abs().max() > 3 * 0.02  # a normal distribution has tails
    bound = 512**-0.5
    assert 0.99 * bound < peft.abs().max() <= bound
    assert peft.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)


def test_the_shadow_head_starts_as_a_copy_of_the_base_s() -> None:
    heads = ClassifierHeads(WIDTH, ShadowConfig(num_labels=3))
    for name, weight in heads.base.named_parameters():
        copy = heads.shadow.get_parameter(name)
        assert torch.equal(copy, weight)
        assert copy.data_ptr() != weight.data_ptr()
