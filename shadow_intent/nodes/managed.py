"""What the lifecycle nodes have in common."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, Generic

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from shadow_intent.errors import ShadowIntentError
from shadow_intent.nodes.entities import Entities
from shadow_intent.nodes.params import P, Parameters


class ManagedNode(LifecycleNode, Generic[P]):
    """A lifecycle node that works while it is `active`; its three methods to fill in follow `__init__`."""

    def __init__(self, name: str, parameters: type[P], **options: Any) -> None:
        """`parameters`: their dataclass in `params`; `options` go to rclpy's Node."""
        super().__init__(name, automatically_declare_parameters_from_overrides=True, **options)
        self.declared = Parameters(self, parameters)
        self.entities = Entities(self)
        """Made in `set_up`, destroyed after `let_go`."""
        self.active = False

    def set_up(self, values: P) -> None:
        """Loads and makes everything. Raises ShadowIntentError."""

    def stand_down(self) -> None:
        """No longer active: ends what is going on."""

    def let_go(self) -> None:
        """Gives back what is no entity, as far as `set_up` came."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Fails, naming the reason, when something is wrong; then nothing stays of what was made."""
        outcome = self._tried("configure", lambda: self.set_up(self.declared.read()), TransitionCallbackReturn.FAILURE)
        if outcome != TransitionCallbackReturn.SUCCESS:
            self._tried("let go of what was made", self._give_back)
        return outcome

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Works from now on."""
        self.active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Works no longer."""
        outcome = self._tried("deactivate", self.rest)
        return super().on_deactivate(state) if outcome == TransitionCallbackReturn.SUCCESS else outcome

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured."""
        return self._tried("clean up", self.release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends what is going on, then lets go of everything."""
        return self._tried("shut down", self.release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that broke: unconfigured, with nothing left, and may be configured again."""
        return self._tried("let go after an error", self.release)

    def _tried(
        self, what: str, work: Callable[[], object], failed: TransitionCallbackReturn = TransitionCallbackReturn.ERROR
    ) -> TransitionCallbackReturn:
        """SUCCESS, or `failed` after an exception, which is logged here: rclpy would swallow it."""
        try:
            work()
        except ShadowIntentError as error:
            self.get_logger().error(f"cannot {what}: {error}")
        except Exception:  # noqa: BLE001
            self.get_logger().error(f"cannot {what}:\n{traceback.format_exc()}")
        else:
            return TransitionCallbackReturn.SUCCESS
        return failed

    def rest(self) -> None:
        """Not active from now on; nothing to do when it is not."""
        if self.active:
            self.active = False
            self.stand_down()

    def release(self) -> None:
        """Not configured from now on; nothing to do when it is not."""
        try:
            self.rest()
        finally:
            if self.entities:
                self._give_back()

    def _give_back(self) -> None:
        try:
            self.let_go()
        finally:
            self.entities.destroy()
