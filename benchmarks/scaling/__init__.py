"""A discrete-event simulation of more shards than any machine here can hold.

::

    constants     what things cost: measured, set or assumed, each with where it comes from
    timeline      what happens next              station   cores with a queue of two classes
    demand        people, as calls a second      shard     a core, a disk, a queue of events
    front         gateways before the shards     mix_plan  what mixing costs, by arithmetic
    mix_flow      mixing as it happens           cluster   all of it for a while
    ramp          ever more load                 years     shards and nodes that fail
    capacity      formulas for a plan            tables    those of ``docs/capacity.md``
    held_against  two shards that were measured, simulated

Nothing here runs the server. What it says of more than two shards was never held against a server.
"""
