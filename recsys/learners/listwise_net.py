"""The inner loops of ``recsys.learners.listwise``: a linear layer beside a hidden one, and Adam.

All weights lie in one vector: ``w`` (n_inputs), ``v`` (n_hidden), ``b`` (n_hidden) and ``W``
(n_inputs, n_hidden), so that an update is one loop. The output of a row z is
``w.z + v.relu(b + z W)``. The last inputs are the same for all rows of a list: they are given, and
multiplied, once.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled
from recsys.held import holder

__all__ = [
    "Net",
    "adapt",
    "expect",
    "forward",
    "gather",
    "hold_net",
    "judge",
    "n_weights",
    "observe",
    "rank",
    "standardise",
]

Array = NDArray[np.float32]

_CLIP = 5.0
_LEAST_RATE = 1e-4
_FLAT = 1e-4
_DECAY, _DECAY_OF_SQUARES = 0.9, 0.999


class Net(NamedTuple):
    """All that a list is ranked with.

    Attributes
    ----------
    weights
        The vector above.
    offset
        What each column adds to the logit beside the network, ``(n_columns,)``.
    mean, variance
        Of the inputs, ``(n_inputs,)``.
    hidden
        Filled with the hidden layer of what is ranked, ``(n_candidates or more, n_hidden)``.
    """

    weights: Array
    offset: Array
    mean: Array
    variance: Array
    hidden: Array


hold_net = holder(Net)


def n_weights(n_inputs: int, n_hidden: int) -> int:
    """Return the length of the vector of weights."""
    return n_inputs + 2 * n_hidden + n_inputs * n_hidden


@compiled
def standardise(rows: Array, mean: Array, variance: Array, start: int) -> Array:
    """Return the rows in deviations from the mean, cut at five, same shape.

    Parameters
    ----------
    rows
        Shape ``(n_rows, width)``: the inputs from ``start`` on.
    """
    out = np.empty_like(rows)
    scale = np.empty(rows.shape[1], np.float32)
    for d in range(rows.shape[1]):
        scale[d] = 1.0 / math.sqrt(variance[start + d] + 1e-6)
    for i in range(rows.shape[0]):
        for d in range(rows.shape[1]):
            deviation = (rows[i, d] - mean[start + d]) * scale[d]
            out[i, d] = min(max(deviation, -_CLIP), _CLIP)
    return out


@compiled
def observe(rows: Array, mean: Array, variance: Array, start: int, n_lists: int) -> None:
    """Take a list into the running mean and variance of the inputs from ``start`` on.

    Parameters
    ----------
    n_lists
        How many lists have been observed, this one included.
    """
    rate = max(1.0 / n_lists, _LEAST_RATE)
    n = rows.shape[0]
    for d in range(rows.shape[1]):
        at = start + d
        total = 0.0
        square = 0.0
        for i in range(n):
            deviation = rows[i, d] - mean[at]
            total += deviation
            square += deviation * deviation
        mean[at] += np.float32(rate * total / n)
        variance[at] += np.float32(rate * (square / n - variance[at]))


@compiled
def forward(weights: Array, rows: Array, shared: Array, hidden: Array) -> Array:
    """Return the output of each row, shape ``(n_candidates,)``.

    Parameters
    ----------
    rows
        Shape ``(n_candidates, n_columns)``.
    shared
        Shape ``(1, n_shared)``.
    hidden
        Filled with the hidden layer, shape ``(n_candidates, n_hidden)``.
    """
    n, n_columns = rows.shape
    n_hidden = hidden.shape[1]
    n_inputs = n_columns + shared.shape[1]
    w = weights[:n_inputs]
    v = weights[n_inputs : n_inputs + n_hidden]
    inner = weights[n_inputs + 2 * n_hidden :].reshape((n_inputs, n_hidden))
    common = weights[n_inputs + n_hidden : n_inputs + 2 * n_hidden].copy()
    base = np.float32(0.0)
    for d in range(shared.shape[1]):
        z = shared[0, d]
        base += w[n_columns + d] * z
        for h in range(n_hidden):
            common[h] += z * inner[n_columns + d, h]
    out = np.empty(n, np.float32)
    for i in range(n):
        layer = hidden[i]
        for h in range(n_hidden):
            layer[h] = common[h]
        total = base
        for d in range(n_columns):
            total += w[d] * rows[i, d]
        # Eight inputs at a time: an eighth of the passes over the hidden layer.
        whole = n_columns - n_columns % 8
        for d in range(0, whole, 8):
            z, to = rows[i, d : d + 8], inner[d : d + 8]
            z0, z1, z2, z3, z4, z5, z6, z7 = z[0], z[1], z[2], z[3], z[4], z[5], z[6], z[7]
            w0, w1, w2, w3, w4, w5, w6, w7 = to[0], to[1], to[2], to[3], to[4], to[5], to[6], to[7]
            for h in range(n_hidden):
                layer[h] += ((z0 * w0[h] + z1 * w1[h]) + (z2 * w2[h] + z3 * w3[h])) + (
                    (z4 * w4[h] + z5 * w5[h]) + (z6 * w6[h] + z7 * w7[h])
                )
        for d in range(whole, n_columns):
            z0, w0 = rows[i, d], inner[d]
            for h in range(n_hidden):
                layer[h] += z0 * w0[h]
        for h in range(n_hidden):
            layer[h] = max(layer[h], np.float32(0.0))
            total += v[h] * layer[h]
        out[i] = total
    return out


@compiled
def rank(net: Net, rows: Array, shared: Array) -> tuple[Array, Array, Array]:
    """Return the standardised rows, the standardised shared inputs, and the logits."""
    offset = net.offset
    standard = standardise(rows, net.mean, net.variance, 0)
    standard_shared = standardise(shared, net.mean, net.variance, rows.shape[1])
    logits = forward(net.weights, standard, standard_shared, net.hidden)
    for i in range(rows.shape[0]):
        for d in range(rows.shape[1]):
            logits[i] += rows[i, d] * offset[d]
    return standard, standard_shared, logits


@compiled
def judge(net: Net, rows: Array, shared: Array, scale: float) -> NDArray[np.float64]:
    """Return ``expect`` of the logits that ``rank`` returns."""
    return expect(rank(net, rows, shared)[2], scale)


@compiled
def expect(logits: Array, scale: float) -> NDArray[np.float64]:
    """Return what each candidate is expected to earn, where the best one earns ``scale``."""
    largest = np.float32(-np.inf)
    for i in range(logits.shape[0]):
        largest = max(largest, logits[i])
    out = np.empty(logits.shape[0], np.float64)
    for i in range(logits.shape[0]):
        # A logit that is not a number is not lost: whoever sees the scores must hear of it.
        out[i] = scale * math.exp(float(logits[i]) - float(largest))
    return out


@compiled
def gather(
    weights: Array,
    rows: Array,
    shared: Array,
    hidden: Array,
    logits: Array,
    chosen: int,
    scale: float,
    gradient: Array,
) -> float:
    """Add a list's gradient of ``scale * -log softmax(logits)[chosen]``; returns that loss.

    Parameters
    ----------
    logits
        Outputs plus whatever does not depend on the weights, shape ``(n_candidates,)``.
    hidden
        As ``forward`` left it.
    """
    n, n_columns = rows.shape
    n_hidden = hidden.shape[1]
    n_inputs = n_columns + shared.shape[1]
    v = weights[n_inputs : n_inputs + n_hidden]
    of_w = gradient[:n_inputs]
    of_v = gradient[n_inputs : n_inputs + n_hidden]
    of_b = gradient[n_inputs + n_hidden : n_inputs + 2 * n_hidden]
    of_inner = gradient[n_inputs + 2 * n_hidden :].reshape((n_inputs, n_hidden))
    largest = logits[0]
    for i in range(n):
        largest = max(largest, logits[i])
    mass = 0.0
    for i in range(n):
        mass += math.exp(logits[i] - largest)
    back = np.empty(n_hidden, np.float32)
    total_back = np.zeros(n_hidden, np.float32)
    for i in range(n):
        error = math.exp(logits[i] - largest) / mass
        if i == chosen:
            error -= 1.0
        if abs(error) < _FLAT:
            continue
        slope = np.float32(error * scale)
        for h in range(n_hidden):
            of_v[h] += slope * hidden[i, h]
            back[h] = slope * v[h] if hidden[i, h] > 0.0 else np.float32(0.0)
            total_back[h] += back[h]
        for d in range(n_columns):
            z = rows[i, d]
            of_w[d] += slope * z
            for h in range(n_hidden):
                of_inner[d, h] += z * back[h]
    # The errors of a list sum to 0, so that what all rows share has no slope of its own.
    for h in range(n_hidden):
        of_b[h] += total_back[h]
    for d in range(shared.shape[1]):
        z = shared[0, d]
        for h in range(n_hidden):
            of_inner[n_columns + d, h] += z * total_back[h]
    loss: float = math.log(mass) + largest - logits[chosen]
    return scale * loss


@compiled
def adapt(
    weights: Array, gradient: Array, first: Array, second: Array, rate: float, step: int
) -> None:
    """Make one step of Adam (Kingma & Ba 2015) and wipe the gradient."""
    size = np.float32(rate * math.sqrt(1.0 - _DECAY_OF_SQUARES**step) / (1.0 - _DECAY**step))
    for i in range(weights.shape[0]):
        g = gradient[i]
        first[i] = np.float32(_DECAY) * first[i] + np.float32(1.0 - _DECAY) * g
        second[i] = (
            np.float32(_DECAY_OF_SQUARES) * second[i] + np.float32(1.0 - _DECAY_OF_SQUARES) * g * g
        )
        weights[i] -= size * first[i] / (np.sqrt(second[i]) + np.float32(1e-8))
        gradient[i] = np.float32(0.0)
