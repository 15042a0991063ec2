"""python3 scripts/peers/numpy_peer.py <case>: the same work in NumPy, on one thread, into arrays that are reused."""
import sys

import numpy as np
from peer_race import CASES, gpt2_like, race, skip

name = sys.argv[1]
shape = CASES[name].get("shape")
random = np.random.default_rng(1)


def normal(size):
    return random.standard_normal(size, dtype=np.float32)


def steps(update):
    lists = [[normal(s) for s in gpt2_like()] for _ in range(2)]
    states = [[np.zeros(s, np.float32) for s in gpt2_like()] for _ in range(2)]
    rooms = {s: (np.empty(s, np.float32), np.empty(s, np.float32)) for s in gpt2_like()}

    def step():
        for w, g, m, v in zip(*lists, *states):
            update(w, g, m, v, *rooms[w.shape])

    return step


def sgd(w, g, m, _v, t, _other):
    m *= np.float32(0.9)
    m += g
    np.multiply(m, np.float32(0.1), out=t)
    w -= t


def adamw(w, g, m, v, t, other):
    np.subtract(g, m, out=t)
    t *= np.float32(0.1)
    m += t
    np.multiply(g, g, out=t)
    t -= v
    t *= np.float32(0.001)
    v += t
    w *= np.float32(1 - 1e-5)
    np.sqrt(v, out=t)
    t += np.float32(1e-8)
    np.divide(m, t, out=other)
    other *= np.float32(1e-3)
    w -= other


def auon(w, g, m, _v, u, t):
    """Variant `head`: momentum, then u over the root of the mean of cosh²(1.5 u/‖u‖)."""
    np.subtract(g, m, out=t)
    t *= np.float32(0.05)
    m += t
    np.subtract(m, g, out=u)
    u *= np.float32(0.95)
    u += g
    np.multiply(u, np.float32(1.5) / (np.sqrt(np.vdot(u, u)) + np.float32(1e-7)), out=t)
    np.cosh(t, out=t)
    np.square(t, out=t)
    u *= np.float32(0.24) / np.sqrt(t.mean())
    w -= u


def newton_schulz():
    x, y, other, gram, quartic = (normal(shape) for _ in range(5))

    def work():
        nonlocal y, other
        np.divide(x, np.linalg.norm(x) + np.float32(1e-7), out=y)
        for _ in range(5):
            np.matmul(y, y.T, out=gram)
            np.matmul(gram, gram, out=quartic)
            np.multiply(quartic, np.float32(2.0315), out=quartic)
            np.multiply(gram, np.float32(-4.775), out=gram)
            np.add(quartic, gram, out=quartic)
            np.matmul(quartic, y, out=other)
            np.multiply(y, np.float32(3.4445), out=y)
            np.add(other, y, out=other)
            y, other = other, y

    return work


def layer_norm():
    x, out, squares = normal(shape), np.empty(shape, np.float32), np.empty(shape, np.float32)
    row = np.empty((shape[0], 1), np.float32)

    def work():
        np.mean(x, 1, keepdims=True, out=row)
        np.subtract(x, row, out=out)
        np.multiply(out, out, out=squares)
        np.mean(squares, 1, keepdims=True, out=row)
        np.add(row, np.float32(1e-5), out=row)
        np.divide(out, np.sqrt(row, out=row), out=out)

    return work


def softmax():
    x, out, row = normal(shape), np.empty(shape, np.float32), np.empty((shape[0], 1), np.float32)

    def work():
        np.max(x, 1, keepdims=True, out=row)
        np.subtract(x, row, out=out)
        np.exp(out, out=out)
        np.sum(out, 1, keepdims=True, out=row)
        np.divide(out, row, out=out)

    return work


def transpose():
    x, out = normal(shape), np.empty(shape[::-1], np.float32)
    return lambda: np.copyto(out, x.T)


def column_sum():
    x, out = normal(shape), np.empty(shape[1], np.float32)
    return lambda: np.sum(x, 0, out=out)


MAKERS = {
    "sgd": lambda: steps(sgd),
    "adamw": lambda: steps(adamw),
    "auon": lambda: steps(auon),
    "newton-schulz": newton_schulz,
    "layer-norm": layer_norm,
    "softmax": softmax,
    "transpose": transpose,
    "column-sum": column_sum,
}
REASONS = {"gelu": "NumPy has no erf", "training-step": "NumPy has no derivatives"}
if name in REASONS:
    skip("numpy", name, REASONS[name])
else:
    race("numpy", np.__version__, name, MAKERS[name]())
