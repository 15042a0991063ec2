"""Golden values of support vector machines with bounded weights: python3 scripts/golden/svm_bounds.py

Writes test/golden/svm-bounds.json: weights by SciPy's L-BFGS-B for bounds that are given, and the least validation loss over all bounds, by
Nelder and Mead's method from several starts, with the lower problem solved each time.
"""

import json
import pathlib

import numpy as np
import scipy
from scipy.optimize import minimize

ridge = 1e-3
count, width = 12, 4


def rows(shift):
    i, k = np.arange(count)[:, None], np.arange(width)[None, :]
    made = np.sin(shift + 1.7 * i + 2.3 * k * (1 + 0.1 * i)) + np.array([0.6, 0.3, 0.1, 0.0])
    made[:, -1] = np.where(np.arange(count) % 2 == 0, 0.5, -0.5)
    return made


def loss(x, y, weight):
    margin = np.maximum(1 - x @ y, 0)
    return (margin**2).mean() + weight / 2 * y @ y, -2 * x.T @ margin / len(x) + weight * y


def lower(x, bounds):
    box = [(-b, b) for b in bounds] + [(None, None)]
    options = {"ftol": 1e-16, "gtol": 1e-13, "maxiter": 10000}
    return minimize(lambda y: loss(x, y, ridge), np.zeros(width), jac=True, method="L-BFGS-B", bounds=box, options=options).x


train, validation = rows(0.3), rows(4.1)
# Some labels are wrong, so that no bounds leave no loss.
validation[:4] *= -1
cases = []
for bounds in ([0.3, 0.5, 0.2], [0.05, 2, 2], [9, 9, 9], [0, 0.1, 0]):
    y = lower(train, bounds)
    cases.append({"bounds": bounds, "weights": y.tolist(), "value": loss(train, y, ridge)[0], "validation": loss(validation, y, 0)[0]})

best = min(
    (
        minimize(lambda t: loss(validation, lower(train, np.abs(t)), 0)[0], np.array(start), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000})
        for start in ([0.3, 0.3, 0.3], [1, 1, 1], [0.1, 1, 0.1], [1, 0.1, 0.1], [0.1, 0.1, 1])
    ),
    key=lambda end: end.fun,
)
found = {"program": f"scipy {scipy.__version__}: scipy.optimize.minimize", "madeBy": "/usr/bin/python3 scripts/golden/svm_bounds.py", "ridge": ridge, "train": train.tolist(), "validation": validation.tolist(), "cases": cases, "best": {"bounds": np.abs(best.x).tolist(), "validation": best.fun}}
path = pathlib.Path(__file__).parent.parent.parent / "test" / "golden" / "svm-bounds.json"
path.write_text(json.dumps(found, indent=1) + "\n")
print(found["best"], [(case["value"], case["validation"]) for case in cases])
