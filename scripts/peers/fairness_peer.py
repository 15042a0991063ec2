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

from softmax_loss import Softmax

folder = pathlib.Path(sys.argv[1])
for problem in json.loads((folder / "problems.json").read_text()):
    loss = Softmax(folder, problem, problem["penalty"])
    shares = loss.hot / loss.hot.sum(axis=0)
    parts = (shares[:, :-1] - shares[:, -1:]).T

    def constraint(w):
        return parts @ (1 - loss.own(loss.chances(w)))

    def jacobian(w):
        p = loss.chances(w)
        right = loss.own(p)[:, None]
        return np.stack([(-part[:, None] * right * (loss.hot - p)).T @ loss.x for part in parts]).reshape(len(parts), -1)

    end = minimize(loss.value, loss.start, jac=loss.gradient, method="SLSQP", constraints={"type": "eq", "fun": constraint, "jac": jacobian}, options={"ftol": 1e-12, "maxiter": 1000})
    found = {"value": float(end.fun), "iterations": int(end.nit), "values": int(end.nfev), "gradients": int(end.njev), "success": bool(end.success)}
    print(json.dumps({"seed": problem["seed"], "scipy": scipy.__version__, **found, "violation": float(np.abs(constraint(end.x)).max())}), flush=True)
