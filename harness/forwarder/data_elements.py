"""Data elements: what each type reads, and what happens to its value before anybody sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from harness.forwarder import inherited, jstext, turns
from harness.forwarder.javascript import without_host
from harness.forwarder.jsvalues import UNDEFINED, JsError, Value, is_object, to_text, truthy
from harness.forwarder.model import DataElement
from harness.forwarder.paths import compile_path
from harness.forwarder.run import ElementError, Resolve, Resolvers, Run, values
from harness.forwarder.tokens import (
    TOKEN_CALL,
    Constant,
    MapOf,
    Node,
    Template,
    built_data,
    reader,
    sanitized,
    template,
)

Read: TypeAlias = Callable[[Run], Value]
"""Reads something from a run; raises `JsError`, or `ElementError` where a token inside has no value."""

_PROTOTYPE: Final = "__proto__"


class DataElements:
    """The data elements of a property, each compiled when it is first named.

    Args:
        elements: the data elements.
        environment: the build environment, which decides the secret.

    Raises:
        BuildError: when Adobe's build can't make code of the settings of one.
    """

    def __init__(self, elements: Iterable[DataElement], environment: str) -> None:
        self._definitions = {sanitized(element.name): element for element in elements}
        self._templates = {
            name: template(None if element.type == "custom-code" else element.settings)
            for name, element in self._definitions.items()
        }
        self._environment = environment
        self._compiled: dict[str, Resolve] = {}
        self._turns: dict[str, int] = {}

    def resolvers(self, names: Sequence[str]) -> Resolvers:
        """Return what gives the values of data elements, in the order of their names."""
        return [
            _through_prototype(self._resolver(name)) if name == _PROTOTYPE else self._resolver(name) for name in names
        ]

    def filled(self, settings: Template) -> Read:
        """Return what gives the settings of a component with the values of its tokens filled in."""
        read = reader(settings.node)
        if not settings.names:
            constant = read(())
            return lambda run: constant
        resolvers = self.resolvers(settings.names)
        return lambda run: read(values(resolvers, run))

    def _resolver(self, name: str) -> Resolve:
        if TOKEN_CALL.search(name):
            return _failing("getDataElementValue is not defined", turns.AT_ONCE)
        if name not in self._definitions:
            return _unknown(name)
        if name not in self._compiled:
            chain = self._circle_from(name)
            self._compiled[name] = self._compile(name) if chain is None else _failing_circle(chain)
        return self._compiled[name]

    def _circle_from(self, start: str) -> list[str] | None:
        """Return the chain of names from an element into the first circle, or None when it meets none."""
        chain = [start]
        pending = [self._inner_names(start)]
        done: set[str] = set()
        while pending:
            name = next(pending[-1], None)
            if name is None:
                done.add(chain.pop())
                pending.pop()
            elif name in chain:
                return [*chain, name]
            elif name not in done:
                chain.append(name)
                pending.append(self._inner_names(name))
        return None

    def _inner_names(self, name: str) -> Iterator[str]:
        inner = self._templates.get(name)
        return iter(() if inner is None else inner.names)

    def _compile(self, name: str) -> Resolve:
        definition, settings = self._definitions[name], self._templates[name]
        module = self._module(definition, settings)
        finish = _finisher(definition)
        prefix = _prefix(name)
        done = self._turns[name] = self._count_turns(name)

        def resolve(run: Run) -> Value:
            try:
                return finish(module(run))
            except JsError as error:
                raise ElementError(prefix + str(error), done) from None
            except ElementError as error:
                raise ElementError(prefix + str(error), turns.outer(error.turns)) from None

        return _remembering(name, resolve) if settings.names else resolve

    def _count_turns(self, name: str) -> int:
        """Return after how many turns a data element has its value, when those inside have theirs."""
        names = self._templates[name].names
        if names:
            return turns.outer(max(self._turns.get(inner, turns.UNKNOWN) for inner in names))
        return turns.WITHOUT_SETTINGS if self._definitions[name].settings is None else turns.WITH_SETTINGS

    def _module(self, definition: DataElement, settings: Template) -> Read:
        if definition.type == "ip":
            return _with_settings(self.filled(settings), _read_ip) if settings.names else _read_ip
        if definition.type == "path":
            return _path_module(settings, self.filled(settings))
        if definition.type == "secret":
            return _secret_module(definition.name, self._environment, self.filled(settings))
        return without_host


def _prefix(name: str) -> str:
    return f'Failed to execute module for data element "{name}". '


def _through_prototype(resolve: Resolve) -> Resolve:
    """Return what becomes of a value kept under the name `__proto__`: only an object comes back out."""

    def read(run: Run) -> Value:
        value = resolve(run)
        if is_object(value):
            return value
        return UNDEFINED if value is None else inherited.OBJECT_PROTOTYPE

    return read


def _unknown(name: str) -> Resolve:
    if name in inherited.OBJECT_MEMBERS:
        what = "moduleProvider.getModuleDefinition(...)"
        return _failing(f"Cannot destructure property 'extensionName' of '{what}' as it is undefined.", turns.AT_ONCE)
    return _failing(f'Data element definition for "{name}" was not found.', turns.UNKNOWN)


def _failing(message: str, after: int) -> Resolve:
    def resolve(run: Run) -> Value:
        raise ElementError(message, after)

    return resolve


def _failing_circle(chain: list[str]) -> Resolve:
    inner = "".join(_prefix(name) for name in chain[:-1])
    circle = " -> ".join(chain)
    return _failing(f"{inner}Data element circular reference detected: {circle}", turns.NEVER)


def _remembering(name: str, resolve: Resolve) -> Resolve:
    """Return a resolver that works once a component, so that elements built of elements don't multiply."""

    def resolve_once(run: Run) -> Value:
        if name not in run.memory:
            try:
                run.memory[name] = resolve(run)
            except ElementError as error:
                run.memory[name] = error
        value = run.memory[name]
        if isinstance(value, ElementError):
            raise value
        return value

    return resolve_once


