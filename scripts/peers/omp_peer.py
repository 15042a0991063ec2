"""python3 scripts/peers/omp_peer.py <peer> <atoms> <length> <k> <signals>: one line of JSON.

Peers: sklearn (orthogonal_mp_gram, its Gram matrix given), torch-gram and torch-products (batched pursuits, written as one
would write them in PyTorch). All in f32 and on one thread, in memory that is reused, after a run to warm up. Time is that of
the process, without the Gram matrix; of several runs the least.
"""
import json
import sys
import time
import warnings

import numpy as np

peer = sys.argv[1]
n, d, k, signals = map(int, sys.argv[2:])
rng = np.random.default_rng(1)
atoms = rng.standard_normal((n, d), dtype=np.float32)
atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
y = rng.standard_normal((signals, d), dtype=np.float32)


def sklearn_gram():
    import sklearn
    from sklearn.linear_model import orthogonal_mp_gram

    warnings.simplefilter("ignore")
    gram = atoms @ atoms.T

    def run():
        return orthogonal_mp_gram(gram, atoms @ y.T, n_nonzero_coefs=k).T @ atoms

    return run, f"scikit-learn {sklearn.__version__}"


def torch_pursuit(by_gram):
    import torch

    torch.set_num_threads(1)
    D, Y = torch.from_numpy(atoms), torch.from_numpy(y)
    rows_of = D @ D.T if by_gram else D
    # Of each signal the rows that belong to its atoms so far, each gathered once.
    chosen = torch.empty(signals, k, rows_of.shape[1])
    index = torch.empty(signals, k, dtype=torch.long)
    L = torch.zeros(signals, k, k)
    p0, p, rest = torch.empty(signals, n), torch.empty(signals, n), torch.empty(signals, d)

    @torch.no_grad()
    def run():
        torch.mm(Y, D.T, out=p0)
        p.copy_(p0)
        for t in range(k):
            j = p.abs_().scatter_(1, index[:, :t], -1).argmax(1)
            rows = rows_of[j]
            if t > 0:
                if by_gram:
                    cross = rows.gather(1, index[:, :t])
                else:
                    cross = torch.bmm(chosen[:, :t], rows[:, :, None])[:, :, 0]
                l = torch.linalg.solve_triangular(L[:, :t, :t], cross[:, :, None], upper=False)[:, :, 0]
                L[:, t, :t] = l
                L[:, t, t] = (1 - l.square().sum(1)).clamp_min(1e-12).sqrt()
            else:
                L[:, 0, 0] = 1
            chosen[:, t] = rows
            index[:, t] = j
            so_far = index[:, : t + 1]
            w = torch.cholesky_solve(p0.gather(1, so_far)[:, :, None], L[:, : t + 1, : t + 1]).transpose(1, 2)
            if by_gram:
                torch.baddbmm(p0[:, None], w, chosen[:, : t + 1], alpha=-1, out=p[:, None])
            else:
                torch.baddbmm(Y[:, None], w, chosen[:, : t + 1], alpha=-1, out=rest[:, None])
                torch.mm(rest, D.T, out=p)
        return (w @ D[index])[:, 0].numpy()

    return run, f"torch {torch.__version__}"


run, version = {
    "sklearn": sklearn_gram,
    "torch-gram": lambda: torch_pursuit(True),
    "torch-products": lambda: torch_pursuit(False),
}[peer]()
times = []
while len(times) < 4 and sum(times) < 20:
    begin = time.process_time()
    approximation = run()
    times.append(time.process_time() - begin)
rest = np.linalg.norm(y - approximation, axis=1) / np.linalg.norm(y, axis=1)
# The first run warms up, unless it is so long that it is the only one.
least = 1e3 * min(times[1:] or times)
print(json.dumps({"peer": peer, "version": version, "runs": len(times), "residual": float(rest.mean()),
                  "median_ms": least, "min_ms": least}))
