#!/usr/bin/env python3
"""Writes test/golden/transport-lp.json: the least costs of 2,000 transport problems, by exact linear programs (HiGHS).

Run: /usr/bin/python3 scripts/golden/transport_lp.py        (Debian's python3-scipy; the version is in the file; minutes)
The problem of each seed from 0 on is that of test/support/transport-problems.ts, of the same stream of SplitMix64.
"""
import json
import pathlib

import numpy as np
import scipy
import scipy.sparse
from scipy.optimize import linprog

from splitmix import uniform

COUNT = 2000
SKEWED = [(2, 50), (50, 2), (1000, 5), (5, 1000)]


def problem(seed):
    stream = uniform(seed)
    draw = lambda: next(stream)
    whole = lambda below: int(below * draw())
    n, m = 1 + whole(40), 1 + whole(40)
    skewed = whole(20)
    if skewed < len(SKEWED):
        n, m = SKEWED[skewed]
    kind = whole(4)
    if kind == 2:
        points = np.array([draw() for _ in range(2 * (n + m))]).reshape(n + m, 2)
        cost = ((points[:n, None, :] - points[None, n:, :])**2).sum(2)
    else:
        cost = np.array([whole(5) if kind == 1 else draw() for _ in range(n * m)], dtype=float).reshape(n, m)
        if kind == 3:
            cost = cost**3
    power = (0, 1, 4)[whole(3)]
    masses = []
    for size in (n, m):
        x = [(draw() + 1e-3)**power for _ in range(size)]
        total = sum(x)
        masses.append(np.array(x) / total)
    return cost, *masses


def least_cost(cost, a, b):
    n, m = cost.shape
    rows = scipy.sparse.kron(scipy.sparse.eye(n), np.ones((1, m)))
    columns = scipy.sparse.kron(np.ones((1, n)), scipy.sparse.eye(m))
    # The last column follows from the rest.
    constraints = scipy.sparse.vstack([rows, columns.tocsr()[:-1]]).tocsr()
    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found = linprog(cost.ravel(), A_eq=constraints, b_eq=np.concatenate([a, b[:-1]]), method="highs", options=tight)
    assert found.status == 0, found.message
    return found.fun


costs = [float(f"{least_cost(*problem(seed)):.12g}") for seed in range(COUNT)]
path = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "transport-lp.json"
made = {"madeBy": "/usr/bin/python3 scripts/golden/transport_lp.py", "program": f"SciPy {scipy.__version__}, linprog by HiGHS",
        "commit": "orthokit 0e41b71 and this script", "seeds": [0, COUNT - 1]}
path.write_text(json.dumps({**made, "costs": costs}) + "\n", encoding="utf-8")
