"""Custom code in V8: a rule that touches custom code runs there as a whole, in a process of its own.

`container` writes a property as JavaScript, `host` runs its rules, `process` is the other process as seen from here,
and `worker` is what runs in it. The scripts beside them are the worker's: `build` puts tokens in place as Adobe's build
does, `rules` and `modules` are the rules engine, `loop` its virtual time, the others what code finds at the edge.
"""
