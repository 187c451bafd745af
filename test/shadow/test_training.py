"""Training with Trainer and accelerate; gradient checkpointing, bfloat16, sharded bases; saving and going on."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from tiny import BLOCKS, VOCABULARY, WIDTH, Build, make_batch, make_llama
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import PreTrainedModel, Trainer, TrainingArguments

from shadow_intent.shadow import (
    Adapters,
    Shadow,
    ShadowConfig,
    ShadowedModel,
    ShadowNetwork,
    attach,
    parameter_groups,
)
from shadow_intent.shadow.layers import Carry, ShadowedBlock

RATE = 0.03
CLASSES = 3


def fresh(**settings: Any) -> ShadowedModel:
    torch.manual_seed(3)
    base = make_llama()
    config = ShadowConfig(**{"dropout": 0.0, **settings})
    return attach(base, ShadowNetwork.cut(base, config), config)


def examples(count: int = 24) -> list[dict[str, Tensor]]:
    """Runs of consecutive tokens: easy to learn."""
    starts = torch.arange(count) % (VOCABULARY - 10) + 1
    return [{"input_ids": start + torch.arange(8), "labels": start + torch.arange(8)} for start in starts]


def classified(count: int = 24) -> list[dict[str, Tensor]]:
    """The same padded on the left, neighbours in one class."""
    rows = []
    for i, row in enumerate(examples(count)):
        mask = (torch.arange(8) >= i % 4).long()
        label = torch.tensor(i * CLASSES // count)
        rows.append({"input_ids": row["input_ids"] * mask, "attention_mask": mask, "labels": label})
    return rows


def batch_of(rows: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def trainer(model: ShadowedModel, folder: Path, **settings: Any) -> Trainer:
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        max_steps=6,
        save_steps=3,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        lr_scheduler_type="constant",
        **settings,
    )
    optimizer = torch.optim.AdamW(parameter_groups(model, RATE))
    return Trainer(model, arguments, train_dataset=examples(), optimizers=(optimizer, None))


def whole_loss(model: ShadowedModel) -> float:
    ids = torch.stack([example["input_ids"] for example in examples()])
    with torch.no_grad():
        return model.eval()(ids, labels=ids).loss.item()


def losses(run: Trainer) -> list[float]:
    return [entry["loss"] for entry in run.state.log_history if "loss" in entry]


def watch(model: ShadowedModel) -> tuple[Counter[str], set[bool]]:
    """How often a block's attention is called, in the base and in f, and whether under autocast."""
    calls: Counter[str] = Counter()
    autocast: set[bool] = set()

    def note(name: str, *_: object) -> None:
        calls.update([name])
        autocast.add(torch.is_autocast_enabled("cpu"))

    model.base.model.layers[1].block.self_attn.register_forward_pre_hook(partial(note, "base"))
    model.network.backbone.layers[0].self_attn.register_forward_pre_hook(partial(note, "f"))
    return calls, autocast


@pytest.mark.parametrize("settings", [{}, {"bf16": True}, {"gradient_checkpointing": True}], ids=str)
def test_trainer_learns(tmp_path: Path, settings: dict) -> None:
    run = trainer(fresh(), tmp_path, **settings)
    before, (calls, autocast) = whole_loss(run.model), watch(run.model)
    run.train()
    times = 12 if "gradient_checkpointing" in settings else 6  # forward, and again on the way back
    assert calls == {"base": times, "f": times}
    assert autocast == {"bf16" in settings}
    assert whole_loss(run.model) < before - 0.05


def test_trainer_learns_classes_and_tells_them(tmp_path: Path) -> None:
    run = trainer(fresh(num_labels=CLASSES), tmp_path)
    run.train_dataset, run.args.max_steps, run.args.per_device_eval_batch_size = classified(), 12, 5
    before = run.evaluate(classified())["eval_loss"]
    run.train()
    told = run.predict(classified())
    rows = batch_of(classified())
    with torch.no_grad():
        expected = run.model.eval()(**rows)
    assert told.metrics["test_loss"] < before - 0.1
    assert told.metrics["test_loss"] == pytest.approx(expected.loss.item(), rel=0.02)  # the last batch is smaller
    torch.testing.assert_close(torch.from_numpy(told.predictions), expected.logits, atol=1e-5, rtol=1e-5)
    both = run.predict(classified(), ignore_keys=[]).predictions
    torch.testing.assert_close(torch.from_numpy(both[1]), expected.shadow_logits, atol=1e-5, rtol=1e-5)


