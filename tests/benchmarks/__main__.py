"""`python -m tests.benchmarks [NAME...]`: run every benchmark of this package, or those named, and print one table.

A benchmark is a module of this package with a function `measure() -> list[Row]`. The rows it returns stand under each
other; a benchmark that cannot run here returns none.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable

from tests import benchmarks
from tests.benchmarks.rows import Row, table


def main(names: list[str]) -> int:
    """Measure and print; 1 when a target was missed, 2 when a name is unknown."""
    found = measures()
    unknown = [name for name in names if name not in found]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(found)}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in names or found:
        print(f"measuring {name} ...", file=sys.stderr)
        rows += found[name]()
    print(table(rows))
    return 1 if any(row.held is False for row in rows) else 0


def measures() -> dict[str, Callable[[], list[Row]]]:
    """Find the `measure` of every module of this package that has one."""
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__")
    modules = {name: importlib.import_module(f"{benchmarks.__name__}.{name}") for name in names}
    return {name: module.measure for name, module in modules.items() if hasattr(module, "measure")}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
