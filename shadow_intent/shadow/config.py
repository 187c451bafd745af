"""The numbers of a shadow, in one frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

DIALECTS = ("paper", "peft")
POOLINGS = ("mean", "last")


@dataclass(frozen=True)
class ShadowConfig:
    """How a shadow is shaped and trained; equation numbers are those of arXiv 2604.19254.

    The two public implementations disagree in details. `dialect` picks one whole column:

    |                              | "paper" (`shadow-peft` 0.1.1)      | "peft" (`peft.tuners.shadow` 0.21)  |
    |------------------------------|------------------------------------|-------------------------------------|
    | injected and updated blocks  | 1..L-1                             | 0..L-1                              |
    | start of W_down (3)          | N(0, 0.02^2)                       | uniform, as `torch.nn.Linear`       |
    | dropout in (3)               | between W_down and W_up            | before W_down                       |
    | input of T and G (5)(6)      | one LayerNorm, shared by all blocks| the block output as it is           |
    | T and G (5)(6)               | SiLU, no bias                      | GELU, bias                          |
    | dropout in T (5)             | before its second matrix           | none                                |

    Neither gets the last block's update used, so it is not built here. Both packages default to alpha 0.1, dropout 0.2
    and a shadow of one layer; `peft` to rank 8 and a gate as wide as the rank.

    Raises:
        ValueError: a field is out of its range.
    """

    dialect: str = "paper"
    """"paper" or "peft", see the table."""
    num_layers: int = 2
    """k: decoder blocks of a shadow network cut from the base or made at random, >= 1."""
    rank: int = 16
    """r: inner width of the injection (3), >= 1."""
    gate_width: int = 10
    """Inner width of T and of G (5)(6), >= 1."""
    alpha: float = 1.0
    """Strength of the injection (4), any finite number."""
    dropout: float = 0.2
    """Dropout probability inside (3), and in T for the paper dialect, [0, 1)."""
    update: bool = True
    """False leaves (5)-(7) out: every block then sees s0."""
    prefix_attention: bool = False
    """True lets the tokens of the prefix (the utterance) attend to each other in both directions in f."""
    lambda_: float = 0.05
    """Weight of the auxiliary loss (9), >= 0; 0 leaves it out."""
    lambda_classify: float | None = None
    """The same for `classify`, when classification wants another one; None takes lambda_."""
    distill: float = 0.0
    """Weight of the distillation loss KL(attached || detached) that pulls the shadow's own answers towards those of the
    attached model, >= 0; no part of the paper. 0 leaves it out."""
    num_labels: int = 0
    """Classes of the classification heads; 0 means that there are none."""
    head_bias: bool = True
    """Whether the classification heads have a bias; those of both packages have none."""
    pooling: str = "mean"
    """"mean" over the real tokens or "last" real token; the paper and both packages use "last"."""

    def __post_init__(self) -> None:
        _one_of("dialect", self.dialect, DIALECTS)
        _one_of("pooling", self.pooling, POOLINGS)
        for name, least in (("num_layers", 1), ("rank", 1), ("gate_width", 1), ("num_labels", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
        if not abs(self.alpha) < float("inf"):
            raise ValueError(f"alpha must be a finite number, got {self.alpha!r}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout!r}")
        for name in ("lambda_", "lambda_classify", "distill"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < float("inf"):
                raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")

    @property
    def first_block(self) -> int:
        """Index of the first base block that is injected into."""
        return 1 if self.dialect == "paper" else 0

    @property
    def lambda_of_classes(self) -> float:
        """Weight of the auxiliary loss (9) when classes are learnt."""
        return self.lambda_ if self.lambda_classify is None else self.lambda_classify

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ShadowConfig:
        """The inverse of `to_dict`; raises ValueError on a name that is not a field."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            known = ", ".join(field.name for field in fields(cls))
            raise ValueError(f"unknown shadow settings {unknown}; remove them, or use one of: {known}")
        return cls(**values)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}")
