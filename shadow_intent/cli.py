"""The command line: predict, say, watch, log, bundle, demo. Each imports what it needs when it runs, ROS included."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from shadow_intent.errors import InputError, ShadowIntentError
from shadow_intent.intent import Decision, Utterance

EXTRAS = {
    "rclpy": "ros",
    "std_msgs": "ros",
    "onnxruntime": "robot",
    "tokenizers": "robot",
    "text_to_num": "robot",
    "mcap": "robot",
    "rosbags": "robot",
    "grpc": "robot",
    "rich": "robot",
    "mujoco": "sim",
    "PIL": "sim",
    "torch": "cloud",
    "transformers": "cloud",
}
"""Which extra of the package brings a module that may be missing."""

PREDICT = """\
Reads one utterance per line and writes one JSON line for each, in order: text, label, probability, decision
(skill, remote or ignore), reason, slots and latency_ms. A line that cannot be read gives decision ignore and an
"error" that names it; the exit status is then 1.

  echo "go forward two metres" | shadow-intent predict
  echo '{"text": "向左转九十度"}' | shadow-intent predict --jsonl | jq .slots
"""
SAY = """\
Publishes a voice command as a speech recogniser would and prints what becomes of it: the intent, the requests sent to
the robot, their outcome and the replies. The nodes must be running in the same ROS domain; those of shadow-intent demo
have one of their own, and it prints the command that reaches them.

  shadow-intent say "sit down"
  shadow-intent say "坐下" --language zh
  shadow-intent say "sit down" --namespace rex --robot-prefix /rex
"""
WATCH = """\
Shows what is heard, decided, done and said, the pose of the robot and the latency, live. It only listens: start it
beside the running nodes, in the same ROS domain. Ctrl-C ends it.

  shadow-intent watch
  shadow-intent watch --namespace rex --robot-prefix /rex
"""
LOG = """\
Prints the events of a log folder or MCAP file as JSON lines; ROS is not needed. With --recover it first completes the
log of a process that was killed, so that ros2 bag reads it too.

  shadow-intent log ~/.ros/shadow_intent/20250101T120000Z | jq 'select(.topic == "intent")'
"""
BUNDLE = """\
info prints what a bundle is; verify checks its hashes, that every label has a row in skills.yaml, and that its sample
utterances give their stored logits on this machine. Without a folder: the bundle that ships with the package.

  shadow-intent bundle verify
  shadow-intent bundle info build/bundle
"""
FILMS = (".gif", ".webp", ".png")
DEMO = """\
Starts the cloud server, the nodes and a mock robot, talks to them in two languages over real DDS and gRPC, prints what
each part did, and then takes your own utterances when it runs in a terminal.

  shadow-intent demo
  shadow-intent demo --keep             # keeps the log folder
  shadow-intent demo --film build/demo.gif   # with a simulated Go2 that walks, and a film of it (extra sim)
