"""What a run of the comparison is made of: the settings of its method, its data, its training, what is measured."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from shadow_intent.cloud import plan
from shadow_intent.cloud.base import load_base, load_tokenizer
from shadow_intent.errors import ShadowIntentError
from shadow_intent.shadow import Shadow, ShadowConfig, ShadowNetwork, next_token_loss, save_shadow, to_causal_lm
from shadow_intent.shadow.loss import IGNORE
from training.compare_runs import (
    Candidate,
    Run,
    Settings,
    _measure_intents,
    _measure_replies,
    _milliseconds,
    _train,
    _write,
)
from training.compare_tasks import Intents, Replies
from training.corpus import read_exchanges, split_exchanges

LABELS = ("dance", "light", "sit")
WORDS = {"sit": "sit down", "dance": "dance for me", "light": "turn on the light"}
TAILS = ("now", "please", "today", "again")
TESTS = [["could you sit", "sit"], ["do sit", "sit"], ["sit", "sit"], ["go and dance", "dance"], ["dance", "dance"]]
TESTS += [["lamp on", "light"]]
SHADOW = Run("intents", "shadow", 1)
LANGUAGE = replace(SHADOW, task="replies")


@pytest.fixture(autouse=True)
def one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def base() -> PreTrainedModel:
    """A random Llama of width 32 that reads characters."""
    sizes = {"vocab_size": 128, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(**sizes, **heads, tie_word_embeddings=True)).eval()


@pytest.fixture
def clinc(tmp_path: Path) -> Path:
    pairs = [[f"{text} {tail}", label] for label, text in WORDS.items() for tail in TAILS]
    file = tmp_path / "data_full.json"
    file.write_text(json.dumps({"train": pairs, "test": TESTS}))
    return file


@pytest.fixture(scope="module")
def replies() -> Replies:
    return Replies(load_tokenizer(), 3)


def characters(text: str) -> SimpleNamespace:
    return SimpleNamespace(input_ids=[ord(letter) for letter in text])


def intents(clinc: Path, shots: int = 0, seed: int = 1) -> Intents:
    return Intents(clinc, characters, shots, seed)


def spoken(part: list[tuple[list[int], int]]) -> list[list[str]]:
    return [["".join(map(chr, ids)), LABELS[label]] for ids, label in part]


def blocks(network: ShadowNetwork) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in network.backbone.parameters()])


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, {"rank": 16, "alpha": 1.0, "update": True, "lambda_": ShadowConfig().lambda_, "distill": 0.0}),
        ({"rank": 4}, {"rank": 4}),
        ({"alpha": 0.25}, {"alpha": 0.25}),
        ({"update": False}, {"update": False}),
        ({"aim": "drafts"}, {"lambda_": 0.5, "distill": 1.0}),
    ],
    ids=str,
)
def test_a_shadow_is_made_as_its_run_says(base: PreTrainedModel, other: dict[str, Any], expected: dict) -> None:
    config = Candidate(replace(SHADOW, **other), Settings(), base, 3).shadow.shadow_config
    assert {name: getattr(config, name) for name in expected} == expected
    assert (config.num_labels, config.num_layers, config.pooling) == (3, 2, "mean")


def test_a_start_is_what_it_is_called(base: PreTrainedModel, tmp_path: Path) -> None:
    config = ShadowConfig(num_layers=2)
    cut = ShadowNetwork.cut(base, config)
    saved = ShadowNetwork.random(base, config)
    save_shadow(tmp_path, Shadow(config, saved), base)
    settings = Settings(pretrained=tmp_path)
    found = {
        start: blocks(Candidate(replace(SHADOW, start=start), settings, base, 3).shadow.network)
        for start in ("cut", "random", "pretrained")
    }
    assert torch.equal(found["cut"], blocks(cut))
    assert torch.equal(found["pretrained"], blocks(saved))
    assert not torch.allclose(found["random"], found["cut"])
    assert not torch.allclose(found["random"], found["pretrained"])


@pytest.mark.parametrize("method", ["shadow", "LoRA", "DoRA"])
def test_a_seed_draws_the_start_of_what_is_trained(base: PreTrainedModel, method: str) -> None:
    one, again, other = (
        Candidate(replace(SHADOW, method=method, seed=seed), Settings(), base, 3).groups[-1]["params"]
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_shots_are_so_many_of_each_intent_drawn_by_the_seed(clinc: Path) -> None:
    few, again, other = (spoken(intents(clinc, 2, seed).train) for seed in (1, 1, 2))
    assert Counter(label for _, label in few) == dict.fromkeys(LABELS, 2)
    assert len({text for text, _ in few}) == 6
    assert few == again
    assert sorted(few) != sorted(other)
    assert len(intents(clinc).train) == len(intents(clinc, 50).train) == 12


def test_held_out_are_the_tests_and_none_of_them_is_trained_on(clinc: Path) -> None:
    task = intents(clinc)
    assert spoken(task.test) == TESTS
    assert not {text for text, _ in spoken(task.train)} & {text for text, _ in TESTS}


def test_held_out_requests_are_those_of_the_bundle(replies: Replies) -> None:
    parts = split_exchanges(read_exchanges())
    train, test = ([e for e in parts[name] if e.language == "en"][:3] for name in ("train", "test"))
    assert replies.requests == test
    assert [prompt for prompt, _ in replies.test] == [plan.prompt_ids(load_tokenizer(), e.text) for e in test]
    assert [prompt for prompt, _ in replies.train] == [plan.prompt_ids(load_tokenizer(), e.text) for e in train]


def test_the_loss_of_a_reply_is_over_its_answer_and_nothing_else(replies: Replies) -> None:
    """Rows are padded on the left, so that all answers end at the last position."""
    (batch,) = replies.batches(replies.test, 3, None)
    rows = sorted(replies.test, key=lambda row: len(row[0]) + len(row[1]))
    for ids, mask, labels, (prompt, answer) in zip(
        batch.input_ids.tolist(), batch.attention_mask.tolist(), batch.labels.tolist(), rows, strict=True
    ):
        padding = len(ids) - len(prompt) - len(answer)
        assert ids == [0] * padding + prompt + answer
        assert mask == [0] * padding + [1] * (len(prompt) + len(answer))
        assert labels == [IGNORE] * (padding + len(prompt)) + answer


def test_only_the_plan_that_was_asked_for_is_exact(replies: Replies) -> None:
    tokenizer, (first, second, _) = load_tokenizer(), replies.requests
    assert first.steps != second.steps
    written = [
        replies.test[0][1],
        tokenizer(plan.render("Another reply.", first.steps)).input_ids,
        tokenizer(plan.render(first.reply, first.steps[:1])).input_ids,
        tokenizer(plan.render(first.reply, second.steps)).input_ids,
        tokenizer("Good dog.").input_ids,
    ]
    assert len(first.steps) > 1
    assert [replies.exact(first, tokens) for tokens in written] == [True, True, False, False, False]


@pytest.mark.parametrize("method", ["shadow", "LoRA"])
def test_training_moves_what_is_trained_lowers_the_loss_and_leaves_the_base(
    base: PreTrainedModel, clinc: Path, method: str
) -> None:
    task, told, before = intents(clinc), [], {name: w.clone() for name, w in base.state_dict().items()}
    run, settings = replace(SHADOW, method=method), Settings(epochs=6, batch_size=5, lora_rate=0.02, adapter_rate=0.02)
    candidate = Candidate(run, settings, base, task.labels)
    (whole,) = task.batches(task.train, len(task.train), None)
    start = [weight.detach().clone() for weight in candidate.groups[-1]["params"]]
    candidate.model.eval()
    with torch.no_grad():
        first = candidate.loss(whole).item()
    _train(candidate, run, settings, task, lambda *step: told.append(step))
    candidate.model.eval()
    with torch.no_grad():
        assert candidate.loss(whole).item() < 0.9 * first
    assert not any(torch.equal(a, b) for a, b in zip(start, candidate.groups[-1]["params"], strict=True))
    assert told == [(step, 18) for step in range(1, 19)]  # three batches a pass
    assert all(torch.equal(weight, before[name]) for name, weight in base.state_dict().items())


def test_a_loss_that_is_no_number_ends_the_run_by_name(base: PreTrainedModel, clinc: Path) -> None:
    candidate = Candidate(SHADOW, Settings(), base, 3)
    candidate.groups[-1]["params"][0].data.fill_(math.nan)
    with pytest.raises(ShadowIntentError, match="intents-full-shadow-seed1-cut-r16-a1: loss is nan at step 0"):
        _train(candidate, SHADOW, Settings(), intents(clinc), lambda *_: None)


def test_each_path_is_measured_by_its_own_answers(base: PreTrainedModel, clinc: Path) -> None:
    """Three of the six tests are "sit", which the attached model always says; one is "light", the detached one's."""
    candidate = Candidate(SHADOW, Settings(), base, 3)
    candidate.model.eval()
    for head, answer in ((candidate.shadow.heads.base, "sit"), (candidate.shadow.heads.shadow, "light")):
        head.weight.data.zero_()
        head.bias.data = torch.eye(3)[LABELS.index(answer)]
    with torch.inference_mode():
        results = _measure_intents(candidate, intents(clinc), 4)
    assert {path: result["accuracy"] for path, result in results.items()} == {"attached": 50.0, "detached": 16.67}


