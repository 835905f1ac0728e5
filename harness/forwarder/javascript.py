"""Custom code: where an embedded JavaScript engine is plugged in. Without one, custom code fails its component."""

from __future__ import annotations

from typing import Protocol

from harness.forwarder.jsvalues import JsError, Value


class CodeHost(Protocol):
    """Runs the custom code of a property."""

    def run(self, settings: dict[str, Value], arc: dict[str, Value]) -> Value:
        """Return what the function `(arc, utils) => { source }` gives, a promise already settled.

        Args:
            settings: the settings of the component; `source` is the body of the function.
            arc: the request context of the rule; the code may change it.

        Raises:
            JsError: when the code throws.
        """
        ...


class NoCodeHost:
    """The host of an installation without a JavaScript engine."""

    def run(self, settings: dict[str, Value], arc: dict[str, Value]) -> Value:
        """Fail, and say how to get a JavaScript engine."""
        raise JsError("custom code needs the extra [javascript] or --engine turbine")
