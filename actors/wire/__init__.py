"""The framed data plane: msgpack frames over a kept TCP connection between gateway and shard.

A Ray call costs about a millisecond of processor time, a frame a twentieth of that. So Ray
places, names, restarts and finds the shards, and what is asked of them travels here::

    gateway                                      shard
      hello: "recsys", version, shard, nonce -->
                          <-- version, nonce, proof    both prove that they know the door's secret
      proof -->
                          <-- welcome
      id, method, budget, payload -->                  any number in flight, answered in any order
                          <-- id, 0, payload
                          <-- id, kind of fault, what it says

``frames`` reads and writes them, ``faults`` carries errors, ``handshake`` is the hello, ``server``
the shard's side, ``link`` a gateway's connection to one shard, ``port`` all of them, with Ray calls
where there is no connection.
"""
