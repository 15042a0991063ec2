#!/usr/bin/env python3
"""Writes test/golden/omp.json: codes of scikit-learn's orthogonal_mp_gram, the Gram matrix given, in f64.

Run: /usr/bin/python3 scripts/golden/omp.py        (Debian's python3-sklearn; version and seeds are recorded)
The atoms are normalized, which scikit-learn assumes and does not check; so coefficients are those of atoms of norm 1.
Data: SplitMix64, value 2u - 1, row by row; the same as test/support/splitmix.ts.
"""
import json
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn.linear_model import orthogonal_mp_gram

from splitmix import splitmix


PROBLEMS = [
    {"atoms": 64, "length": 16, "signals": 4, "seeds": [11, 12], "k": 6},
    {"atoms": 300, "length": 40, "signals": 6, "seeds": [21, 22], "k": 12},
    {"atoms": 300, "length": 40, "signals": 6, "seeds": [21, 22], "tol": 2.5},
    {"atoms": 33, "length": 33, "signals": 3, "seeds": [31, 32], "k": 20},
]


def code(problem):
    atoms = splitmix(problem["atoms"], problem["length"], problem["seeds"][0])
    atoms /= np.sqrt((atoms**2).sum(1, keepdims=True))
    y = splitmix(problem["signals"], problem["length"], problem["seeds"][1])
    dense = orthogonal_mp_gram(
        atoms @ atoms.T,
        atoms @ y.T,
        n_nonzero_coefs=problem.get("k"),
        tol=problem.get("tol"),
        norms_squared=(y**2).sum(1),
    ).T
    return [
        {"atoms": [int(j) for j in np.flatnonzero(row)], "coefficients": [row[j] for j in np.flatnonzero(row)]}
        for row in dense
    ]


warnings.simplefilter("error")  # scikit-learn warns where it gives up
codes = [{**problem, "codes": code(problem)} for problem in PROBLEMS]
golden = {
    "program": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}: orthogonal_mp_gram",
    "madeBy": "/usr/bin/python3 scripts/golden/omp.py",
    "problems": codes,
}
path = pathlib.Path(__file__).parents[2] / "test" / "golden" / "omp.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
