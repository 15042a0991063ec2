#!/usr/bin/env python3
"""Writes test/golden/completion.json: errors of matrix completion by plain alternating least squares, by NumPy, in f64.

Run: /usr/bin/python3 scripts/golden/completion.py        (Debian's python3-numpy; version and seeds are recorded)
Method: the largest left singular vectors of the entries, others 0; then in turns numpy.linalg.lstsq of each column and of
each row, the factor that it stands on made orthonormal by numpy.linalg.qr.
Data: a product of the orthonormal columns of two matrices of SplitMix64, value 2u - 1; an entry is known where a third
stream's u is below `share`, row by row.
"""
import json
import pathlib

import numpy as np

from splitmix import splitmix, uniform

ROUNDS = 20


def orthonormal(x):
    q, r = np.linalg.qr(x)
    return q * np.sign(np.diag(r))


def fitted(x, values, known):
    """The row w of each column of `values` for which x wᵀ is nearest to its known entries."""
    return np.array([np.linalg.lstsq(x[of], y[of], rcond=None)[0] for y, of in zip(values.T, known.T)])


def solved(problem):
    (m, n), k, (first, second, third) = problem["shape"], problem["rank"], problem["seeds"]
    matrix = orthonormal(splitmix(m, k, first)) @ orthonormal(splitmix(n, k, second)).T
    stream = uniform(third)
    known = np.array([next(stream) for _ in range(m * n)]).reshape(m, n) < problem["share"]
    u = np.linalg.svd(np.where(known, matrix, 0))[0][:, :k]
    errors = []
    for _ in range(ROUNDS):
        v = orthonormal(fitted(orthonormal(u), matrix, known))
        u = fitted(v, matrix.T, known.T)
        errors.append(float(np.linalg.norm(u @ v.T - matrix) / np.linalg.norm(matrix)))
    return {**problem, "rounds": ROUNDS, "error": errors[-1], "contraction": errors[-1] / errors[-2]}


PROBLEMS = [
    {"shape": [100, 100], "rank": 3, "share": 0.3, "seeds": [1, 2, 3]},
    {"shape": [200, 150], "rank": 5, "share": 0.3, "seeds": [4, 5, 6]},
    {"shape": [200, 150], "rank": 5, "share": 0.3, "seeds": [7, 8, 9]},
    {"shape": [200, 200], "rank": 4, "share": 0.1, "seeds": [10, 11, 12]},
]

golden = {
    "program": f"numpy {np.__version__}: numpy.linalg.svd, lstsq, qr",
    "madeBy": "/usr/bin/python3 scripts/golden/completion.py",
    "problems": [solved(problem) for problem in PROBLEMS],
}
path = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "completion.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
