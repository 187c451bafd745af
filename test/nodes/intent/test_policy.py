"""config/sros2_policy.xml allows every node exactly what it does: nothing is left open, and nothing breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from ear import Ear
from rclpy.node import Node
from support import ROOT, wait_for

from shadow_intent.nodes import interfaces
from shadow_intent.nodes.watch import Watcher

POLICY = ROOT / "config" / "sros2_policy.xml"
GOVERNANCE = ROOT / "config" / "sros2_governance.xml"
DOES: dict[tuple[str, str], Callable[[Node, str, str], list[tuple[str, list[str]]]]] = {
    ("topics", "publish"): Node.get_publisher_names_and_types_by_node,
    ("topics", "subscribe"): Node.get_subscriber_names_and_types_by_node,
    ("services", "reply"): Node.get_service_names_and_types_by_node,
    ("services", "request"): Node.get_client_names_and_types_by_node,
}
ROBOTS = {t.name for t in (*interfaces.REQUESTS.values(), *interfaces.RESPONSES.values())}
ROBOTS |= {interfaces.SPORT_STATE.name, interfaces.LOW_STATE.name}


def allowed(node: str, kind: str, right: str) -> set[str]:
    """The full names that the policy gives a node this right to."""
    (profile,) = ElementTree.parse(POLICY).iterfind(f".//enclave[@path='/shadow_intent/{node}']//profile")
    texts = [entry.text or "" for rule in profile.iterfind(f"{kind}[@{right}='ALLOW']") for entry in rule]
    return {text.replace("~", f"/{node}") if text[0] in "/~" else f"/{text}" for text in texts}


def test_each_node_may_do_what_it_does_and_no_more(ros: Any, robot: Any, skills: Any, ear: Callable[..., Ear]) -> None:
    robot()
    skills()
    made = ear(cloud_address="")
    for node in ("intent_node", "skill_node", "stop_node"):
        for kind, right in DOES:
            does_what_it_may(made.witness, node, kind, right)


def does_what_it_may(witness: Node, node: str, kind: str, right: str) -> None:
    may = allowed(node, kind, right)

    def does() -> set[str]:
        return {name for name, _ in DOES[kind, right](witness, node, "/")}

    wait_for(lambda: does() >= may, lacks=lambda: f"{node}, {kind} to {right}: {may - does()}")
    assert does() == may, (node, kind, right)


def test_who_looks_on_may_see_everything_and_do_nothing(ros: Any) -> None:
    watcher = ros(Watcher)
    does = {name for name, _ in watcher.get_subscriber_names_and_types_by_node("watch", "/")}
    assert does == allowed("watch", "topics", "subscribe")
    assert allowed("watch", "topics", "publish") == {"/rosout", "/parameter_events"}


def test_only_stop_node_writes_to_the_sport_service_and_only_the_operator_turns_the_switch() -> None:
    enclaves = ElementTree.parse(POLICY).findall(".//enclave")
    names = [enclave.attrib["path"].rpartition("/")[2] for enclave in enclaves]
    writers = [name for name in names if "/api/sport/request" in allowed(name, "topics", "publish")]
    setters = [name for name in names if "/skill_node/set_parameters" in allowed(name, "services", "request")]
    assert (writers, setters) == (["stop_node"], ["operator"])


def test_only_the_robots_own_topics_are_unprotected() -> None:
    rules = ElementTree.parse(GOVERNANCE).findall(".//topic_rule")
    protected = {
        rule.findtext("topic_expression", ""): rule.findtext("data_protection_kind") == "ENCRYPT"
        and rule.findtext("enable_write_access_control") == "true"
        for rule in rules
    }
    assert list(protected)[-1] == "*" and protected["*"], "the last rule, which holds for the rest, protects"
    open_ = {name.removeprefix("rt") for name, is_protected in protected.items() if not is_protected}
    assert open_ == {"/api/*", interfaces.SPORT_STATE.name, interfaces.LOW_STATE.name}
    assert all(name in open_ or name.startswith("/api/") for name in ROBOTS)
