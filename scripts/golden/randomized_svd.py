#!/usr/bin/env python3
"""Writes test/golden/randomized-svd.json: the largest singular values and the best matrices of their rank, by NumPy, in f64.

Run: /usr/bin/python3 scripts/golden/randomized_svd.py        (Debian's python3-numpy; version and seeds are recorded)
Data: products of two matrices of SplitMix64, value 2u - 1, row by row, between which the columns are scaled by `decay` to
the power of their number, or by 0 from `exact` on. Decays are such that the randomized method, with its default options,
has no error but rounding.
"""
import json
import pathlib

import numpy as np

from splitmix import splitmix


def solved(problem):
    rows, columns = problem["shape"]
    inner = min(rows, columns)
    scales = problem["decay"] ** np.arange(inner)
    scales[problem.get("exact", inner) :] = 0
    left, right = (splitmix(*shape, seed) for shape, seed in zip([(rows, inner), (inner, columns)], problem["seeds"]))
    x = (left * scales) @ right
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    rank = problem["rank"]
    best = (u[:, :rank] * s[:rank]) @ vt[:rank]
    plain = lambda values: [float(value) for value in values.ravel()]
    return {**problem, "x": plain(x), "s": plain(s[:rank]), "best": plain(best)}


PROBLEMS = [
    {"shape": [12, 12], "rank": 3, "decay": 0.25, "seeds": [1, 2]},
    {"shape": [24, 14], "rank": 5, "decay": 0.5, "seeds": [3, 4]},
    {"shape": [14, 24], "rank": 2, "decay": 0.5, "seeds": [5, 6]},
    {"shape": [20, 18], "rank": 4, "decay": 1.0, "exact": 4, "seeds": [7, 8]},
]

golden = {
    "program": f"numpy {np.__version__}: numpy.linalg.svd",
    "madeBy": "/usr/bin/python3 scripts/golden/randomized_svd.py",
    "problems": [solved(problem) for problem in PROBLEMS],
}
path = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "randomized-svd.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
