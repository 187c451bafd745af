"""The log: what is written is read back, by us and by others, also after a kill."""

from __future__ import annotations

import errno
import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader

from shadow_intent.errors import InputError
from shadow_intent.event_log import TYPES, EventLog, RotatingLog, make_room, read_events, recover, run_folder

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


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: as on a full disk, a write fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def test_a_full_disk_ends_the_log_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "run")
    log.append("reply", reply("whole"), 1)
    with room_for(log.size + 20):
        with pytest.raises(OSError, match="File too large"):
            log.append("reply", reply("no room for this"), 2)
        log.append("reply", reply("nor for this"), 3)
        log.close()
    assert [e.fields["text"] for e in read_events(tmp_path / "run")] == ["whole"]
    assert recover(tmp_path / "run") == 1


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    first = run_folder(tmp_path)
    first.mkdir()
    second = run_folder(tmp_path)
    assert second not in (first, tmp_path)
    second.mkdir()
    first.rmdir()
    assert run_folder(tmp_path) not in (second, tmp_path)


def test_a_full_file_is_followed_by_a_new_one_and_the_oldest_go(tmp_path: Path) -> None:
    with EventLog(tmp_path / "20200101T000000Z_1") as one:
        full = one.size + 1  # a record fills it
        one.append("reply", reply("reply 0"), 0)
    closed = sum(file.stat().st_size for file in one.folder.iterdir())
    log = RotatingLog(tmp_path / "log", full, total_bytes=full + 2 * closed + 100)
    log.begin()
    folders = []
    for i in range(6):
        folders.append(log.folder)
        log.append("reply", reply(f"reply {i}"), i)
    assert len({*folders, log.folder}) == 7
    assert {*(tmp_path / "log").iterdir()} == {*folders[4:], log.folder}
    log.close()
    said = [[e.fields["text"] for e in read_events(folder)] for folder in (*folders[4:], log.folder)]
    assert said == [["reply 4"], ["reply 5"], []]
    for folder, records in zip((*folders[4:], log.folder), (1, 1, 0), strict=True):
        with Reader(folder) as reader:  # each is complete
            assert reader.message_count == records


WRITING = """
import sys, time
from pathlib import Path
from shadow_intent.event_log import EventLog
log = EventLog(Path(sys.argv[1]))
print("open", flush=True)
time.sleep(60)
"""


def test_only_finished_logs_of_ours_are_removed(tmp_path: Path) -> None:
    names = ["20200101T000000Z", "20200101T000000Z_2", "20200101T000000Z_10", "20210101T000000Z"]
    for name in [*names, "kept_by_a_person"]:
        EventLog(tmp_path / name).close()
    (tmp_path / names[0] / "notes.txt").write_text("mine")
    (tmp_path / "20190101T000000Z").symlink_to(tmp_path / "kept_by_a_person")
    others = tmp_path / "20190101T000000Z_1"
    closed = sum(file.stat().st_size for file in (tmp_path / names[3]).iterdir())
    with subprocess.Popen([sys.executable, "-c", WRITING, str(others)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"open\n"
            with EventLog(tmp_path / "20200101T000000Z_3") as mine:
                make_room(tmp_path, 2 * closed + closed // 2)
                assert not (tmp_path / names[1]).exists() and (tmp_path / names[2]).is_dir(), "the oldest go first"
                make_room(tmp_path, 0)
                mine.append("reply", reply("still here"), 1)
        finally:
            process.kill()
    assert [e.fields["text"] for e in read_events(mine.folder)] == ["still here"]
    assert {path.name for path in tmp_path.iterdir()} == {
        *("20190101T000000Z", "20190101T000000Z_1", "20200101T000000Z_3", "kept_by_a_person", names[0])
    }
    assert os.listdir(tmp_path / names[0]) == ["notes.txt"]
    make_room(tmp_path, 0)
    assert not others.exists(), "the log of a process that was killed is nobody's"


def test_a_full_disk_is_told_from_a_wrong_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    log = RotatingLog(tmp_path, 10**6, 10**7)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        with pytest.raises(OSError, match="No space left"):
            log.begin()
    log.append("reply", reply("no room"), 1)
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_when_its_folder_goes_the_log_ends_and_says_so_once(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "log", 1, 10**7)
    log.begin()
    (tmp_path / "log").rename(tmp_path / "moved")
    (tmp_path / "log").write_text("in the way")
    first = log.folder.name
    with pytest.raises(OSError, match="log"):
        log.append("reply", reply("the last"), 1)
    log.append("reply", reply("no more"), 2)
    log.close()
    assert [e.fields["text"] for e in read_events(tmp_path / "moved" / first)] == ["the last"]


def test_a_log_that_cannot_be_completed_says_so_once_and_loses_nothing(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "run")
    log.append("reply", reply("whole"), 1)
    with room_for(log.size + 5):
        with pytest.raises(OSError, match="File too large"):
            log.close()
        log.close()
    assert recover(tmp_path / "run") == 1


def test_appending_is_quick(tmp_path: Path) -> None:
    """Well under a millisecond, so that it may follow a publish in the thread that hears stop."""
    with EventLog(tmp_path / "run") as log:
        durations = []
        for i in range(200):
            start = time.perf_counter()
            log.append("intent", intent(), i)
            durations.append(time.perf_counter() - start)
    assert sorted(durations)[100] < 1e-3
