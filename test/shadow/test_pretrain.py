from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import VOCABULARY, excite, make_gpt2, make_llama
from transformers import PreTrainedModel

from shadow_intent.shadow import PretrainConfig, Pretraining, ShadowConfig, ShadowNetwork, Stage, texts
from shadow_intent.shadow.decoders import blocks_of
from shadow_intent.shadow.pretrain import distillation
from shadow_intent.shadow.texts import SampledBlocks, TextBlocks, folder_source, folder_texts

LENGTH = 12


class Letters:
    """A tokenizer: every character its code."""

    eos_token_id = 1

    def __call__(self, text: str, add_special_tokens: bool) -> Any:
        assert not add_special_tokens
        return type("Encoding", (), {"input_ids": [ord(character) % 50 + 2 for character in text]})


def text() -> list[str]:
    return ["the quick brown fox jumps over the lazy dog", "and the dog sleeps", "while the fox runs on and on"]


def excited(make: Callable[[], PreTrainedModel] = make_llama) -> PreTrainedModel:
    """The same one every time."""
    torch.manual_seed(2)
    base = make()
    excite(blocks_of(base), 0.3)
    return base


def run(
    folder: Path, width: int = 24, blocks: Any = None, base: PreTrainedModel | None = None, **settings: Any
) -> Pretraining:
    base = base or excited()
    torch.manual_seed(3)
    network = ShadowNetwork.random(base, ShadowConfig(), intermediate_size=width)
    stages = (Stage(10, 0.01, hidden=1.0), Stage(10, 0.005))
    config = PretrainConfig(stages, batch_size=2, save_every=4, **settings)
    return Pretraining(network, base, blocks or TextBlocks(text, Letters(), LENGTH, "animals"), config, folder)


