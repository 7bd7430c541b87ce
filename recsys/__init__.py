"""A recommender that learns from every click, explores, and logs every propensity.

The engine needs no Ray and no network::

    from recsys.engine import Engine
    from recsys.settings import EngineSettings

    engine = Engine.open("state/", EngineSettings())

Words
-----
item, user, catalogue
    What is recommended, to whom, and the set of items with attributes.
event
    One immutable fact in a log: ``Decision``, ``Feedback``, ``ItemUpsert``, ``ItemRemove``,
    ``Adopt``, ``UserErase``; a ``Tombstone`` where one was taken out.
decision
    One served list: slots of item, propensity and score.
propensity
    The probability with which the policy put this item in this slot, given the slots above.
reward
    What feedback of a type is worth; a shown item without any gets the default reward.
example
    A decision's slot joined with its reward.
choice
    What a person picked, and among what.
pool, mix, cut
    What the sources propose for one request, the weighted sum of their scores, and the best by it.
sequence
    An event's place in its shard's log.

Axes of arrays
--------------
``n_items``
    Dense item indices of the catalogue, in the order in which the log first named them.
``n_candidates``
    The items considered for one request.
``n_features``
    The columns of ``recsys.features.table``: of a candidate, or of the request (``n_shared``).
"""

__all__: list[str] = []
