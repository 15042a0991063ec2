#!/usr/bin/env python3
"""Writes test/golden/dense.json: factorizations of small matrices by SciPy's LAPACK, in f64.

Run: /usr/bin/python3 scripts/golden/dense.py        (Debian's python3-scipy; version and seeds are recorded)
Data: SplitMix64, value 2u - 1, row by row; the same as test/support/splitmix.ts. Signs are made those of the operations:
the diagonal of R is not negative; of each singular vector on the left and of each eigenvector, the first entry that has
nine tenths of the size of the largest is positive.
"""
import json
import pathlib

import numpy as np
import scipy
from scipy import linalg

from splitmix import splitmix


def signs(vectors):
    sizes = np.abs(vectors)
    first = (sizes >= 0.9 * sizes.max(0)).argmax(0)
    return np.where(vectors[first, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)


def factored(problem):
    rows, columns = problem["shape"]
    seeds = problem["seeds"]
    x = splitmix(rows, columns, seeds[0])
    q, r = linalg.qr(x, mode="economic")
    flip = np.where(np.diag(r) < 0, -1.0, 1.0)
    u, s, vt = linalg.svd(x, full_matrices=False)
    turn = signs(u)
    lu, swaps = linalg.lapack.dgetrf(x)[:2]
    pivots = np.arange(rows)
    for k, other in enumerate(swaps):
        pivots[[k, other]] = pivots[[other, k]]
    result = {
        "qr": {"q": q * flip, "r": r * flip[:, None]},
        "svd": {"u": u * turn, "s": s, "v": vt.T * turn},
        "lu": {"lu": lu, "pivots": pivots},
    }
    if rows == columns:
        b = splitmix(rows, 2, seeds[1])
        values, vectors = linalg.eigh(x, lower=True)
        gram = x @ x.T + np.eye(rows) / 8
        result |= {
            "luSolve": linalg.solve(x, b),
            "eigh": {"values": values, "vectors": vectors * signs(vectors)},
            "cholesky": linalg.cholesky(gram, lower=True),
            "choleskySolve": linalg.solve(gram, b, assume_a="pos"),
        }
    return {**problem, **result}


def plain(value):
    if isinstance(value, np.ndarray):
        return [float(x) if value.dtype == float else int(x) for x in value.ravel()]
    return {name: plain(own) for name, own in value.items()} if isinstance(value, dict) else value


PROBLEMS = [
    {"shape": [6, 6], "seeds": [1, 2]},
    {"shape": [7, 4], "seeds": [3]},
    {"shape": [4, 7], "seeds": [4]},
    {"shape": [9, 9], "seeds": [5, 6]},
]

golden = {
    "program": f"SciPy {scipy.__version__}, numpy {np.__version__}: scipy.linalg",
    "madeBy": "/usr/bin/python3 scripts/golden/dense.py",
    "problems": [plain(factored(problem)) for problem in PROBLEMS],
}
path = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "dense.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