def test_trainer_predicts_logits_and_nothing_else(tmp_path: Path) -> None:
    run = trainer(fresh(), tmp_path)
    run.args.per_device_eval_batch_size = 6
    ids = batch_of(examples())["input_ids"]
    for rows in (examples(), [{"input_ids": row["input_ids"]} for row in examples()]):
        told = run.predict(rows)
        assert told.predictions.shape == (24, 8, VOCABULARY)
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(told.predictions), run.model.eval()(ids).logits)
    assert run.evaluate(examples())["eval_loss"] == pytest.approx(whole_loss(run.model), abs=1e-5)


def test_what_trainer_reads_off_the_config_stays_out_of_the_base() -> None:
    model = fresh()
    assert model.config.keys_to_ignore_at_inference == ["past_key_values", "shadow_state", "shadow_logits"]
    assert model.config.to_dict() == model.base.config.to_dict()
    assert model.base.config.keys_to_ignore_at_inference == ["past_key_values"]
    model.config.pad_token_id = 7
    assert model.base.config.pad_token_id == 7


@pytest.mark.parametrize("kind", ["language", "classes"])
def test_a_batch_of_a_step_weighs_by_its_labels(kind: str) -> None:
    """Told how many labels a step has, the losses of its batches add up to that of all rows."""
    rows = batch_of(classified() if kind == "classes" else examples())
    rows["labels"][:5] = -100
    model = fresh(num_labels=CLASSES).eval()
    count = rows["labels"].ne(-100).sum() if kind == "classes" else rows["labels"][:, 1:].ne(-100).sum()
    parts = [{name: value[part] for name, value in rows.items()} for part in (slice(7), slice(7, None))]
    split = sum(model(**part, num_items_in_batch=count).loss for part in parts)
    torch.testing.assert_close(split, model(**rows).loss)


