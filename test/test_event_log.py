"""The log: what is written is read back, by us and by others, also after a kill."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader

from shadow_intent.errors import InputError
from shadow_intent.event_log import TYPES, EventLog, read_events, recover, run_folder

SECOND = 1_000_000_000
HEADER = {"stamp": {"sec": 12, "nanosec": 34}, "frame_id": ""}
NO_SLOTS = {
    "distance_m": math.nan,
    "angle_deg": math.nan,
    "duration_s": math.nan,
    "count": 0,
    "speed": "",
    "little": False,
}


def intent(**changed: Any) -> dict[str, Any]:
    fields = {
        "header": HEADER,
        "utterance_id": "u1",
        "session_id": "s1",
        "language": "zh",
        "text": "向前走两米",
        "label": "move_forward",
        "probability": 0.97,
        "decision": "skill",
        "reason": "p = 0.97",
        "source": "edge",
        "slots": {**NO_SLOTS, "distance_m": 2.0},
        "latency_ms": 3.5,
    }
    return {**fields, **changed}


def reply(text: str) -> dict[str, Any]:
    return {"header": HEADER, "utterance_id": "u1", "text": text, "language": "en", "final": True}


def command(text: str) -> dict[str, Any]:
    return {"header": HEADER, "text": text, "language": "", "asr_confidence": math.nan, "session_id": ""}


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    with EventLog(tmp_path / "run") as log:
        log.append("voice_command", command("向前走两米"), 1 * SECOND)
        log.append("intent", intent(), 2 * SECOND)
        log.append("reply", reply("Fine."), 3 * SECOND)
    events = list(read_events(tmp_path / "run"))
    assert [(e.topic, e.stamp_ns) for e in events] == [
        ("voice_command", SECOND),
        ("intent", 2 * SECOND),
        ("reply", 3 * SECOND),
    ]
    fields = events[1].fields
    assert fields["text"] == "向前走两米"
    assert fields["slots"]["distance_m"] == 2.0
    assert math.isnan(fields["slots"]["angle_deg"])
    assert fields["header"]["stamp"] == {"sec": 12, "nanosec": 34}


def test_objects_are_taken_like_mappings(tmp_path: Path) -> None:
    stamp = SimpleNamespace(sec=1, nanosec=2)
    message = SimpleNamespace(**{**reply("Hi."), "header": SimpleNamespace(stamp=stamp, frame_id="mic")})
    with EventLog(tmp_path / "run") as log:
        log.append("reply", message, 0)
    (event,) = read_events(tmp_path / "run")
    assert event.fields["header"] == {"stamp": {"sec": 1, "nanosec": 2}, "frame_id": "mic"}


def test_ros_messages_are_taken_and_read_back_by_ros(tmp_path: Path) -> None:
    messages = pytest.importorskip("shadow_intent.msg")
    serialization = pytest.importorskip("rclpy.serialization")
    sent = messages.SkillStatus(label="sit", state="refused", code=3203, api_id=1009, parameter="{}")
    with EventLog(tmp_path / "run") as log:
        log.append("skill_status", sent, 5)
    with (tmp_path / "run" / "run_0.mcap").open("rb") as stream:
        ((_, _, record),) = make_reader(stream).iter_messages()
    assert serialization.deserialize_message(record.data, messages.SkillStatus) == sent


def test_rosbags_reads_the_folder(tmp_path: Path) -> None:
    with EventLog(tmp_path / "run", namespace="/go2") as log:
        log.append("intent", intent(), 7 * SECOND)
        log.append("intent", intent(label="sit"), 9 * SECOND)
    with AnyReader([tmp_path / "run"]) as reader:
        assert reader.message_count == 2
        assert reader.duration == 2 * SECOND + 1  # rosbags counts the last nanosecond
        read = [(c.topic, t, reader.deserialize(raw, c.msgtype)) for c, t, raw in reader.messages()]
    assert [(topic, stamp, m.label) for topic, stamp, m in read] == [
        ("/go2/intent", 7 * SECOND, "move_forward"),
        ("/go2/intent", 9 * SECOND, "sit"),
    ]
    assert [e.topic for e in read_events(tmp_path / "run")] == ["intent", "intent"]


def test_mcap_reader_finds_the_definitions_with_their_units(tmp_path: Path) -> None:
    with EventLog(tmp_path / "run") as log:
        log.append("intent", intent(), 0)
    with (tmp_path / "run" / "run_0.mcap").open("rb") as stream:
        ((schema, channel, _),) = make_reader(stream).iter_messages()
    assert (schema.name, schema.encoding) == ("shadow_intent/msg/Intent", "ros2msg")
    text = schema.data.decode()
    assert "MSG: std_msgs/Header\n" in text and "MSG: shadow_intent/Slots\n" in text
    assert "# metres, > 0" in text
    assert channel.message_encoding == "cdr"


def test_metadata_names_the_type_hashes_that_rosidl_made(tmp_path: Path) -> None:
    share = Path(sys.prefix, "share", "shadow_intent", "msg")
    if not (share / "Intent.json").is_file():
        pytest.skip("messages are not built")
    EventLog(tmp_path / "run").close()
    information = yaml.safe_load((tmp_path / "run" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    hashes = {
        t["topic_metadata"]["type"]: t["topic_metadata"]["type_description_hash"]
        for t in information["topics_with_message_count"]
    }
    for name in TYPES.values():
        built = json.loads((share / f"{name}.json").read_text())["type_hashes"][0]
        assert hashes[built["type_name"]] == built["hash_string"]


def test_metadata_is_what_rosbag2_of_every_distribution_reads(tmp_path: Path) -> None:
    """rosbag2 of Humble and Iron takes the profiles for text without asking the version, later ones below version 9."""
    EventLog(tmp_path / "run").close()
    information = yaml.safe_load((tmp_path / "run" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert information["version"] < 9
    topics = [t["topic_metadata"] for t in information["topics_with_message_count"]]
    assert topics and all(t["offered_qos_profiles"] == "" for t in topics)


def test_redaction_keeps_every_word_out_of_the_file(tmp_path: Path) -> None:
    with EventLog(tmp_path / "run", redact=True) as log:
        log.append("voice_command", command("my secret"), 0)
        log.append("intent", intent(text="my secret"), 0)
        log.append("reply", reply("Your secret is safe."), 0)
    assert b"secret" not in (tmp_path / "run" / "run_0.mcap").read_bytes()
    events = list(read_events(tmp_path / "run"))
    assert [e.fields["text"] for e in events] == ["", "", ""]
    assert events[1].fields["label"] == "move_forward"


KILLED = """
import sys, time
from pathlib import Path
from shadow_intent.event_log import EventLog
log = EventLog(Path(sys.argv[1]))
for i in range(100):
    log.append("reply", {"header": {"stamp": {"sec": i, "nanosec": 0}, "frame_id": ""}, "utterance_id": "u",
                         "text": f"reply {i}", "language": "en", "final": False}, i)
