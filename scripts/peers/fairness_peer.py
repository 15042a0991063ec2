#!/usr/bin/env python3
"""SLSQP of SciPy on the regressions of the experiment `fairness` that are in a folder; scripts/peers/fairness.mjs calls it.

<folder>/problems.json lists them, each with the files of its rows and labels. One line of JSON a problem.
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
    n, d, classes, l2 = (problem[key] for key in ("count", "width", "classes", "penalty"))
    x = np.fromfile(folder / problem["rows"], "<f8").reshape(n, d)
    labels = np.fromfile(folder / problem["labels"], "<i4")
    hot = np.eye(classes)[labels]
    shares = hot / hot.sum(axis=0)
    parts = (shares[:, :-1] - shares[:, -1:]).T

    def value(w):
        w = w.reshape(classes, d)
        return -np.mean(log_softmax(x @ w.T, axis=1)[np.arange(n), labels]) + l2 / 2 * np.sum(w * w)

    def gradient(w):
        w = w.reshape(classes, d)
        return ((softmax(x @ w.T, axis=1) - hot).T @ x / n + l2 * w).ravel()

    def constraint(w):
        return parts @ (1 - softmax(x @ w.reshape(classes, d).T, axis=1)[np.arange(n), labels])

    def jacobian(w):
        p = softmax(x @ w.reshape(classes, d).T, axis=1)
        right = p[np.arange(n), labels][:, None]
        return np.stack([(-part[:, None] * right * (hot - p)).T @ x for part in parts]).reshape(len(parts), -1)

    end = minimize(value, np.zeros(classes * d), jac=gradient, method="SLSQP", constraints={"type": "eq", "fun": constraint, "jac": jacobian}, options={"ftol": 1e-12, "maxiter": 1000})
    found = {"value": float(end.fun), "iterations": int(end.nit), "values": int(end.nfev), "gradients": int(end.njev), "success": bool(end.success)}
    print(json.dumps({"seed": problem["seed"], "scipy": scipy.__version__, **found, "violation": float(np.abs(constraint(end.x)).max())}), flush=True)
