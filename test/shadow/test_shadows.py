"""Several shadows over one base: by name, by row, exchanged while it works."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tiny import BLOCKS, WIDTH, Batch, Build, excite, make_gpt2, make_llama
from transformers import PreTrainedModel

from shadow_intent.shadow import Adapters, Shadow, ShadowConfig, ShadowedModel, ShadowNetwork, attach

OPTIONS = {"max_new_tokens": 5, "do_sample": False}


def another(base: PreTrainedModel, sizes: dict[str, int] | None = None, **settings: object) -> Shadow:
    """Of another rank, depth and dialect, and perhaps other sizes."""
    config = ShadowConfig(**{"dialect": "peft", "rank": 5, "num_layers": 1, "dropout": 0.0, **settings})
    adapters = Adapters(WIDTH, BLOCKS, config)
    excite(adapters)
    return Shadow(config, ShadowNetwork.random(base, config, **(sizes or {})), adapters).eval()


def with_another(base: PreTrainedModel, trained: Build) -> ShadowedModel:
    other = another(base)
    model = trained(base)
    model.add("other", other)
    return model


@pytest.fixture
def two(llama: PreTrainedModel, trained: Build) -> ShadowedModel:
    return with_another(llama, trained)


def alone(model: ShadowedModel, name: str, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return model.generate(ids, attention_mask=mask, shadow=name, **OPTIONS)


def test_each_call_names_its_shadow(two: ShadowedModel, left_batch: Batch) -> None:
    ids, mask = left_batch
    first, second = (two(ids, attention_mask=mask, shadow=name).logits for name in ("default", "other"))
    assert (first - second).abs().max() > 1e-2
    assert torch.equal(two(ids, attention_mask=mask).logits, first)
    two.use("other")
    assert torch.equal(two(ids, attention_mask=mask).logits, second)
    assert two.shadow_config.rank == 5
    detached = two.remove("default").attach(two.detach()).eval()
    assert torch.equal(detached(ids, attention_mask=mask).logits, first)


def test_two_shadows_are_those_of_two_models(two: ShadowedModel, left_batch: Batch) -> None:
    ids, mask = left_batch
    expected = alone(two, "other", ids, mask)
    single = two.shadow_named("other").attach(two.detach()).eval()
    assert torch.equal(single.generate(ids, attention_mask=mask, **OPTIONS), expected)


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("options", [{}, {"use_cache": False}, {"num_beams": 3}], ids=str)
def test_each_row_has_its_own_shadow(two: ShadowedModel, left_batch: Batch, options: dict, kind: type) -> None:
    ids, mask = (torch.cat([x, x]) for x in left_batch)
    names = kind(["default", "other", "other", "default"])
    got = two.generate(ids, attention_mask=mask, shadow=names, **OPTIONS, **options)
    for row, name in enumerate(names):
        here = slice(row, row + 1)
        single = two.generate(ids[here], attention_mask=mask[here], shadow=name, **OPTIONS, **options)
        assert torch.equal(got[here], single)
    for count in (1, 2):
        with pytest.raises(ValueError, match=f"a shadow per row, got {count} for 4 rows"):
            two(ids, shadow=names[:count])


@pytest.mark.parametrize("options", [{}, {"use_cache": False}], ids=str)
def test_rows_may_have_shadows_of_different_widths(
    llama: PreTrainedModel, trained: Build, left_batch: Batch, options: dict
) -> None:
    """f of the second is half as wide and has smaller heads, so its keys and values have another shape."""
    ids, mask = (torch.cat([x, x]) for x in left_batch)
    other = another(llama, {"hidden_size": WIDTH // 2, "head_dim": 4})
    excite(other.network, 0.2)
    model = trained(llama)
    model.add("other", other)
    names = ["other", "default", "default", "other"]
    got = model.generate(ids, attention_mask=mask, shadow=names, **OPTIONS, **options)
    states = model(ids, attention_mask=mask, shadow=names).shadow_state
    for row, name in enumerate(names):
        here = slice(row, row + 1)
        single = model.generate(ids[here], attention_mask=mask[here], shadow=name, **OPTIONS, **options)
        assert torch.equal(got[here], single)
        state = model(ids[here], attention_mask=mask[here], shadow=name).shadow_state
        real = mask[row].bool()
        torch.testing.assert_close(states[row, real], state[0, real], atol=1e-5, rtol=1e-5)
    assert (states[0, -1] - states[2, -1]).abs().max() > 1e-2


def test_labels_with_several_shadows_are_refused(two: ShadowedModel, left_batch: Batch) -> None:
    ids, _ = left_batch
    with pytest.raises(ValueError, match="one at a time"):
        two(ids, labels=ids, shadow=["default", "other"])


def test_rows_with_and_without_prefix_attention_go_together(llama: PreTrainedModel, trained: Build) -> None:
    other = another(llama, prefix_attention=True)
    model = trained(llama)
    model.add("other", other)
    ids = torch.randint(1, 60, (2, 6))
    got = model.generate(ids, shadow=["default", "other"], **OPTIONS)
    assert torch.equal(got[:1], model.generate(ids[:1], shadow="default", **OPTIONS))
    assert torch.equal(got[1:], model.generate(ids[1:], shadow="other", **OPTIONS))


def test_a_cache_belongs_to_the_shadow_that_filled_it(two: ShadowedModel) -> None:
    ids = torch.randint(1, 60, (1, 6))
    cache = two(ids, use_cache=True).past_key_values
    with pytest.raises(ValueError, match="filled by another shadow"):
        two(ids[:, :1], past_key_values=cache, shadow="other")
    two(ids[:, :1], past_key_values=cache)


def test_names_that_are_not_there_or_in_use_are_refused(two: ShadowedModel) -> None:
    with pytest.raises(ValueError, match="no shadow 'third' here, only default, other"):
        two(torch.ones(1, 2, dtype=torch.long), shadow="third")
    with pytest.raises(ValueError, match="in use"):
        two.remove("default")


@pytest.mark.parametrize("name", ["", "a.b", "keys", "training"])
def test_names_that_no_module_can_have_are_refused(two: ShadowedModel, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be called"):
        two.add(name, two.shadow)
    assert set(two.shadows) == {"default", "other"}


@pytest.mark.parametrize("wrong", ["width", "blocks"])
def test_a_shadow_of_another_base_is_refused(two: ShadowedModel, wrong: str) -> None:
    shadow = another(make_llama())
    if wrong == "width":
        shadow.network.width = WIDTH * 2
    else:
        shadow.adapters = Adapters(WIDTH, BLOCKS + 1, shadow.config)
    with pytest.raises(ValueError, match=wrong.replace("width", "wide")):
        two.add("wrong", shadow)
    assert set(two.shadows) == {"default", "other"}


def test_the_state_dict_holds_shadows_alone_and_loads(two: ShadowedModel, left_batch: Batch) -> None:
    state = {name: weight.clone() for name, weight in two.state_dict().items()}
    assert {name.split(".")[1] for name in state} == {"default", "other"}
    first = two(left_batch[0]).logits
    excite(two.shadow)
    assert not torch.equal(two(left_batch[0]).logits, first)
    two.load_state_dict(state)
    assert torch.equal(two(left_batch[0]).logits, first)
    with pytest.raises(RuntimeError, match="Missing key"):
        two.load_state_dict({name: weight for name, weight in state.items() if "norm" not in name})


@pytest.mark.parametrize("make", [make_llama, make_gpt2], ids=["in the block loop", "in the base's own forward"])
def test_hot_swap_under_load(make: Callable[[], PreTrainedModel], trained: Build) -> None:
    """Every answer is wholly that of the shadow its call began with, whatever is swapped meanwhile."""
    two = with_another(make(), trained)
    ids = torch.randint(1, 60, (1, 6))
    first, second = two.shadow_named("default"), two.shadow_named("other")
    answers = {tuple(two.generate(ids, shadow=one, **OPTIONS)[0].tolist()) for one in (first, second)}
    assert len(answers) == 2
    seen: dict[str | None, set] = {"live": set(), None: set()}
    stop = threading.Event()

    def ask(name: str | None) -> None:
        while not stop.is_set():
            seen[name].add(tuple(two.generate(ids, shadow=name, **OPTIONS)[0].tolist()))

    two.add("live", first)
    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(ask, name) for name in ("live", None, None)]
        for i in range(400):
            two.add("live", second if i % 2 else first)
            two.add("spare", second if i % 3 else first)
            two.use("spare")
            threading.Event().wait(0.01)
            two.use("default")
            two.remove("spare")
            if all(told == answers for told in seen.values()) and i > 20:
                break
        stop.set()
        for worker in workers:
            worker.result()
    assert seen == {"live": answers, None: answers}
    assert set(two.shadows) == {"default", "other", "live"}


def test_a_shadow_taken_off_while_it_is_looked_up_is_followed_to_the_one_in_use(two: ShadowedModel) -> None:
    seen = iter(["gone"])  # what another thread had in use a moment ago
    two.__class__ = type("Raced", (ShadowedModel,), {"active": property(lambda _: next(seen, "default"))})
    assert two.shadow is two.shadow_named("default")
    two.__class__ = type("Wrong", (ShadowedModel,), {"active": "gone"})
    del two.__dict__["active"]
    with pytest.raises(ValueError, match="no shadow 'gone' here, only default, other"):
        _ = two.shadow


def test_a_classifier_and_a_writer_share_a_base(llama: PreTrainedModel, batch: Batch, trained: Build) -> None:
    classifier = another(llama, num_labels=3, pooling="last")
    model = trained(llama)
    model.add("classifier", classifier)
    assert model.classify(*batch, shadow="classifier").logits.shape == (2, 3)
    with pytest.raises(ValueError, match="num_labels"):
        model.classify(*batch)


def test_attach_still_takes_parts(llama: PreTrainedModel) -> None:
    config = ShadowConfig(num_labels=2)
    model = attach(llama, ShadowNetwork.cut(llama, config), config)
    assert model.heads is model.shadow.heads
    assert Shadow.of(model) is model.shadow
