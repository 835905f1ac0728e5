"""Hypothesis strategies for properties and the calls that go through them, each about one side of the rules engine.

A case is what a user has: a document of Reactor objects, and calls. Data elements only name data elements that come
before them, because Adobe's engine does not come back from a circle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from hypothesis import strategies as st

from tests.forwarder.generated_code import SOURCES

Data: TypeAlias = Any
Text: TypeAlias = st.SearchStrategy[str]
Objects: TypeAlias = dict[str, Any]


class Case(NamedTuple):
    """A property and calls through it."""

    document: Objects
    calls: list[Objects]


OPERATORS: Final = (
    "equals", "doesNotEqual", "contains", "doesNotContain", "startsWith", "doesNotStartWith", "endsWith",
    "doesNotEndWith", "matchesRegex", "doesNotMatchRegex", "lessThan", "lessThanOrEqual", "greaterThan",
    "greaterThanOrEqual", "isTrue", "isTruthy", "isFalse", "isFalsy",
)  # fmt: skip
ODD_TEXTS: Final = (
    "", "0", "1", " 1 ", "01", "0x10", "0b11", "1e3", "+1", "-0", "1_000", "Infinity", "NaN", ".5", "5.", "1e400",
    "abc", "ABC", "É", "ß", "SS", "İ", "i̇", "ΑΣ", "ας", "\u00a0 5\ufeff", "\u200b5", "5\n", "true", "null", "undefined",
    "[object Object]", "1,2", "😀", "\ud83d", "\ude00", "😀x", "a\u0000b", "\u2028", "K", "ſ", "a.c", "^a", "[", "\\d+",
    "  A  b\u00a0\n c ", "{{a}}", 'getDataElementValue("b")',
)  # fmt: skip
ODD_NUMBERS: Final = (
    0, 1, -1, -0.0, 1.5, 42, 1e21, 1e-7, 123456789012345678901, 9007199254740993, 1e308, 5e-324, 0.1, 4294967295,
)  # fmt: skip
ODD_OBJECTS: Final[tuple[Data, ...]] = (
    [], [0], [1, 2], ["1"], [None], [[]], [[1, [2]]], ["😀"], {}, {"a": 1}, {"toString": 1}, {"valueOf": 1},
    {"length": 2}, [{"toString": "x"}], {"10": 1, "9": 2, "b": 3, "a": 4, "01": 5, "4294967295": 6, "-1": 7},
    {"__proto__": {"a": 1}, "c": 2}, {"token": "X"}, {"settings": 1, "displayName": 2},
)  # fmt: skip
ODD_NAMES: Final = (
    "b", "A b", "é", "😀", "a.b", 'a"b', "a\\b", "a'b", "a{b", "reactor", "reactor0061", "getDataElementValue(a)",
    "constructor", "__proto__", "a\tb", "toString", "$&", " a", "a ", "a)", "(a", "0", "null", "\u2028", "a\\x41",
    "a\\u0041", "hasOwnProperty", "a\\nb", "\\'", "a/b", "a\nb",
)  # fmt: skip
TOKEN_FRAGMENTS: Final = (
    "{{a}}", "{{b}}", "{{a", "}}", "{{}}", "{", "}", "x", "\n", "\r\n", "\t", '"', "\\", 'getDataElementValue("a")',
    "getDataElementValue(b)", "getDataElementValue('a')", "getDataElementValue(", ")", '"a")', "{{ghost}}", "{{ a }}",
    " ", "é", "😀", "\u2028", "${a}", "`", "'", "1", "%", "{{a}}{{b}}", "reactor0061", "\ud83d", "\ude00",
    "getDataElementValue(reactor0061)", "getDataElementValue(reactor61)", 'getDataElementValue(\\"a\\")',
)  # fmt: skip
PATH_PARTS: Final = (
    "arc", "event", "data", "xdm", "a", "a[0]", "a[1]", "a[00]", "a[-1]", "a[0][1]", "[0]", "a0]", "a[x]", "a[0]x",
    "a]", "a[", "length", "0", "1", "constructor", "name", "toString", "__proto__", "prototype", "", "a b", "null",
    "request", "ruleStash", "s", "s[0]", "o", "o[0]", "n", "t", "e", "[1]", "a[2]b", "hasOwnProperty", "map", "toFixed",
    "x[10]", "a[1]]", "at", "valueOf", "then", "toJSON", "4294967295", "big",
)  # fmt: skip
WALKED: Final[Data] = {
    "a": [[1, 2], {"b": "c", "x": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "ten"]}, "str"],
    "s": "h😀i", "o": {"0": "zero", "null": "nul", "a": [7, 8], "length": 3, "name": "nm", "": "empty"},
    "n": 5, "t": True, "e": "", "": {"a": 1}, "null": [1], "toString": "ts", "big": 12345678901234567890,
}  # fmt: skip

odd_values = st.sampled_from([None, True, False, *ODD_NUMBERS, *ODD_TEXTS, *ODD_OBJECTS])
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**24), 10**24)
any_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
values = odd_values | any_values
token_texts = st.lists(st.sampled_from(TOKEN_FRAGMENTS), min_size=1, max_size=6).map("".join)


def element(name: str, kind: str = "path", settings: Data = None, **more: Data) -> Objects:
    """Return a data element as the Reactor API describes it."""
    text = None if settings is None else json.dumps(settings)
    return {"name": name, "delegate_descriptor_id": f"core::dataElements::{kind}", "settings": text, **more}


def reads(name: str, key: str, **more: Data) -> Objects:
    """Return a data element that reads a key of the data of the event."""
    return element(name, settings={"path": f"arc.event.data.{key}"}, **more)


def condition(settings: Data, kind: str = "value-comparison", **more: Data) -> Objects:
    """Return a condition."""
    return {"delegate_descriptor_id": f"core::conditions::{kind}", "settings": json.dumps(settings), **more}


def send(settings: Data, **more: Data) -> Objects:
    """Return an action that sends an event."""
    name = "mixpanel-connector-edge::actions::send-event"
    return {"delegate_descriptor_id": name, "settings": json.dumps(settings), **more}


def shows(**custom: Data) -> Objects:
    """Return an action that sends custom properties."""
    return send({"event": "e", "properties": {"token": "T"}, "custom_properties": custom})


def document(elements: Sequence[Objects], rules: Sequence[Sequence[Objects]]) -> Objects:
    """Return a property."""
    described = [
        {"id": f"RL{index}", "name": f"r{index}", "rule_components": list(components)}
        for index, components in enumerate(rules)
    ]
    return {"data_elements": list(elements), "rules": described}


def call(data: Mapping[str, Data], **more: Data) -> Objects:
    """Return a call whose event has some data."""
    return {"event": {"data": dict(data)}, **more}


@st.composite
def token_cases(draw: st.DrawFn) -> Case:
    """Tokens, and what looks like one, anywhere in the settings of an action."""
    keys = st.sampled_from(["k", "1", "0", "y", "settings", "__proto__", "n\nn"]) | token_texts
    inner = token_texts | odd_values
    items = st.one_of(token_texts, token_texts, st.lists(inner, max_size=2), st.dictionaries(keys, inner, max_size=2))
    settings = {
        "event": draw(st.just("e") | token_texts),
        "properties": {"token": draw(st.sampled_from(["T", "{{a}}"]))},
        "custom_properties": draw(st.dictionaries(keys, items, min_size=1, max_size=3)),
    }
    calls = [call({"a": draw(values), "b": draw(values)}) for _ in range(2)]
    return Case(document([reads("a", "a"), reads("b", "b")], [[send(settings)]]), calls)


@st.composite
def name_cases(draw: st.DrawFn) -> Case:
    """Names of data elements, defined or not, alone and inside a text."""
    alphabet = st.characters(exclude_characters="}")
    name = draw(st.sampled_from(ODD_NAMES) | st.text(alphabet, min_size=1, max_size=5))
    elements = [reads("z", "v"), *([reads(name, "v")] if draw(st.booleans()) and name != "z" else [])]
    shown = shows(x=f"{{{{{name}}}}}", y=f"<{{{{{name}}}}}>", z="{{z}}")
    return Case(document(elements, [[shown]]), [call({"v": draw(values)})])


@st.composite
def path_cases(draw: st.DrawFn) -> Case:
    """Paths through a call, with what JavaScript values offer by themselves."""
    parts = st.lists(st.sampled_from(PATH_PARTS), min_size=1, max_size=4).map(".".join)
    paths = draw(st.lists(parts | parts.map("arc.event.data.".__add__), min_size=1, max_size=6))
    elements = [element(f"p{index}", settings={"path": path}) for index, path in enumerate(paths)]
    rules = [[shows(v=f"{{{{p{index}}}}}", t=f"<{{{{p{index}}}}}>")] for index in range(len(paths))]
    calls = [call(WALKED), {"event": {"data": WALKED, "xdm": None}, "request": {"a": draw(values)}}]
    return Case(document(elements, rules), calls)


@st.composite
def element_cases(draw: st.DrawFn) -> Case:
    """Defaults, cleaning and lower case."""
    elements = [
        reads(
            f"e{index}",
            draw(st.sampled_from(["v", "w", "nope"])),
            default_value=draw(st.none() | values),
            clean_text=draw(st.booleans()),
            force_lower_case=draw(st.booleans()),
        )
        for index in range(4)
    ]
    rules = [[shows(v=f"{{{{e{index}}}}}", t=f"<{{{{e{index}}}}}>")] for index in range(4)]
    return Case(document(elements, rules), [call({"v": draw(values), "w": draw(values)}) for _ in range(2)])


@st.composite
def comparison_cases(draw: st.DrawFn) -> Case:
    """Every operator on every kind of operand, from data and from settings."""
    operands = st.sampled_from(["{{L}}", "{{R}}", "{{L}}{{R}}", "x{{R}}"]) | values
    rules = []
    for _ in range(draw(st.integers(1, 5))):
        comparison: Objects = {"operator": draw(st.sampled_from(OPERATORS))}
        if draw(st.booleans()):
            comparison["caseInsensitive"] = draw(st.sampled_from([True, True, False, "", "{{L}}", 0, None]))
        settings: Objects = {"leftOperand": draw(operands), "comparison": comparison}
        if draw(st.integers(0, 9)):
            settings["rightOperand"] = draw(operands)
        rules.append([condition(settings, negate=draw(st.booleans())), shows()])
    return Case(
        document([reads("L", "l"), reads("R", "r")], rules),
        [call({"l": draw(values), "r": draw(values)}) for _ in "123"],
    )


@st.composite
def spread_cases(draw: st.DrawFn) -> Case:
    """What becomes of `properties` and `custom_properties`, whatever they turn out to be."""
    standard = st.sampled_from(
        [
            {"token": "T"},
            {"token": "{{a}}", "time": "{{b}}", "$insert_id": "x"},
            {"2": "{{a}}", "1": 2},
            "{{a}}",
            None,
            "s",
        ]
    )
    custom = st.one_of(
        st.sampled_from(["{{a}}", "{{b}}", "x{{a}}", {"token": "{{b}}", "1": "{{a}}"}, {"k": {"2": 1, "1": "{{a}}"}}]),
        values,
    )
    parts = {
        "event": st.sampled_from(["e", "{{a}}", "x{{b}}", None, 5]),
        "properties": standard,
        "custom_properties": custom,
        "extra": st.sampled_from(["{{a}}", 1, "{{ip}}"]),
    }
    rules = []
    for _ in range(draw(st.integers(1, 4))):
        keys = draw(st.permutations(list(parts)).map(lambda keys: keys[:3]))
        rules.append([send({key: draw(parts[key]) for key in keys})])
    environment = draw(st.sampled_from([{}, {"ipV4": "1.2.3.4"}, {"ipV6": "::1"}, {"ipV4": ""}, None, "s"]))
    event = {"xdm": {"environment": environment}, "data": {"a": draw(values), "b": draw(values)}}
    elements = [reads("a", "a"), reads("b", "b"), element("ip", "ip")]
    return Case(document(elements, rules), [{"event": event}])


def _secret(name: str, settings: Data) -> Objects:
    return element(name, "secret", settings)


FAILING: Final = (
    reads("ok", "v"),
    element("number", settings={"path": 5}),
    element("no path", settings={}),
    element("no settings"),
    reads("object", "o"),
    _secret("no secret", {}),
    _secret("secret", {"secrets": {"production": {"id": "S1", "name": "N"}}}),
    _secret("null", {"secrets": None}),
    _secret("text", {"secrets": {"production": "q"}}),
    element("inside", settings={"path": "arc.event.data.{{ok}}"}),
    element("around a failure", settings={"path": "x{{number}}"}),
    element("around a ghost", settings={"path": "{{ghost}}"}),
    element("two of them", settings={"path": "{{around a failure}}{{around a ghost}}"}),
    element("secret and ghost", settings={"path": "{{no secret}}{{around a ghost}}"}),
    element("deeper", settings={"path": "{{two of them}}"}),
    _secret("secret of tokens", {"secrets": {"production": {"id": "{{ok}}", "name": "{{inside}}"}}}),
    element("ip of a ghost", "ip", {"a": "{{ghost}}"}),
)


@st.composite
def failure_cases(draw: st.DrawFn) -> Case:
    """Data elements that fail, side by side and inside each other: the same one has to be named."""
    names = [*(one["name"] for one in FAILING), "ghost", "constructor", "__proto__"]
    rules = []
    for _ in range(draw(st.integers(1, 4))):
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4))
        if draw(st.booleans()):
            operands = {"leftOperand": f"{{{{{chosen[0]}}}}}", "rightOperand": f"{{{{{chosen[-1]}}}}}"}
            rules.append([condition({**operands, "comparison": {"operator": "equals"}}), shows()])
        else:
            rules.append([shows(**{f"k{index}": f"{{{{{name}}}}}" for index, name in enumerate(chosen)})])
    data = {"v": draw(st.sampled_from(["v", "S1", 1, None])), "o": draw(values)}
    env = draw(st.sampled_from([{}, {"S1": "s3"}, {"S1": 0, "v": "vv"}, {"undefined": "u", "5": "five"}]))
    return Case(document(FAILING, rules), [call(data, env=env)])


def _answers(draw: st.DrawFn) -> list[Objects]:
    delays = st.sampled_from([0, 0, 0.5, 1, 19, 20, 21, 60, 1999, 2000, 29_999, 30_000, 3e9])
    answers = st.one_of(
        st.fixed_dictionaries({"status": st.sampled_from([200, 204, 400, 500])}, optional={"delay_ms": delays}),
        st.fixed_dictionaries({"error": st.sampled_from(["boom", ""])}, optional={"delay_ms": delays}),
    )
    return draw(st.lists(answers, min_size=1, max_size=3))


@st.composite
def order_cases(draw: st.DrawFn) -> Case:
    """Order, timeouts, answers that are late or missing, and what rules leave in the stash."""
    rules = []
    for _ in range(draw(st.integers(1, 2))):
        components = []
        for index in range(draw(st.integers(0, 5))):
            more: Objects = {
                "order": draw(st.sampled_from([0, 1, 2, None, 10, -1])),
                "timeout": draw(st.sampled_from([2000, 20, None, 1, 0, 5000, 0.5, 3e9])),
                "enabled": draw(st.sampled_from([True, True, True, False])),
                "negate": draw(st.booleans()),
            }
            settings = {"leftOperand": "{{v}}", "comparison": {"operator": "equals"}, "rightOperand": "x"}
            if draw(st.booleans()):
                components.append(condition(settings, **more))
            else:
                custom = {"s": "{{stash}}", "i": index, "st": "{{st}}", "sx": "<{{st}}>"}
                shown = {"event": f"e{index}", "properties": {"token": "T"}, "custom_properties": custom}
                components.append(send(shown, **more))
        rules.append(components)
    elements = [
        reads("v", "v"),
        element("stash", settings={"path": "arc.ruleStash"}),
        element("st", settings={"path": "arc.ruleStash.mixpanel-connector-edge"}),
    ]
    rule = draw(st.sampled_from(["*", "r0", "r1"]))
    data = {"v": draw(st.sampled_from(["x", "x", 1, None]))}
    return Case(document(elements, rules), [call(data, responses={rule: _answers(draw)}) for _ in range(2)])


@st.composite
def code_cases(draw: st.DrawFn) -> Case:
    """Custom code as data element, condition and action, which answers its own requests late or with failures."""
    sources = st.sampled_from(SOURCES)
    default = draw(st.none() | values)
    elements = [reads("v", "v"), reads("w", "w", default_value=default)]
    elements.append(element("code", "custom-code", {"source": draw(sources)}))
    components = [shows(c="{{code}}", t="<{{code}}>", v="{{v}}")]
    if draw(st.booleans()):
        action = {"keyName": draw(st.sampled_from(["k", "", "a.b"])), "source": draw(sources)}
        name = "core::actions::custom-code"
        components.insert(0, {"delegate_descriptor_id": name, "settings": json.dumps(action), "timeout": 2000})
        elements.append(element("stash", settings={"path": "arc.ruleStash"}))
        components.append(shows(s="{{stash}}"))
    if draw(st.booleans()):
        components.insert(0, condition({"source": draw(sources)}, "custom-code", negate=draw(st.booleans())))
    data = {"v": draw(values), "w": draw(values | st.none())}
    return Case(document(elements, [components]), [call(data, responses={"*": _answers(draw)})])


CASES: Final[dict[str, st.SearchStrategy[Case]]] = {
    "tokens": token_cases(),
    "names": name_cases(),
    "paths": path_cases(),
    "elements": element_cases(),
    "comparisons": comparison_cases(),
    "spread": spread_cases(),
    "failures": failure_cases(),
    "order": order_cases(),
    "code": code_cases(),
}
"""Every kind of case by name."""
