"""Adobe's own rules engine in Node, behind the interface of ours (`--engine turbine`).

`engine` runs calls through it, `packages` finds Node and Adobe's packages. The scripts beside them are what runs in
Node: `serve` speaks JSON lines, `container` builds a property as Adobe's build does, `run` runs a call, `clock` is
virtual time, `offline` closes the way to the network, `orphan` ends the process with its parent.
"""