"""


def parser() -> argparse.ArgumentParser:
    """The argument parser of every command."""
    top = argparse.ArgumentParser(
        prog="shadow-intent",
        description="Voice commands for a legged robot.",
        epilog="See `shadow-intent COMMAND --help` for examples.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str, text: str, run: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=summary, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        sub.set_defaults(run=run)
        return sub

    predict = command("predict", "utterances on stdin to decisions on stdout", PREDICT, run_predict)
    predict.add_argument("--bundle", type=Path, metavar="DIR", help="bundle folder (default: the one that ships)")
    predict.add_argument("--jsonl", action="store_true", help='input lines are {"text": "..."} objects')
    say = command("say", "publish a voice command and print the story", SAY, run_say)
    say.add_argument("text", help="the utterance")
    say.add_argument("--language", default="", help='"en" or "zh" (default: unknown)')
    say.add_argument("--timeout", type=_seconds, default=20.0, metavar="S", help="seconds to wait (default: 20)")
    watch = command("watch", "a live view of utterances, skills and pose", WATCH, run_watch)
    watch.add_argument(
        "--seconds", type=_seconds, default=math.inf, metavar="S", help="end by itself (default: Ctrl-C)"
    )
    for sub in (say, watch):
        sub.add_argument("--namespace", default="", help="of the nodes (default: none)")
        sub.add_argument("--robot-prefix", default="", help="in front of the robot's own topics (default: none)")
    log = command("log", "print a log as JSON lines", LOG, run_log)
    log.add_argument("path", type=Path, help="log folder or MCAP file")
    log.add_argument("--recover", action="store_true", help="complete the log of a killed process first")
    bundle = command("bundle", "describe or check a bundle", BUNDLE, run_bundle)
    bundle.add_argument("action", choices=("info", "verify"), help="describe it, or check it on this machine")
    bundle.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="bundle folder (default: as shipped)")
    demo = command("demo", "the whole product on this machine, with a mock robot", DEMO, run_demo)
    demo.add_argument("--keep", action="store_true", help="keep the log folder after the end")
    demo.add_argument("--bundle", default="", metavar="DIR", help="bundle folder (default: as shipped)")
    demo.add_argument("--film", type=_film, metavar="FILE", help="simulate the robot and film it: .gif, .webp or .png")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status: 0 good, 1 some input was bad, 2 it could not be done."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ShadowIntentError as error:
        return _fail(str(error))
    except ImportError as error:
        if (advice := _missing(error)) is None:
            raise
        return _fail(advice)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; Python flushes at exit
        return 1
    except KeyboardInterrupt:
        return 130


def _missing(error: ImportError) -> str | None:
    """What to install when an import failed; None when that would not help."""
    name = error.name or ""
    if name == "shadow_intent" and "'msg'" in error.msg:  # this package was installed where no ROS was found
        if find_spec("rclpy") is not None:
            return "the ROS messages of this package are not built: install it again, with SHADOW_INTENT_REQUIRE_ROS=1"
        name = "rclpy"
    extra = EXTRAS.get(name.split(".")[0])
    return f"{name} is not installed: pip install 'shadow_intent[{extra}]'" if extra else None


def _fail(message: str) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return 2


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"expected seconds > 0, got {text}")
    return value


def _film(text: str) -> Path:
    """argparse type: a file that a film can be written to."""
    if (path := Path(text)).suffix not in FILMS:
        raise argparse.ArgumentTypeError(f"{text}: expected a name that ends in {', '.join(FILMS)}")
    return path


def run_predict(options: argparse.Namespace) -> int:
    """`predict`: one line out for each line in."""
    from shadow_intent.bundle import Bundle
    from shadow_intent.pipeline import Pipeline

    pipeline = Pipeline.from_bundle(Bundle.load(options.bundle))
    if sys.stdin.isatty():
        print("One utterance per line, Ctrl-D to end.", file=sys.stderr)
    bad = 0
    for text, error in _utterances(sys.stdin.buffer, options.jsonl):
        if error:
            bad += 1
            answer = _row(text, "", 0.0, "ignore", "the line cannot be read", {}, 0.0) | {"error": error}
        else:
            answer = _decision_row(pipeline.hear(Utterance(text)))
        print(json.dumps(answer, ensure_ascii=False), flush=True)
    return 1 if bad else 0


def _utterances(lines: Iterable[bytes], jsonl: bool) -> Iterator[tuple[str, str]]:
    """Text and error of each line; one of the two is set."""
    for number, line in enumerate(lines, 1):
        line = line.rstrip(b"\r\n")
        try:
            text = line.decode("utf-8")
            if jsonl:
                text = _text_of(text)
        except UnicodeDecodeError as error:
            yield line.decode("utf-8", "replace"), f"line {number}: not UTF-8 at byte {error.start + 1}"
        except InputError as error:
            yield line.decode("utf-8"), f"line {number}: {error}"
        else:
            yield text, ""


def _text_of(line: str) -> str:
    """The utterance of a JSON line. Raises InputError."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}") from error
    if not isinstance(value, dict) or "text" not in value:
        raise InputError('expected an object {"text": "..."}')
    if unknown := sorted(set(value) - {"text"}):
        raise InputError(f"unknown field {unknown[0]!r}; expected only text")
    text = value["text"]
    if not isinstance(text, str):
        raise InputError(f"text must be a string, got {type(text).__name__}")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise InputError("text holds a lone surrogate, which is not a character")
    return text


