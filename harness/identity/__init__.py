"""Who is who: identity clusters of Mixpanel. Pure and deterministic: no I/O, no clock, no randomness, no logging."""