@pytest.mark.parametrize("bf16", [False, True])
def test_the_shadow_comes_to_say_what_the_base_says(tmp_path: Path, bf16: bool) -> None:
    training, autocast = run(tmp_path, bf16=bf16), set()
    training.network.backbone.layers[0].register_forward_pre_hook(
        lambda *_: autocast.add(torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu")) or None
    )
    told = list(training.run())
    assert autocast == {torch.bfloat16 if bf16 else False}
    assert len(told) == 20
    assert told[9].hidden < 0.7 * told[0].hidden
    assert told[-1].kl < 0.7 * told[0].kl
    assert told[-1].agreement > told[0].agreement
    assert told[-1].hidden != told[-1].hidden  # nan: no part of the second stage


@pytest.mark.parametrize("make", [make_llama, make_gpt2], ids=["llama", "gpt2, with dropout"])
def test_an_interrupted_run_goes_on_with_the_same_losses(tmp_path: Path, make: Callable[[], PreTrainedModel]) -> None:
    whole = [now.loss for now in run(tmp_path / "whole", base=excited(make)).run()]
    first = [now.loss for now in run(tmp_path / "parts", base=excited(make)).run(limit=7)]
    stopped = run(tmp_path / "parts", base=excited(make)).run()
    second = [now.loss for now in itertools.islice(stopped, 5)]
    stopped.close()  # as when the process is interrupted
    third = [now.loss for now in run(tmp_path / "parts", base=excited(make)).run()]
    assert first + second + third == pytest.approx(whole, abs=1e-6)


def test_gradients_are_clipped_matrices_alone_decay_and_the_base_is_frozen(tmp_path: Path) -> None:
    training = run(tmp_path, weight_decay=0.5)
    training.network.backbone.norm.weight.data *= 10  # far from the base: large gradients
    list(training.run(limit=1))
    optimizer = torch.load(tmp_path / "pretrain.pt", weights_only=True)["optimizer"]
    means = {number: state["exp_avg"] for number, state in optimizer["state"].items()}  # a tenth of the gradients
    assert torch.stack([mean.norm() for mean in means.values()]).norm() == pytest.approx(0.1, rel=1e-4)
    for group in optimizer["param_groups"]:
        assert {means[number].ndim > 1 for number in group["params"]} == {group["weight_decay"] == 0.5}
    assert not any(weight.requires_grad for weight in training.base.parameters())


def test_another_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    list(run(tmp_path).run(limit=1))
    with pytest.raises(ValueError, match=r"other settings \(weight_decay=0.01, not 0.5; seed=0, not 3\)"):
        run(tmp_path, weight_decay=0.5, seed=3)


def test_another_network_or_other_texts_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    list(run(tmp_path).run(limit=1))
    with pytest.raises(ValueError, match=r"other settings \(network.intermediate_size=24, not 16\); give these or"):
        run(tmp_path, width=16)
    with pytest.raises(ValueError, match=r"\(texts.source=animals, not plants; texts.length=12, not 13\)"):
        run(tmp_path, blocks=TextBlocks(text, Letters(), LENGTH + 1, "plants"))
    with pytest.raises(ValueError, match=r"\(texts.source=animals, not the base; texts.together=None, not 8; "):
        run(tmp_path, blocks=SampledBlocks(make_llama(), LENGTH))


def test_another_base_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    list(run(tmp_path).run(limit=1))
    other = excited()
    other.model.layers[1].mlp.up_proj.weight.data[0] *= 1.1  # as a merged adapter changes it
    with pytest.raises(ValueError, match=r"other settings \(base.weights=[0-9a-f]{12}, not [0-9a-f]{12}\); give these"):
        run(tmp_path, base=other)
    other = excited()
    other.model.layers = other.model.layers[:3]
    with pytest.raises(ValueError, match=r"\(base.blocks=4, not 3; base.weights="):
        run(tmp_path, base=other)
    assert run(tmp_path, base=excited().bfloat16()).step == 1  # the same one in another type
    other.model.layers[2].to("meta")  # as an offloaded block is
    assert run(tmp_path / "offloaded", base=other).step == 0


def test_a_state_without_network_texts_and_base_goes_on_and_blocks_without_identity_do_too(tmp_path: Path) -> None:
    list(run(tmp_path).run(limit=1))
    state = torch.load(tmp_path / "pretrain.pt", weights_only=True)
    del state["setting"], state["base"]
    torch.save(state, tmp_path / "pretrain.pt")
    plain = run(tmp_path, blocks=lambda skip: TextBlocks(text, Letters(), LENGTH)(skip))
    list(plain.run(limit=1))
    assert plain.step == 2
    with pytest.raises(ValueError, match=r"\(texts.source=None, not animals"):
        run(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "list", "weight", "optimizer"])
