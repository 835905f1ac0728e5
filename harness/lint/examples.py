"""Completes the examples of rules, so that each can be linted as a file: tests do, and nobody has to read the rest.

An example of a property may be one action, a list of actions, or the rules, and use the data elements below. An example
of events may be lines of an event file, or steps of a scenario.
"""

from __future__ import annotations

import textwrap
from typing import Final

from harness.event import IdMerge

DATA_ELEMENTS: Final = """\
data_elements:
  ECID: arc.event.xdm.identityMap.ECID[0].id
  E-mail: {path: arc.event.data.email, clean_text: true, lower_case: true}
  Visitor: arc.event.data.visitorId
  Event type: arc.event.xdm.eventType
  Event id: arc.event.xdm._id
  Time: arc.event.data.time
  Token: {secret: {production: {id: SE1, name: Mixpanel token}}}
  IP: {ip: true}
"""


def property_text(example: str) -> str:
    """Return the YAML shorthand of a property for an example of a property rule."""
    if example.startswith("property:"):
        return example + "\n"
    if example.startswith("data_elements:"):
        return f"property: Example\n{example}\n"
    if example.startswith("rules:"):
        return f"property: Example\n{DATA_ELEMENTS}{example}\n"
    actions = example if example.startswith("- ") else f"- {example.replace(chr(10), chr(10) + '  ')}"
    rules = f"rules:\n  - name: Example\n    actions:\n{textwrap.indent(actions, ' ' * 6)}"
    return f"property: Example\n{DATA_ELEMENTS}{rules}\n"


def scenario_text(example: str, id_merge: IdMerge) -> str:
    """Return a scenario for an example that is one, or that is a list of steps."""
    if not example.startswith("- "):
        return example + "\n"
    return f"name: Example\nid_merge: {id_merge}\nsteps:\n{textwrap.indent(example, '  ')}\n"
