"""What the lifecycle nodes have in common."""

from __future__ import annotations

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
        """Gives back what is no entity."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Fails, naming the reason, when something is wrong."""
        try:
            self.set_up(self.declared.read())
        except ShadowIntentError as error:
            self.get_logger().error(f"cannot configure: {error}")
            self.entities.destroy()
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Works from now on."""
        self.active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Works no longer."""
        self.rest()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured."""
        self.release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends what is going on, then lets go of everything."""
        self.release()
        return TransitionCallbackReturn.SUCCESS

    def rest(self) -> None:
        """Not active from now on; nothing to do when it is not."""
        if self.active:
            self.active = False
            self.stand_down()

    def release(self) -> None:
        """Not configured from now on; nothing to do when it is not."""
        self.rest()
        if self.entities:
            self.let_go()
            self.entities.destroy()
