"""Property-based search for flows of people, devices and retries that break an invariant of identity."""
