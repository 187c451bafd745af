"""Sentences made around commands: a carrier decides the label, whatever stands in it."""

from pathlib import Path

import pytest
import torch

from shadow_intent.cloud.base import load_tokenizer
from shadow_intent.errors import ConfigError
from shadow_intent.intent import NO_SLOTS
from shadow_intent.skills import load_skills
from training.augment import OTHER_COMMAND, Augmenter, Mixer, load_carriers, plain, words_of
from training.corpus import NO_LABEL, Example

COMMANDS = {"sit": "sit down", "jump": "Jump up!", "dance": "do a dance", "light_on": "switch the light on"}


def examples(commands: dict[str, str], language: str = "en") -> list[Example]:
    return [Example(text, label, language, NO_SLOTS, label) for label, text in commands.items()]


def drawn(augmenter: Augmenter, seed: int, count: int = 400) -> list[Example]:
    return list(augmenter.draw(count, torch.Generator().manual_seed(seed)))


def test_the_carrier_decides_the_label() -> None:
    by_text = {c.text: c for group in load_carriers()["en"] for c in group}
    for example in drawn(Augmenter(examples(COMMANDS)), 1):
        carrier = by_text[example.family]
        if carrier.label == OTHER_COMMAND:
            before, after = carrier.text.split("{b}")[0], COMMANDS[example.label].lower().rstrip("!")
            assert after in example.text and example.text.startswith(before.partition("{a}")[0])
        else:
            assert example.label == carrier.label


def test_a_refusal_is_made_of_tricks_only() -> None:
    refusals = [e.text for e in drawn(Augmenter(examples(COMMANDS)), 2) if e.label == "deny"]
    assert refusals and not any("sit" in text or "light" in text for text in refusals)


def test_the_same_seed_draws_the_same_and_another_seed_other_sentences() -> None:
    augmenter = Augmenter(examples(COMMANDS))
    assert drawn(augmenter, 3) == drawn(augmenter, 3)
    assert drawn(augmenter, 3) != drawn(augmenter, 4)


def test_mixed_texts_are_made_of_the_words_of_their_language_and_have_no_label() -> None:
    mixer = Mixer([*examples(COMMANDS), *examples({"sit": "坐下吧", "jump": "跳 LED 灯"}, "zh")])
    made = list(mixer.draw(400, torch.Generator().manual_seed(1)))
    assert {e.label for e in made} == {NO_LABEL} and all(e.text for e in made)
    english = {word for text in COMMANDS.values() for word in text.split()}
    assert {word for e in made if e.language == "en" for word in e.text.split()} == english
    chinese = "".join(e.text for e in made if e.language == "zh")
    assert set(chinese.replace("LED", "")) == set("坐下吧跳灯") and sum(e.language == "zh" for e in made) == 200
    texts = {e.text for e in made}
    assert {"down", "switch the"} <= texts and not texts.isdisjoint({"sit the", "do down", "sit dance"})  # also mixed
    assert made == list(mixer.draw(400, torch.Generator().manual_seed(1)))


def test_words_that_no_utterance_holds_replace_some() -> None:
    words = words_of(load_tokenizer())
    assert {"kangaroo", "museum", "umbrella"} <= set(words) and not {"the dog", "Sit", "go", "坐"} & set(words)
    mixer = Mixer(examples(COMMANDS), {"en": words})
    made = {w for e in mixer.draw(400, torch.Generator().manual_seed(1)) for w in e.text.split()}
    assert len(made & set(words) - {word for text in COMMANDS.values() for word in text.split()}) > 50


@pytest.mark.parametrize(
    ("text", "language", "fits"),
    [
        ("Turn left ninety degrees.", "en", True),
        ("please turn left", "en", False),
        ("don't sit down", "en", False),
        ("the floor is nice for lying", "en", False),
        ("sit down and then wave", "en", False),
        ("向左转九十度", "zh", True),
        ("你会坐下吗", "zh", False),
        ("坐下，别动", "zh", False),
    ],
)
def test_only_plain_imperatives_stand_in_a_carrier(text: str, language: str, fits: bool) -> None:
    assert plain(text, language) is fits


def test_without_two_commands_nothing_is_made() -> None:
    assert not Augmenter(examples({"sit": "sit down", "remote": "do you sit"}))


def test_every_shipped_carrier_has_a_label_the_robot_knows() -> None:
    carriers = load_carriers()
    assert set(carriers) == {"en", "zh"}
    for groups in carriers.values():
        assert {c.label for g in groups for c in g} <= {*load_skills().skills, OTHER_COMMAND}


@pytest.mark.parametrize("group", ["{label: nap, sentences: ['{a}']}", "{label: b, sentences: ['do {a}']}"])
def test_a_wrong_carrier_is_refused(tmp_path: Path, group: str) -> None:
    file = tmp_path / "carriers.yaml"
    file.write_text(f"en:\n- {group}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"carriers\.yaml"):
        load_carriers(file)
