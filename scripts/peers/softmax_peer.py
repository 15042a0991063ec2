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

from softmax_loss import Softmax

folder = pathlib.Path(sys.argv[1])
for problem in json.loads((folder / "problems.json").read_text()):
    loss = Softmax(folder, problem, problem["l2"])

    def product(w, v):
        p, z = loss.chances(w), loss.logits(v)
        return loss.back(p * (z - np.sum(p * z, axis=1, keepdims=True))) + loss.penalty * v

    found = {}
    for method in ("trust-ncg", "trust-krylov"):
        end = minimize(loss.value, loss.start, jac=loss.gradient, hessp=product, method=method, options={"gtol": problem["tolerance"], "maxiter": 2000})
        found[method] = {"gradients": int(end.njev), "values": int(end.nfev), "products": int(end.nhev), "value": float(end.fun), "success": bool(end.success)}
    settings = {key: problem[key] for key in ("data", "l2", "seed")}
    print(json.dumps({**settings, "scipy": scipy.__version__, **found}), flush=True)
