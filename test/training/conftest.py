"""A tiny base with the embedded base's own tokenizer, and a few utterances: training in seconds."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from shadow_intent.cloud.base import load_tokenizer
from shadow_intent.cloud.plan import Step
from shadow_intent.intent import NO_SLOTS
from training.corpus import Example, Exchange
from training.recipe import Recipe

WORDS = {"sit": "sit down", "dance": "dance", "light_on": "turn on the light", "remote": "why is", "ignore": "he said"}
TAILS = ("now", "please", "right away", "for me", "my friend", "today", "again", "quickly", "good dog", "would you")


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random Llama of width 32 over the real vocabulary."""
    folder = tmp_path_factory.mktemp("base")
    tokenizer = load_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def recipe(tiny_base: Path) -> Recipe:
    return replace(
        Recipe.load(),
        base=str(tiny_base),
        num_layers=1,
        rank=4,
        gate_width=4,
        frequent_merges=300,
        mlp_width=0,
        teacher_epochs=0,
        teachers=0,
        encoder=str(tiny_base),
        encoder_steps=0,
        least_steps=0,
        mixed=0.0,
        written=0,
        distillation=0.0,
        feature_distillation=0.0,
        epochs=4,
        batch_size=8,
        learning_rate=1e-2,
        teacher_learning_rate=1e-2,
        head_learning_rate=1e-2,
        token_dropout=0.0,
        feature_dropout=0.0,
        average_decay=0.5,
        reply_epochs=1,
        reply_batch_size=2,
    )


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    pairs = [(label, f"{words} {tail}") for label, words in WORDS.items() for tail in TAILS]
    pairs += [("sit", "坐下"), ("sit", "请坐下吧"), ("dance", "跳个舞"), ("dance", "跳舞给我看")]
    return [
        Example(text, label, "en" if text.isascii() else "zh", NO_SLOTS, f"tiny:{i}")
        for i, (label, text) in enumerate(pairs)
    ]


@pytest.fixture(scope="session")
def exchanges() -> list[Exchange]:
    steps = (Step("sit", NO_SLOTS), Step("hello", NO_SLOTS))
    return [
        Exchange("sit and wave", "en", "Sitting, then waving.", steps, "tiny:1"),
        Exchange("why is the sky blue", "en", "Because air scatters blue light.", (), "tiny:2"),
    ]
