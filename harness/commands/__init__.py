"""The commands of the `harness` line, one module each; `harness.cli` finds them by name."""