def _decision_row(decision: Decision) -> dict[str, Any]:
    return _row(
        decision.utterance.text,
        decision.label,
        decision.probability,
        decision.route.value,
        decision.reason,
        decision.slots.as_dict(),
        decision.latency_ms,
    )


def _row(
    text: str, label: str, probability: float, decision: str, reason: str, slots: dict[str, Any], latency_ms: float
) -> dict[str, Any]:
    return {
        "text": text,
        "label": label,
        "probability": round(probability, 4),
        "decision": decision,
        "reason": reason,
        "slots": slots,
        "latency_ms": round(latency_ms, 3),
    }


def run_log(options: argparse.Namespace) -> int:
    """`log`: events as JSON lines; a quantity that was not said is null."""
    from shadow_intent.event_log import read_events, recover

    if options.recover:
        print(f"{recover(options.path)} messages recovered", file=sys.stderr)
    for event in read_events(options.path):
        row = {"topic": event.topic, "stamp_ns": event.stamp_ns, **_finite(event.fields)}
        print(json.dumps(row, ensure_ascii=False))
    return 0


def _finite(value: Any) -> Any:
    """The same with null for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def run_bundle(options: argparse.Namespace) -> int:
    """`bundle info` and `bundle verify`."""
    from shadow_intent.bundle import Bundle

    bundle = Bundle.load(options.folder)
    print(f"bundle    {bundle.bundle_id}  {bundle.path}")
    print(f"size      {bundle.size_bytes / 2**20:.1f} MiB")
    if options.action == "verify":
        from shadow_intent.classifier import IntentClassifier
        from shadow_intent.skills import load_skills

        print("hashes    match")
        load_skills().require(bundle.labels)
        print(f"labels    {len(bundle.labels)}, each with a row in skills.yaml")
        worst = IntentClassifier(bundle).self_check()
        print(f"samples   {len(bundle.samples)} reproduced, logits within {worst:.2g}")
        return 0
    manifest, policy = bundle.manifest, bundle.policy
    print(f"labels    {len(bundle.labels)}: {' '.join(bundle.labels)}")
    thresholds = f"accept {policy.accept:.3f}, stop {policy.accept_stop:.3f}, ignore {policy.ignore:.3f}"
    print(f"policy    {thresholds}, margin {policy.margin:.3f}")
    print(f"          temperature {manifest.temperature:.3f}, at most {manifest.max_tokens} tokens")
    for certificate in (manifest.certificate, manifest.certificate.get("ignoring", {})):
        print(f"          {certificate.get('reason', 'no certificate')}")
    for name in ("base", "shadow", "training"):
        print(f"{name:9s} {json.dumps(getattr(manifest, name), ensure_ascii=False)}")
    heading = "metrics"
    for language in ("en", "zh"):
        for name in ("label_accuracy", "false_action"):
            if part := manifest.metrics.get(language, {}).get(name):
                interval = f"{part['percent']} % [{part['low']}, {part['high']}]"
                print(f"{heading:9s} {language} {name} {interval}, n = {part['n']}")
                heading = ""
    return 0


def run_say(options: argparse.Namespace) -> int:
    """`say`: 0 when the story came to its end in time."""
    from shadow_intent.nodes.say import say

    return say(options.text, options.language, options.timeout, options.namespace, options.robot_prefix)


def run_watch(options: argparse.Namespace) -> int:
    """`watch`."""
    from shadow_intent.nodes.watch import watch

    return watch(options.seconds, options.namespace, options.robot_prefix)


def run_demo(options: argparse.Namespace) -> int:
    """`demo`."""
    from shadow_intent.demo import demo

    return demo(options.keep, options.bundle, options.film)