@torch.inference_mode()
def test_each_path_has_the_loss_of_its_own_language_model(tiny_base: Path, replies: Replies) -> None:
    """An untrained shadow leaves the base as it is, and alone it is what is exported; the mean is over all tokens."""
    base = load_base(str(tiny_base))
    candidate = Candidate(LANGUAGE, Settings(), base, 0)
    candidate.model.eval()
    (whole,) = replies.batches(replies.test, 3, None)
    models = {"attached": base, "detached": to_causal_lm(candidate.shadow.shadow, base)}
    expected = {
        path: next_token_loss(model(whole.input_ids, attention_mask=whole.attention_mask).logits, whole.labels).item()
        for path, model in models.items()
    }
    assert abs(expected["attached"] - expected["detached"]) > 1e-3
    results = _measure_replies(candidate, base, replies, 1)
    assert {path: result["loss"] for path, result in results.items()} == pytest.approx(expected, abs=2e-4)


def test_answers_are_counted_without_their_prompts(replies: Replies) -> None:
    class Parrot:
        """Answers every request as the first one should be."""

        def generate(self, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
            return torch.cat([input_ids, torch.tensor([replies.test[0][1]])], dim=1)

    same = sum(request.steps == replies.requests[0].steps for request in replies.requests)
    exact, seconds, written = _write(Parrot(), replies)
    assert (exact, written) == (same, 3 * len(replies.test[0][1]))
    assert same < 3
    assert seconds >= 0


def test_the_time_of_a_call_is_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 1.0, 9.0, 9.0, 11.0])  # begin and end of three calls
    monkeypatch.setattr(time, "thread_time", lambda: next(clock))
    assert _milliseconds([lambda: None] * 3) == 2000.0
