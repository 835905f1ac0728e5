"""Scenario files: the format, the run, and the checks."""
