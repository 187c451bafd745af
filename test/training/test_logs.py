"""From logged events to lines a person reviews, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shadow_intent.errors import InputError
from shadow_intent.intent import Event
from training.logs import exchanges, read_reviewed


def intent(utterance_id: str, text: str, **fields: Any) -> Event:
    values = {"label": "sit", "probability": 0.5, "decision": "remote", "source": "edge", "reason": "unsure"}
    return Event("intent", 0, {"utterance_id": utterance_id, "text": text, **values, **fields})


def test_an_answer_to_a_question_teaches_nothing_and_the_question_is_answered() -> None:
    chosen = {"decision": "skill", "probability": 1.0, "reason": "the speaker chose sit of sit"}
    events = [
        intent("a", "sit town"),
        intent("b", "yes", **chosen),
        intent("a", "sit town", **chosen, source="speaker"),
        Event("skill_status", 0, {"utterance_id": "b", "state": "succeeded"}),
    ]
    (row,) = exchanges(events)
    assert (row["text"], row["label"], row["probability"], row["review"]) == ("sit town", "sit", 1.0, "")


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "review.jsonl"
    texts = ["sit\u2028down", "sit\x85down", "坐下"]
    rows = exchanges(intent(str(i), text) for i, text in enumerate(texts))
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n", encoding="utf-8")
    assert [(e.text, e.label) for e in read_reviewed(file)] == [(text, "sit") for text in texts]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"text": 5, "label": "sit", "language": "en"}', "1: text is 5, expected words"),
        (b'{"text": "?!", "label": "sit", "language": "en"}', "expected words"),
        (b'{"text": "sit", "label": ["sit"], "language": "en"}', "unknown label ..sit"),
        (b'{"text": "sit", "label": "fly", "language": "en"}', "unknown label .fly"),
        (b'{"text": "assis", "label": "sit", "language": "fr"}', "expected one of en, zh"),
        (b'["sit"]', "expected a JSON object"),
        (b'{"text": "sit"', "expected a JSON object"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_line_that_cannot_be_learnt_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    file = tmp_path / "review.jsonl"
    file.write_bytes(line)
    with pytest.raises(InputError, match=said):
        read_reviewed(file)
