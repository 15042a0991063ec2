"""python3 scripts/peers/transport_peer.py <plane | uniform> <size> <method>: transport in POT, or the dual by SciPy's L-BFGS."""
import sys
import warnings

import numpy as np
from peer_race import race, skip

kind, size, method = sys.argv[1], int(sys.argv[2]), sys.argv[3]
TOL = 1e-9
case = f"{kind} {size}"


def split_mix(count, seed):
    state = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, count + 1, dtype=np.uint64)
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


np.seterr(over="ignore")
warnings.simplefilter("ignore")
if kind == "uniform":
    cost, largest = split_mix(size * size, 1).reshape(size, size), 1.0
else:
    points = split_mix(4 * size, 1).reshape(2 * size, 2)
    cost = ((points[:size, None, :] - points[None, size:, :]) ** 2).sum(2)
    largest = cost.max()
eps = largest * 1e-3
uniform = np.full(size, 1 / size)


def error_of(plan):
    return np.abs(plan.sum(0) - uniform).sum() + np.abs(plan.sum(1) - uniform).sum()


if method == "lbfgs":
    import scipy
    from scipy.optimize import minimize

    def dual(x):
        scaled = (x[:, None] - cost) / eps
        most = scaled.max(0)
        exps = np.exp(scaled - most)
        sums = exps.sum(0)
        y = eps * (np.log(uniform) - most - np.log(sums))
        rows = (exps * (uniform / sums)).sum(1)
        return -(x @ uniform + y @ uniform) / eps, (rows - uniform) / eps

    def work():
        found = minimize(dual, np.zeros(size), jac=True, method="L-BFGS-B",
                         options={"maxiter": 20000, "maxfun": 40000, "ftol": 0, "gtol": TOL / size / eps})
        return np.abs(dual(found.x)[1]).sum() * eps

    version, reached = f"scipy {scipy.__version__}", work()
else:
    import ot

    # POT stops by the L2 error of one marginal: this is no weaker than ours.
    def work():
        return error_of(ot.sinkhorn(uniform, uniform, cost, eps, method=method, numItermax=100000,
                                    stopThr=TOL / np.sqrt(size)))

    version, reached = f"POT {ot.__version__}", work()

if reached > 100 * TOL:
    skip(f"{version} {method}", case, f"ended with an error of {reached:.1e}")
else:
    race(f"{version} {method}", version, case, work, rounds=1 if size > 500 else 3)
