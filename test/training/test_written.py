"""Texts that the base writes: the real base, a few short lists."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shadow_intent.errors import ShadowIntentError
from shadow_intent.intent import NO_SLOTS
from training import written
from training.corpus import NO_LABEL, Example, normalise
from training.recipe import Recipe
from training.written import Writer

TEXTS = {
    "sit": [
        "sit down please",
        "take a seat now",
        "could you sit",
        "sit on the floor",
        "have a seat",
        "sit right there",
    ],
    "dance": ["do a dance", "dance for us", "show me a dance", "let us see you dance", "start to dance", "dance now"],
}
EXAMPLES = [
    *(
        Example(text, label, "en", NO_SLOTS, f"{label}:{n}")
        for label, texts in TEXTS.items()
        for n, text in enumerate(texts)
    ),
    Example("坐下", "sit", "zh", NO_SLOTS, "zh:1"),
]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LISTS", 2), ("TIMES", 4), ("NEW_TOKENS", 24)):
        monkeypatch.setattr(written, name, value)


def writer(count: int, seed: int = 1) -> Writer:
    return Writer(replace(Recipe.load(), written=count, seed=seed), EXAMPLES)


def test_it_writes_new_english_texts_without_a_label(tmp_path: Path) -> None:
    made = writer(12).write(tmp_path / "new" / "written.jsonl")
    assert len({normalise(e.text) for e in made}) == 12
    assert {(e.label, e.language, e.slots) for e in made} == {(NO_LABEL, "en", NO_SLOTS)}
    known = {normalise(e.text) for e in EXAMPLES}
    assert all(normalise(e.text) not in known and e.text.isascii() and len(e.text.split()) > 1 for e in made)


def test_an_interrupted_file_is_gone_on_with_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    texts = writer(20).write(whole)
    head, first, *_ = whole.read_text(encoding="utf-8").splitlines(keepends=True)
    cut.write_text(head + first + '["a text that was not finish', encoding="utf-8")
    assert writer(20).write(cut) == texts
    assert cut.read_text(encoding="utf-8") == whole.read_text(encoding="utf-8")


def test_what_is_there_is_taken_without_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "written.jsonl"
    more = writer(8).write(path)
    monkeypatch.setattr(written, "load_base", None)
    assert writer(4).write(path) == more[:4]


def test_texts_of_another_seed_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "written.jsonl"
    writer(1).write(path)
    with pytest.raises(ShadowIntentError, match="of another base or seed, or of other data; remove it"):
        writer(1, seed=2).write(path)


def test_without_english_there_is_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(ShadowIntentError, match="no utterance is English"):
        Writer(replace(Recipe.load(), written=1), EXAMPLES[-1:]).write(tmp_path / "written.jsonl")


def test_a_base_that_only_repeats_itself_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "_answers", lambda *_: [" roll over twice\n- roll over twice\n- ro"])
    path = tmp_path / "written.jsonl"
    with pytest.raises(ShadowIntentError, match=r"wrote 1 different texts of 2 .* set `written` of the recipe to less"):
        writer(2).write(path)
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[1]) == ["roll over twice", "roll over twice"]
