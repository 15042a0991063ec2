"""The side of SciPy of lanczos.mjs: a request a line, an answer a line.

usage: lanczos_peer.py threads
"""
import json
import sys
import time

import numpy as np
import scipy
from scipy.sparse import diags, identity, kron
from scipy.sparse.linalg import LinearOperator, eigsh

clock = time.process_time if sys.argv[1] == "1" else time.perf_counter
matrix, start, count = None, None, 0


def stencil(side):
    line = diags([-1.0, 2.0, -1.0], [-1, 0, 1], shape=(side, side))
    return (kron(line, identity(side)) + kron(identity(side), line)).tocsr()


def apply(x):
    global count
    count += 1
    return matrix @ x


def prepare(request):
    global matrix, start
    n = request["n"]
    dense = request["kind"] == "dense"
    matrix = np.fromfile(request["file"]).reshape(n, n) if dense else stencil(request["side"])
    start = np.fromfile(request["start"])
    largest = eigsh(matrix, k=1, which="LA", v0=start, tol=1e-12, ncv=60, return_eigenvectors=False)[0]
    return {"version": scipy.__version__, "largest": float(largest)}


def solve(request):
    global count
    count = 0
    operator = LinearOperator(matrix.shape, matvec=apply, dtype=np.float64)
    begin = clock()
    values = eigsh(operator, k=1, which="LA", v0=start, ncv=request["ncv"], tol=request["tol"], return_eigenvectors=False)
    milliseconds = 1000 * (clock() - begin)
    return {"milliseconds": milliseconds, "value": float(values[0]), "products": count}


for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(prepare(asked) if "start" in asked else solve(asked)), flush=True)
