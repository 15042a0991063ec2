#!/usr/bin/env python3
"""What SciPy's trust regions ask for, of the softmax regressions in a folder.

scripts/peers/softmax.mjs calls it: <folder>/problems.json lists problems, each with the files of its rows and labels. One line of JSON a problem.
"""
import json
import pathlib
import sys

import numpy as np
import scipy
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

folder = pathlib.Path(sys.argv[1])
for problem in json.loads((folder / "problems.json").read_text()):
    n, d, classes, l2 = (problem[key] for key in ("count", "width", "classes", "l2"))
    x = np.fromfile(folder / problem["rows"], "<f8").reshape(n, d)
    labels = np.fromfile(folder / problem["labels"], "<i4")
    hot = np.eye(classes)[labels]

    def value(w):
        w = w.reshape(classes, d)
        return -np.mean(log_softmax(x @ w.T, axis=1)[np.arange(n), labels]) + l2 / 2 * np.sum(w * w)

    def gradient(w):
        w = w.reshape(classes, d)
        return ((softmax(x @ w.T, axis=1) - hot).T @ x / n + l2 * w).ravel()

    def product(w, v):
        w, v = w.reshape(classes, d), v.reshape(classes, d)
        p, z = softmax(x @ w.T, axis=1), x @ v.T
        return ((p * (z - np.sum(p * z, axis=1, keepdims=True))).T @ x / n + l2 * v).ravel()

    found = {}
    for method in ("trust-ncg", "trust-krylov"):
        end = minimize(value, np.zeros(classes * d), jac=gradient, hessp=product, method=method, options={"gtol": problem["tolerance"], "maxiter": 2000})
        found[method] = {"gradients": int(end.njev), "values": int(end.nfev), "products": int(end.nhev), "value": float(end.fun), "success": bool(end.success)}
    settings = {key: problem[key] for key in ("data", "l2", "seed")}
    print(json.dumps({**settings, "scipy": scipy.__version__, **found}), flush=True)