def test_trainer_saves_the_shadow_alone_and_goes_on_with_the_same_losses(tmp_path: Path) -> None:
    run = trainer(fresh(dropout=0.2), tmp_path)
    run.train()
    weights = load_file(tmp_path / "checkpoint-3" / "model.safetensors")
    assert {name.split(".")[0] for name in weights} == {"shadows"}
    assert not any("embed" in name for name in weights)
    again = trainer(fresh(dropout=0.2), tmp_path)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert losses(again)[-3:] == pytest.approx(losses(run)[-3:], abs=1e-5)
    for one, other in zip(run.model.shadow.parameters(), again.model.shadow.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_accumulated_batches_weigh_as_one(tmp_path: Path) -> None:
    """Batches with few labels must not count as much as those with many."""
    data = examples(4)
    for example, hidden in zip(data, (0, 6, 2, 4), strict=True):
        example["labels"] = example["labels"].masked_fill(torch.arange(8) < hidden, -100)
    together = []
    for size, steps in ((4, 1), (1, 4)):
        run = trainer(fresh(), tmp_path, gradient_accumulation_steps=steps)
        run.args.per_device_train_batch_size, run._train_batch_size, run.args.max_steps = size, size, 1
        run.train_dataset = data
        run.train()
        together.append(losses(run)[0])
    # the whole objective, task and auxiliary, over all 19 next tokens
    assert together[0] == pytest.approx(together[1], rel=1e-4)


def steps(
    model: Any,
    optimizer: torch.optim.Optimizer,
    part: slice,
    accelerator: Accelerator | None = None,
    rows: list[dict[str, Tensor]] | None = None,
) -> list[float]:
    """The losses of three steps."""
    batch, told = batch_of((rows or examples(8))[part]), []
    for _ in range(3):
        loss = model(**batch).loss
        told.append(loss.item())
        loss.backward() if accelerator is None else accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
    return told


def side_by_side(kind: str) -> tuple[ShadowedModel, torch.optim.Optimizer, list[dict[str, Tensor]]]:
    """What two processes train: next tokens, classes, or next tokens beside heads and a shadow that take no part."""
    model = fresh() if kind == "language" else fresh(num_labels=CLASSES)
    if kind in ("frozen", "found"):
        model.add("other", Shadow(model.shadow_config, ShadowNetwork.cut(make_llama(), model.shadow_config)))
    if kind == "frozen":
        for part in (model.heads, model.shadow_named("other")):
            part.requires_grad_(False)
    rows = classified(8) if kind == "classes" else examples(8)
    return model, torch.optim.SGD(parameter_groups(model, 1.0)), rows


def test_accelerate_saves_the_shadow_alone_and_goes_on_with_the_same_losses(tmp_path: Path) -> None:
    """State of the optimizer and of the dropout's randomness included."""
    told = []
    for turn in ("saved", "loaded"):
        accelerator, model = Accelerator(cpu=True), fresh(dropout=0.2).train()
        whole, optimizer = accelerator.prepare(model, torch.optim.AdamW(parameter_groups(model, RATE)))
        if turn == "saved":
            steps(whole, optimizer, slice(None), accelerator)
            accelerator.save_state(str(tmp_path))
        else:
            accelerator.load_state(str(tmp_path))
        told.append(steps(whole, optimizer, slice(None), accelerator))
    assert told[1] == pytest.approx(told[0], abs=1e-6)
    assert told[0][0] > told[0][-1] + 0.01
    weights = load_file(tmp_path / "model.safetensors")
    assert weights.keys() == model.state_dict().keys()
    assert {name.split(".")[0] for name in weights} == {"shadows"}


KINDS = ("language", "classes", "frozen", "found")


def in_a_process_of_two(folder: str) -> None:
    torch.set_num_threads(1)
    AcceleratorState._reset_state(reset_partial_state=True)  # inherited from what other tests did in this process
    for kind in KINDS:
        unused = DistributedDataParallelKwargs(find_unused_parameters=kind == "found")
        accelerator = Accelerator(cpu=True, kwargs_handlers=[unused])
        assert accelerator.num_processes == 2
        model, optimizer, rows = side_by_side(kind)
        whole, optimizer = accelerator.prepare(model, optimizer)
        assert type(whole).__name__ == "DistributedDataParallel"
        steps(whole, optimizer, slice(accelerator.process_index, None, 2), accelerator, rows)
        torch.save(accelerator.unwrap_model(whole).state_dict(), f"{folder}/{kind}{accelerator.process_index}.pt")


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Data-parallel on CPU: each takes every other row, both end with the weights of one that takes all rows."""
    accelerate.debug_launcher(in_a_process_of_two, (str(tmp_path),), num_processes=2)
    for kind in KINDS:
        alone, optimizer, rows = side_by_side(kind)
        before = deepcopy(alone.state_dict())
        steps(alone, optimizer, slice(None), rows=rows)
        idle = ("shadows.other", "shadows.default.heads") if kind in ("frozen", "found") else ()
        for name, weight in alone.state_dict().items():
            assert ((weight - before[name]).abs().max() > 1e-5) != name.startswith(idle), name
        for rank in (0, 1):
            weights = torch.load(tmp_path / f"{kind}{rank}.pt", weights_only=True)
            assert weights.keys() == alone.state_dict().keys()
            for name, weight in alone.state_dict().items():
                torch.testing.assert_close(weights[name], weight, atol=1e-5, rtol=1e-4)


def gradients(model: ShadowedModel) -> list[Tensor]:
    ids, mask = make_batch("right")
    model.zero_grad()
    model(ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100)).loss.backward()
    return [weight.grad.clone() for weight in model.shadow.parameters()]


@pytest.mark.parametrize("settings", [{}, {"dropout": 0.3}, {"dialect": "peft", "dropout": 0.3}], ids=str)
def test_checkpointed_gradients_are_the_plain_ones(base: PreTrainedModel, trained: Build, settings: dict) -> None:
    model = trained(base, **settings).train()
    calls, _ = watch(model)
    torch.manual_seed(1)
    plain = gradients(model)
    assert calls == {"base": 1, "f": 1}
    model.gradient_checkpointing_enable()
    assert base.model.gradient_checkpointing
    assert model.network.backbone.gradient_checkpointing
    torch.manual_seed(1)
    checkpointed = gradients(model)
    assert calls == {"base": 3, "f": 3}  # forward, and again on the way back
    model.gradient_checkpointing_disable()
    assert not base.model.gradient_checkpointing
    for one, other in zip(plain, checkpointed, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("shadow", [torch.bfloat16, torch.float32])
def test_a_bfloat16_base_is_learnt_on(shadow: torch.dtype) -> None:
    model = fresh()
    model.base.to(torch.bfloat16)
    model.shadow.to(shadow)
    before = whole_loss(model)
    steps(model.train(), torch.optim.AdamW(parameter_groups(model, RATE)), slice(None))
    assert whole_loss(model) < before - 0.05


def test_a_base_spread_over_devices_is_steered(tmp_path: Path) -> None:
    """Blocks on disk come in when they are called, as on a sharded base each on its own device."""
    base = make_llama()
    expected = fresh().eval()
    other = deepcopy(expected)
    places = {f"model.layers.{i}": "disk" if i % 2 else "cpu" for i in range(BLOCKS)}
    places |= {"model.embed_tokens": "cpu", "model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "cpu"}
    base.load_state_dict(other.detach().state_dict())
    spread = accelerate.dispatch_model(base, places, main_device="cpu", offload_dir=str(tmp_path))
    model = other.shadow.attach(spread).eval()
    for injection in expected.adapters.injections:
        torch.nn.init.normal_(injection.up.weight, std=0.3)
    model.load_state_dict(expected.state_dict())
    assert any(weight.is_meta for weight in model.base.parameters())
    ids, mask = make_batch("left")
    options = {"attention_mask": mask, "max_new_tokens": 4, "do_sample": False}
    assert torch.equal(model.generate(ids, **options), expected.generate(ids, **options))
    torch.manual_seed(1)
    spread_out = gradients(model.train())
    torch.manual_seed(1)
    for one, other in zip(spread_out, gradients(expected.train()), strict=True):
        torch.testing.assert_close(one, other)


def placed(module: torch.nn.Module, device: str) -> Any:
    """With weights anew on a device."""
    for part in module.modules():
        for name, weight in list(part.named_parameters(recurse=False)):
            setattr(part, name, torch.nn.Parameter(torch.empty(weight.shape, device=device)))
    return module


def test_adapters_work_on_their_own_device_beside_a_block_on_another() -> None:
    """Tensors without data, which refuse to meet across devices as real ones do."""
    adapters, linear, carry = Adapters(WIDTH, BLOCKS, ShadowConfig()), torch.nn.Linear(WIDTH, WIDTH), Carry()
    with torch.no_grad(), FakeTensorMode():
        carry.adapters, carry.state = placed(adapters, "cuda:0"), torch.zeros(1, 2, WIDTH, device="cuda:0")
        block = ShadowedBlock(placed(linear, "cuda:1"), 1, carry)
        output = block(torch.zeros(1, 2, WIDTH, device="cuda:1"))
    assert (str(output.device), str(carry.state.device)) == ("cuda:1", "cuda:0")


def test_learning_rates_and_decay_by_part() -> None:
    model = fresh(num_labels=3)
    groups = parameter_groups(model, 1e-3, shadow_factor=0.1, weight_decay=0.01)
    of = {id(weight): group for group in groups for weight in group["params"]}
    assert len(of) == len(list(model.shadow.parameters()))
    backbone = model.network.backbone
    assert of[id(backbone.layers[0].mlp.up_proj.weight)]["lr"] == pytest.approx(1e-4)
    assert of[id(backbone.norm.weight)]["weight_decay"] == 0.0
    assert of[id(model.adapters.injections[0].up.weight)] == {**groups[2], "lr": 1e-3, "weight_decay": 0.01}
    assert of[id(model.heads.base.bias)]["weight_decay"] == 0.0