def test_a_damaged_state_is_said(tmp_path: Path, damage: str) -> None:
    list(run(tmp_path).run(limit=1))
    file = tmp_path / "pretrain.pt"
    state = torch.load(file, weights_only=True)
    if damage == "list":
        torch.save([1], file)
    elif damage == "weight":
        state["network"].popitem()
        torch.save(state, file)
    elif damage == "optimizer":
        del state["optimizer"]
        torch.save(state, file)
    else:
        whole = file.read_bytes()
        file.write_bytes({"cut": whole[: len(whole) // 2], "garbage": b"no state\n" * 9, "empty": b""}[damage])
    with pytest.raises(ValueError, match=r"pretrain.pt is damaged \(.*\); delete it to begin again, or give another"):
        run(tmp_path)


def test_the_objective_by_hand_however_it_is_cut() -> None:
    base = make_llama()
    network = ShadowNetwork.random(base, ShadowConfig()).eval()
    ids = torch.randint(1, VOCABULARY, (2, 5))
    told, state = base.model(ids).last_hidden_state, network(ids)
    hidden = (state - told).square().sum() / told.square().sum()
    target, student = (base.lm_head(x).log_softmax(-1) for x in (told, state))
    kl = (target.exp() * (target - student)).sum(-1).mean()
    for rows in (3, 1024):
        loss, parts = distillation(network, base, ids, 0.5, 2.0, rows)
        torch.testing.assert_close(loss, 0.5 * hidden + 2.0 * kl)
        assert parts[:2] == pytest.approx((hidden.item(), kl.item()), rel=1e-4)
    loss.backward()
    assert all(weight.grad is not None for weight in network.parameters())
    assert all(weight.grad is None for weight in base.model.layers.parameters())


def test_blocks_join_texts_and_begin_again() -> None:
    blocks = TextBlocks(lambda: ["abc", "defgh"], Letters(), 4)
    a, b, c, d, e, f, g, h = (ord(letter) % 50 + 2 for letter in "abcdefgh")
    first = [block.tolist() for block in itertools.islice(blocks(0), 4)]
    assert first == [[a, b, c, 1], [d, e, f, g], [a, b, c, 1], [d, e, f, g]]
    assert next(blocks(3)).tolist() == first[3]
    assert h not in first[1]
    with pytest.raises(ValueError, match="fewer than 4 tokens"):
        next(TextBlocks(lambda: ["ab"], Letters(), 4)(0))
    with pytest.raises(ValueError, match="length must be >= 2, got 1"):
        TextBlocks(text, Letters(), 1)


def test_the_base_writes_its_own_text_the_same_every_time() -> None:
    blocks = SampledBlocks(make_llama(), LENGTH, together=3, seed=5)
    state = torch.get_rng_state()
    first = list(itertools.islice(blocks(0), 5))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(block.shape == (LENGTH,) for block in first)
    assert torch.equal(next(blocks(4)), first[4])
    assert not torch.equal(first[0], first[3])


@pytest.mark.parametrize(
    "setting",
    [{"do_sample": True, "temperature": 1e-4}, {"repetition_penalty": 5.0}, {"suppress_tokens": list(range(2, 50))}],
    ids=lambda setting: list(setting)[-1],
)
def test_the_base_s_settings_for_generating_change_nothing_in_its_own_text(setting: dict) -> None:
    base = make_llama()
    excite(base, 0.5)
    first = list(itertools.islice(SampledBlocks(base, LENGTH)(0), 3))
    base.generation_config.update(**setting)
    again = list(itertools.islice(SampledBlocks(base, LENGTH)(0), 3))
    assert torch.equal(torch.stack(again), torch.stack(first))


@pytest.mark.parametrize("ends", [None, 7, [3, 7]], ids=str)
def test_the_base_s_own_text_is_likely_to_it_and_does_not_end(ends: Any) -> None:
    """A base that is almost sure of each next token."""
    base = make_llama()
    excite(base, 1.0)
    base.lm_head.weight.data *= 50
    base.generation_config.eos_token_id = ends
    ids = torch.stack(list(itertools.islice(SampledBlocks(base, LENGTH, together=4)(0), 8)))
    logits = base(ids).logits[:, :-1].detach()  # (8, T - 1, V)
    if ends is not None:
        assert not torch.isin(ids[:, 1:], torch.tensor(ends)).any()
        assert torch.isin(logits.argmax(-1), torch.tensor(ends)).any()  # it would have
        logits[..., ends] = -math.inf
    assert logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).mean() > -0.5


def test_texts_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("second")
    (tmp_path / "a.md").write_text("first")
    (tmp_path / "c.jsonl").write_text('{"text": "third"}\n{"text": "fourth"}\n')
    (tmp_path / "d.json").write_text("{}")
    assert list(folder_texts(tmp_path)) == ["first", "second", "third", "fourth"]
    (tmp_path / "c.jsonl").write_text(json.dumps({"body": ""}))
    with pytest.raises(ValueError, match=r'c\.jsonl:1: expected an object with "text"'):
        list(folder_texts(tmp_path))
    (tmp_path / "c.jsonl").write_text('{"text": "third"}\n{"text": null}\n')
    with pytest.raises(ValueError, match=r'c\.jsonl:2: "text" must be a string, got None'):
        list(folder_texts(tmp_path))
    with pytest.raises(ValueError, match=r"expected files \.txt"):
        list(folder_texts(tmp_path / "nowhere"))


def test_a_large_file_is_read_and_tokenized_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "PIECE", 100)
    lines = "".join(f"line {number} of a long story\n" for number in range(40))
    (tmp_path / "a.txt").write_text(lines + "x" * 350)
    pieces = list(folder_texts(tmp_path))
    assert "".join(pieces) == lines + "x" * 350
    assert len(pieces) == 10
    assert max(len(piece) for piece in pieces) <= 200
    assert all(piece.endswith("\n") for piece in pieces[:8])
    with (tmp_path / "a.txt").open("ab") as file:
        file.write(b"x" * 100_000 + b"\xff")  # whoever reads it all stumbles at once
    seen: list[str] = []

    class Noting(Letters):
        def __call__(self, text: str, add_special_tokens: bool) -> Any:
            seen.append(text)
            return super().__call__(text, add_special_tokens)

    blocks = TextBlocks(partial(folder_texts, tmp_path), Noting(), LENGTH)(0)
    assert next(blocks).shape == (LENGTH,)
    assert len("".join(seen)) <= 200
    with pytest.raises(ValueError, match="utf-8"):
        list(blocks)


def test_a_folder_is_told_from_others_by_names_and_sizes(tmp_path: Path) -> None:
    for folder, told in (("a", "one"), ("b", "one"), ("c", "other")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text(told)
    assert folder_source(tmp_path / "a") == folder_source(tmp_path / "b") != folder_source(tmp_path / "c")
    assert folder_source(tmp_path / "c").startswith("1 files of 5 bytes, ")
    (tmp_path / "b" / "x.txt").rename(tmp_path / "b" / "y.txt")
    assert folder_source(tmp_path / "a") != folder_source(tmp_path / "b")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"stages": ()}, "at least one, got none"),
        ({"stages": (Stage(1, 0.1), Stage(0, 0.1))}, r"stages\[1\]\.steps must be >= 1, got 0"),
        ({"stages": (Stage(1, 0.1, kl=0.0),)}, r"stages\[0\]: .* got hidden=0\.0, kl=0\.0"),
        ({"batch_size": 0}, "batch_size must be >= 1, got 0"),
        ({"save_every": -1}, "save_every must be >= 1, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        PretrainConfig(**{"stages": (Stage(1, 0.1),), **settings})


def test_the_learning_rate_rises_over_a_twentieth_and_falls_along_a_cosine() -> None:
    first, second = Stage(40, 0.1), Stage(60, 0.01)
    config = PretrainConfig((first, second))
    assert config.steps == 100
    assert config.at(0) == (first, pytest.approx(0.05))  # two steps of warm-up
    assert config.at(1) == (first, pytest.approx(0.1 * 0.5 * (1 + math.cos(math.pi / 40))))
    assert config.at(20) == (first, pytest.approx(0.05))  # half way: half of the peak
    assert config.at(39)[1] < 0.001
    assert config.at(40) == (second, pytest.approx(0.01 / 3))  # three steps of warm-up
    assert config.at(70) == (second, pytest.approx(0.005))
    with pytest.raises(ValueError, match="step must be < 100, the steps of all stages, got 100"):
        config.at(100)


def test_a_loss_that_is_not_finite_stops_the_run_and_spoils_nothing(tmp_path: Path) -> None:
    training = run(tmp_path)
    training.base.lm_head.weight.data[0, 0] = math.inf
    with pytest.raises(FloatingPointError, match="at step 0; lower the learning rate"):
        next(training.run())
    assert all(weight.isfinite().all() for weight in run(tmp_path).network.backbone.parameters())
