"""The written data keeps its promises, and mistakes in it are named by file and line."""

from pathlib import Path

import pytest

from shadow_intent import slots
from shadow_intent.errors import InputError
from shadow_intent.intent import NO_SLOTS
from training.corpus import (
    CHALLENGE,
    Example,
    apart,
    groups,
    normalise,
    problems,
    read_corpus,
    read_exchanges,
    read_file,
    split,
    split_exchanges,
)
from training.evaluate_replies import held_out


@pytest.fixture(scope="module")
def corpus() -> list[Example]:
    return read_corpus()


def test_the_data_is_large_and_balanced_enough(corpus: list[Example]) -> None:
    assert problems(corpus, read_exchanges()) == []
    assert {e.language for e in corpus} == {"en", "zh"}


def test_no_family_and_no_text_is_on_two_sides(corpus: list[Example]) -> None:
    parts = split(corpus)
    assert sum(map(len, parts.values())) == len(corpus)
    for one, other in (("train", "validation"), ("train", "rare"), ("validation", "rare")):
        assert not {e.family for e in parts[one]} & {e.family for e in parts[other]}
        assert not {normalise(e.text) for e in parts[one]} & {normalise(e.text) for e in parts[other]}
    assert 0.05 < len(parts["rare"]) / len(corpus) < 0.15


def test_near_duplicates_stay_together() -> None:
    texts = [
        "please turn left ninety degrees now",
        "please turn left 90 degrees now",
        "please turn left ninety degrees now ok",
    ]
    names = groups([Example(t, "turn_left", "en", NO_SLOTS, f"f:{i}") for i, t in enumerate(texts)])
    assert names[0] == names[2]


def test_what_has_a_paraphrase_in_the_corpus_is_not_apart_from_it() -> None:
    texts = ["please turn left ninety degrees now", "rotate yourself to port by a quarter"]
    corpus = [Example("please turn left 90 degrees now", "turn_left", "en", NO_SLOTS, "f:0")]
    new = [Example(t, "turn_left", "en", NO_SLOTS, f"g:{i}") for i, t in enumerate(texts)]
    assert [e.text for e in apart(new, corpus)] == texts[1:]


def test_the_test_part_is_large_and_the_corpus_holds_none_of_it(corpus: list[Example]) -> None:
    held = apart(read_corpus(CHALLENGE), corpus)
    assert all(sum(e.language == language for e in held) > 500 for language in ("en", "zh"))
    known = {normalise(e.text) for e in corpus}
    assert not any(normalise(e.text) in known for e in held)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_amounts_of_held_out_utterances_are_read_exactly(language: str) -> None:
    said = [e for e in read_corpus(CHALLENGE) if e.language == language and e.label in slots.CARRIERS]
    pairs = [(slots.parse(e.text, e.label).as_dict(), e.slots.as_dict()) for e in said]
    exact = sum(a.keys() == b.keys() and all(_alike(a[k], b[k]) for k in a) for a, b in pairs)
    assert len(said) > 1000 and exact >= 0.98 * len(said)


def _alike(read: object, wanted: object) -> bool:
    """The data rounds distances and angles."""
    return read == (pytest.approx(wanted, rel=0.01) if isinstance(wanted, float) else wanted)


def test_plans_are_measured_on_no_request_that_was_trained_on() -> None:
    trained = {normalise(x.text) for x in split_exchanges(read_exchanges())["train"]}
    measured = {normalise(x.text) for x in held_out()}
    assert len(measured) > 300 and not trained & measured


def test_the_split_of_exchanges_is_disjoint() -> None:
    parts = split_exchanges(read_exchanges())
    assert parts["test"] and not {x.text for x in parts["train"]} & {x.text for x in parts["test"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[sitt]\nsit down", r"en_x.txt:1: unknown label 'sitt'"),
        ("sit down", r"en_x.txt:1: an utterance before"),
        ("[spin]\nspin {turns=2}", r"en_x.txt:2: unknown slot 'turns'"),
        ("[spin]\nspin {count=two}", r"en_x.txt:2: slot 'count=two'"),
        ("[move_forward]\n# voice\ngo {distance_m=-1}", r"en_x.txt:3: slot distance_m"),
    ],
)
def test_a_mistake_is_named_by_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "en_x.txt"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_file(file)


def test_one_text_with_two_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "en_a.txt").write_text("[sit]\nDown, boy!\n[lie_down]\ndown boy\n", encoding="utf-8")
    with pytest.raises(InputError, match="two labels"):
        read_corpus(tmp_path)


def test_a_plan_the_robot_may_not_run_is_refused(tmp_path: Path) -> None:
    line = '{"text": "go", "reply": "ok", "plan": [{"skill": "move_forward", "distance_m": 500}]}'
    (tmp_path / "en_r.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(InputError, match=r"en_r.jsonl:1: .*distance_m = 500"):
        read_exchanges(tmp_path)