def _with_settings(fill: Read, module: Read) -> Read:
    def read(run: Run) -> Value:
        fill(run)
        return module(run)

    return read


def _constant_at(settings: Template, key: str) -> Constant | None:
    """Return the constant under a key of settings; None where tokens have a say."""
    node: Node | None = settings.node.items.get(key) if isinstance(settings.node, MapOf) else None
    return node if isinstance(node, Constant) else None


def _path_module(settings: Template, fill: Read) -> Read:
    constant = _constant_at(settings, "path")
    if constant is None or not isinstance(constant.value, str) or settings.names:
        return lambda run: compile_path(fill(run).get("path", UNDEFINED))(run.arc)
    walk = compile_path(constant.value)
    return lambda run: walk(run.arc)


def _read_ip(run: Run) -> Value:
    here: Value = run.arc
    for key in ("event", "xdm", "environment"):
        if here is None or here is UNDEFINED:
            return UNDEFINED
        here = inherited.read(here, key)
    if here is None or here is UNDEFINED:
        return UNDEFINED
    first = inherited.read(here, "ipV4")
    return first if truthy(first) else inherited.read(here, "ipV6")


def _secret_module(element_name: str, environment: str, fill: Read) -> Read:
    def read(run: Run) -> Value:
        secrets = fill(run).get("secrets", UNDEFINED)
        chosen = inherited.read({} if secrets is UNDEFINED else secrets, environment)
        if not truthy(chosen):
            raise JsError(
                f'The data element "{element_name}" does not have a secret configured for the "{environment}" '
                "environment."
            )
        secret = run.env.get(to_text(inherited.read(chosen, "id")))
        if truthy(secret):
            return secret
        name = to_text(inherited.read(chosen, "name"))
        raise JsError(
            f'Could not find the secret "{name}" on the "{environment}" environment. The secret "{name}" is '
            f'configured inside the data element "{element_name}".'
        )

    return read


def _finisher(definition: DataElement) -> Callable[[Value], Value]:
    """Return what is done to the value of a module: default, cleaning, case, and a text of it for the log."""
    default = built_data(definition.default_value)
    changes: list[Callable[[str], str]] = []
    if definition.clean_text:
        changes.append(jstext.clean)
    if definition.force_lower_case:
        changes.append(jstext.lower)

    def finish(value: Value) -> Value:
        if value is None or value is UNDEFINED:
            value = value if default is None else default
        if isinstance(value, str):
            for change in changes:
                value = change(value)
        elif is_object(value):
            # The engine writes every value into its log, and fails where an object has no text.
            to_text(value)
        return value

    return finish
