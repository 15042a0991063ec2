"""python3 scripts/peers/transport_peer.py <kind> <size> <method>: a problem of transport.mjs in POT, or its dual by SciPy."""
import sys
import time
import warnings

import numpy as np
from peer_race import print_times, race, skip

kind, size, method = sys.argv[1], int(sys.argv[2]), sys.argv[3]
is_hard = kind.startswith("ring-") or kind == "uniform-hard"
TOL = 1e-12 if is_hard else 1e-9
case = f"{kind} {size}"


def split_mix(count, seed):
    state = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, count + 1, dtype=np.uint64)
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


np.seterr(over="ignore")
warnings.simplefilter("ignore")
def ring(metric):
    """A ring and a bar as masses on a picture of 28 x 28 pixels, costs by distance."""
    points = np.stack(np.meshgrid(np.arange(28) / 28, np.arange(28) / 28, indexing="ij"), -1).reshape(-1, 2)
    apart = points[:, None, :] - points[None, :, :]
    costs = {"sqeuclidean": (apart ** 2).sum(2), "euclidean": np.sqrt((apart ** 2).sum(2)), "l1": np.abs(apart).sum(2)}
    start, along = np.array([0.15, 0.55]), np.array([0.7, -0.1])
    t = np.clip((points - start) @ along / (along @ along), 0, 1)
    to_bar = np.linalg.norm(points - start - t[:, None] * along, axis=1)
    bump = lambda x: np.exp(-x ** 2 / (2 * 0.05 ** 2)) + 0.01
    masses = bump(np.linalg.norm(points - 0.5, axis=1) - 0.28), bump(to_bar)
    return costs[metric], masses[0] / masses[0].sum(), masses[1] / masses[1].sum()


rows = columns = np.full(size, 1 / size)
if kind.startswith("ring-"):
    cost, rows, columns = ring(kind[5:])
elif kind.startswith("uniform"):
    cost = split_mix(size * size, 1).reshape(size, size)
else:
    points = split_mix(4 * size, 1).reshape(2 * size, 2)
    cost = ((points[:size, None, :] - points[None, size:, :]) ** 2).sum(2)
eps = 1 / 1200 if is_hard else 1e-3 * (1.0 if kind == "uniform" else cost.max())


def error_of(plan):
    return np.abs(plan.sum(1) - rows).sum() + np.abs(plan.sum(0) - columns).sum()


if method == "lbfgs":
    import scipy
    from scipy.optimize import minimize

    def dual(x):
        scaled = (x[:, None] - cost) / eps
        most = scaled.max(0)
        exps = np.exp(scaled - most)
        sums = exps.sum(0)
        y = eps * (np.log(columns) - most - np.log(sums))
        return -(x @ rows + y @ columns) / eps, ((exps * (columns / sums)).sum(1) - rows) / eps

    def work():
        found = minimize(dual, np.zeros(size), jac=True, method="L-BFGS-B",
                         options={"maxiter": 20000, "maxfun": 40000, "ftol": 0, "gtol": TOL / size / eps})
        return np.abs(dual(found.x)[1]).sum() * eps

    version = f"scipy {scipy.__version__}"
else:
    import ot

    # POT stops by the L2 error of one marginal: this is no weaker than ours.
    def work():
        return error_of(ot.sinkhorn(rows, columns, cost, eps, method=method, numItermax=100000,
                                    stopThr=TOL / np.sqrt(size)))

    version = f"POT {ot.__version__}"

# This run warms up, unless it is so long that it is the only one.
start = time.process_time()
reached = work()
spent = (time.process_time() - start) * 1e3
if reached > 100 * TOL:
    skip(f"{version} {method}", case, f"ended with an error of {reached:.1e} after {spent:.0f} ms", reached, spent)
elif spent > 3000:
    print_times(f"{version} {method}", version, case, [spent], reached)
else:
    race(f"{version} {method}", version, case, work, rounds=3)
