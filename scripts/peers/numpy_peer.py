"""python3 scripts/peers/numpy_peer.py <case>: the same work in NumPy, on one thread."""
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

    def step():
        for w, g, m, v in zip(*lists, *states):
            update(w, g, m, v)

    return step


def sgd(w, g, m, _v):
    m *= np.float32(0.9)
    m += g
    w -= np.float32(0.1) * m


def adamw(w, g, m, v):
    m += np.float32(0.1) * (g - m)
    v += np.float32(0.001) * (g * g - v)
    w *= np.float32(1 - 1e-5)
    w -= np.float32(1e-3) * m / (np.sqrt(v) + np.float32(1e-8))


def auon(w, g, m, _v):
    m += np.float32(0.05) * (g - m)
    u = g + np.float32(0.95) * (m - g)
    scaled = u / (np.sqrt(np.vdot(u, u)) + np.float32(1e-8))
    w -= np.float32(1e-3) / np.sqrt(np.mean(np.cosh(scaled) ** 2)) * u


def newton_schulz(x):
    y = x / (np.linalg.norm(x) + np.float32(1e-7))
    for _ in range(5):
        g = y @ y.T
        y = np.float32(3.4445) * y + (np.float32(-4.775) * g + np.float32(2.0315) * (g @ g)) @ y
    return y


def layer_norm(x):
    d = x - x.mean(1, keepdims=True)
    return d / np.sqrt((d * d).mean(1, keepdims=True) + np.float32(1e-5))


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def on_matrix(function):
    x = normal(shape)
    return lambda: function(x)


MAKERS = {
    "sgd": lambda: steps(sgd),
    "adamw": lambda: steps(adamw),
    "auon": lambda: steps(auon),
    "newton-schulz": lambda: on_matrix(newton_schulz),
    "layer-norm": lambda: on_matrix(layer_norm),
    "softmax": lambda: on_matrix(softmax),
    "transpose": lambda: on_matrix(lambda x: np.ascontiguousarray(x.T)),
    "column-sum": lambda: on_matrix(lambda x: x.sum(0)),
}
REASONS = {"gelu": "NumPy has no erf", "training-step": "NumPy has no derivatives"}
if name in REASONS:
    skip("numpy", name, REASONS[name])
else:
    race("numpy", np.__version__, name, MAKERS[name]())
