"""What people of one shard teach about items reaches all shards, about once a second.

::

    fold of a shard's own events -> notebook: its latest lessons      (part of its state)
    cut: lessons (a, b] of its log, told by ids -> mixer -> Mixed event in every other shard's log
    report: the ranker as it is -> mixer: the average -> Averaged event: what brings it there

A shard is not sent what others' models have become but what others have seen: who liked what after
what, what was shown, what was clicked. Sums of counts are then exact in every shard, vectors learn
from every like, and what travels does not grow with the catalogue. Only the ranker, whose lessons
are long, is averaged. What has been mixed in is an event, so that the log of a shard alone still
determines its state, and each shard's ``Ledger`` says up to where it has learned of each other one,
so that nothing counts twice.
"""
