"""Softmax regression whose classes have equal losses, by SciPy's SLSQP, for equal-losses.mjs.

usage: equal_losses_peer.py folder classes features samples tol
Prints milliseconds, the value, the largest violation and the iterations.
"""
import json
import os
import sys
import time

import numpy as np
import scipy
from scipy.optimize import minimize

folder, classes, d, n, tol = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])
x = np.fromfile(os.path.join(folder, "x")).reshape(n, d)
y = np.fromfile(os.path.join(folder, "y"), np.int32)
L2 = 1e-2
own = np.zeros((classes, n))
own[y, np.arange(n)] = 1
own /= own.sum(1, keepdims=True)
differences = own[:-1] - own[1:]
at = {}


def look(w):
    key = w.tobytes()
    if at.get("key") != key:
        z = x @ w.reshape(classes, d).T
        top = z.max(1, keepdims=True)
        e = np.exp(z - top)
        total = e.sum(1, keepdims=True)
        losses = (np.log(total) + top)[:, 0] - z[np.arange(n), y]
        p = e / total
        p[np.arange(n), y] -= 1
        at.update(key=key, losses=losses, p=p)
    return at["losses"], at["p"]


def value(w):
    losses, p = look(w)
    return losses.mean() + L2 / 2 * w @ w, (p.T @ x / n).ravel() + L2 * w


def jacobian(w):
    _, p = look(w)
    return np.stack([((weights[:, None] * p).T @ x).ravel() for weights in differences])


begin = time.perf_counter()
end = minimize(value, np.zeros(classes * d), jac=True, method="SLSQP",
               constraints={"type": "eq", "fun": lambda w: differences @ look(w)[0], "jac": jacobian},
               options={"ftol": tol, "maxiter": 2000})
ms = 1000 * (time.perf_counter() - begin)
print(json.dumps({"median_ms": ms, "min_ms": ms, "value": float(end.fun), "iterations": int(end.nit), "status": str(end.message),
                  "violation": float(np.abs(differences @ look(end.x)[0]).max()), "version": scipy.__version__}))
