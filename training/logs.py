"""From the robot's logs to lines a person can review: `python -m training.logs LOG… --out review.jsonl`.

One line per utterance: what was heard, what it was taken for, how it ended, and a suggested label. Correct
`label` where it is wrong, delete what should not be learnt, and give the file to training.retrain.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from shadow_intent.bundle import Bundle
from shadow_intent.clarify import CHOSE
from shadow_intent.errors import InputError, ShadowIntentError
from shadow_intent.event_log import read_events
from shadow_intent.intent import NO_SLOTS, Event, is_chinese
from shadow_intent.skills import load_skills
from training.corpus import LANGUAGES, Example

SURE = 0.9
"""Suggested labels below this probability are marked for review first."""


def exchanges(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """One row per utterance with text, in the order heard."""
    rows: dict[str, dict[str, Any]] = {}
    for event in events:
        fields = event.fields
        row = rows.get(fields.get("utterance_id", ""))
        if event.topic == "intent" and fields["reason"].startswith(CHOSE) and fields["source"] != "speaker":
            continue  # "yes" to "did you mean sit down?"
        if event.topic == "intent" and fields["source"] != "cloud" and fields["text"] and row is None:
            rows[fields["utterance_id"]] = {
                "utterance_id": fields["utterance_id"],
                "text": fields["text"],
                "language": "zh" if is_chinese(fields["text"]) else "en",
                "label": fields["label"],
                "probability": round(float(fields["probability"]), 4),
                "decision": fields["decision"],
                "outcome": "",
            }
        elif event.topic == "intent" and fields["source"] == "speaker" and row is not None:
            row["label"], row["probability"] = fields["label"], 1.0  # asked "did you mean", the speaker said so
        elif event.topic == "skill_status" and row is not None:
            row["outcome"] = fields["state"]
    for row in rows.values():
        row["review"] = _doubt(row)
        yield row


def _doubt(row: Mapping[str, Any]) -> str:
    """Why a person should look at this row; empty when nothing speaks against the label."""
    if not row["label"]:
        return "the model was not asked"
    if row["probability"] < SURE:
        return f"probability {row['probability']:.2f}"
    return "refused by the guard" if row["outcome"] == "refused" else ""


def read_reviewed(path: Path) -> list[Example]:
    """Reviewed rows as training examples. Raises InputError naming the line."""
    labels = load_skills().skills
    examples = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, label, language = row["text"], row["label"], row["language"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}:{number}: expected a JSON object with text, language and label: {error}"
            ) from error
        if not (isinstance(text, str) and any(c.isalnum() for c in text)):
            raise InputError(f"{path}:{number}: text is {text!r}, expected words")
        if language not in LANGUAGES:
            raise InputError(f"{path}:{number}: language is {language!r}, expected one of {', '.join(LANGUAGES)}")
        if not isinstance(label, str) or label not in labels:
            raise InputError(f"{path}:{number}: unknown label {label!r}")
        examples.append(Example(text, label, language, NO_SLOTS, f"{path.name}:{number}"))
    return examples


def reviewed_before(bundle: Bundle) -> list[Example]:
    """The reviewed utterances that a bundle was trained on; none unless training.retrain made it."""
    rows = bundle.manifest.training.get("reviewed", [])
    return [
        Example(text, label, language, NO_SLOTS, f"{bundle.bundle_id}:{number}")
        for number, (text, label, language) in enumerate(rows)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.logs", description=__doc__.splitlines()[0])
    parser.add_argument("log", nargs="+", type=Path, help="rosbag2 folders or MCAP files the robot wrote")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines file to review")
    arguments = parser.parse_args()
    try:
        rows = [row for log in arguments.log for row in exchanges(read_events(log))]
        rows.sort(key=lambda row: row["review"] == "")
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text("".join(lines), encoding="utf-8")
    except (ShadowIntentError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    doubtful = sum(bool(row["review"]) for row in rows)
    print(f"{arguments.out}: {len(rows)} utterances, {doubtful} to look at first")
    return 0


if __name__ == "__main__":
    sys.exit(main())