print("written", flush=True)
time.sleep(60)
"""


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    assert [e.fields["text"] for e in read_events(folder)] == [f"reply {i}" for i in range(100)]
    assert recover(folder) == 100
    with Reader(folder) as reader:
        assert reader.message_count == 100
    assert [e.stamp_ns for e in read_events(folder)] == list(range(100))
    assert sorted(os.listdir(folder)) == ["metadata.yaml", "run_0.mcap"]
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.parametrize("missing", [1, 9, 40, 100])
def test_a_torn_record_ends_the_log_quietly(tmp_path: Path, missing: int) -> None:
    log = EventLog(tmp_path / "run")
    file = tmp_path / "run" / "run_0.mcap"
    log.append("reply", reply("whole"), 1)
    whole = file.stat().st_size
    log.append("reply", reply("torn in the middle of a long enough sentence to cut it in several places"), 2)
    torn = file.read_bytes()[:-missing]
    assert len(torn) > whole
    file.write_bytes(torn)
    assert [e.fields["text"] for e in read_events(file)] == ["whole"]
    assert recover(tmp_path / "run") == 1


def test_wrong_input_is_named(tmp_path: Path) -> None:
    with EventLog(tmp_path / "run") as log:
        with pytest.raises(InputError, match="topic 'odometry' is not logged; expected one of voice_command"):
            log.append("odometry", {}, 0)
        with pytest.raises(InputError, match="field text is missing"):
            log.append("reply", {"header": HEADER, "utterance_id": "u"}, 0)
        with pytest.raises(InputError, match="wrong type"):
            log.append("intent", intent(probability="high"), 0)
        with pytest.raises(InputError, match="cannot be written"):
            EventLog(tmp_path / "run")
    assert list(read_events(tmp_path / "run")) == []
    with pytest.raises(InputError, match=r"one \.mcap file"):
        list(read_events(tmp_path / "absent"))
    (tmp_path / "noise.mcap").write_bytes(b"this is not a log at all")
    with pytest.raises(InputError, match="not a valid MCAP"):
        list(read_events(tmp_path / "noise.mcap"))


def test_after_close_nothing_is_written(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "run")
    log.close()
    log.append("reply", reply("late"), 0)
    log.close()
    assert list(read_events(tmp_path / "run")) == []


def test_recovery_takes_the_file_too_and_begins_anew_after_an_interrupted_one(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "run")
    log.append("reply", reply("whole"), 1)
    (tmp_path / "run.draft").mkdir()
    (tmp_path / "run.draft" / "run.draft_0.mcap").write_bytes(b"half")
    assert recover(tmp_path / "run" / "run_0.mcap") == 1
    assert sorted(os.listdir(tmp_path / "run")) == ["metadata.yaml", "run_0.mcap"]
    assert os.listdir(tmp_path) == ["run"]


def test_a_damaged_record_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with EventLog(tmp_path / "run") as log:
        log.append("reply", reply("a sentence"), 1)
    file = tmp_path / "run" / "run_0.mcap"
    data = file.read_bytes()
    at = data.index(b"a sentence") - 4  # the length of the string
    file.write_bytes(data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :])
    with pytest.raises(InputError, match=r"run_0\.mcap: a record is damaged"):
        list(read_events(file))


def test_a_full_disk_ends_the_log_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "run")
    log.append("reply", reply("whole"), 1)
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "run" / "run_0.mcap").stat().st_size + 20, room[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            log.append("reply", reply("no room for this"), 2)
        log.append("reply", reply("nor for this"), 3)
        log.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    assert [e.fields["text"] for e in read_events(tmp_path / "run")] == ["whole"]
    assert recover(tmp_path / "run") == 1


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    first = run_folder(tmp_path)
    first.mkdir()
    assert run_folder(tmp_path) not in (first, tmp_path)


def test_appending_is_quick(tmp_path: Path) -> None:
    """Well under a millisecond, so that it may follow a publish in the thread that hears stop."""
    with EventLog(tmp_path / "run") as log:
        durations = []
        for i in range(200):
            start = time.perf_counter()
            log.append("intent", intent(), i)
            durations.append(time.perf_counter() - start)
    assert sorted(durations)[100] < 1e-3
