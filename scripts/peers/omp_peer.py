"""python3 scripts/peers/omp_peer.py <peer> <atoms> <length> <k> <signals>: one line of JSON.

Peers: sklearn (orthogonal_mp_gram, f64, its Gram matrix given), torch-gram and torch-products (batched pursuits in f32,
on one thread, written as one would write them in PyTorch). Time is that of the process, without the Gram matrix.
"""
import json
import sys
import time
import warnings

import numpy as np

peer = sys.argv[1]
n, d, k, signals = map(int, sys.argv[2:])
rng = np.random.default_rng(1)
atoms = rng.standard_normal((n, d))
atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
y = rng.standard_normal((signals, d))


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
    D, Y = torch.tensor(atoms, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    gram = D @ D.T if by_gram else None

    @torch.no_grad()
    def run():
        p0 = Y @ D.T
        p, rest = p0, Y
        index = torch.empty(signals, 0, dtype=torch.long)
        L = torch.zeros(signals, k, k)
        for t in range(k):
            j = p.abs().scatter(1, index, -1).argmax(1)
            cross = (gram[j] if by_gram else D[j] @ D.T).gather(1, index)
            if t > 0:
                l = torch.linalg.solve_triangular(L[:, :t, :t], cross[:, :, None], upper=False)[:, :, 0]
                L[:, t, :t] = l
                L[:, t, t] = (1 - l.square().sum(1)).clamp_min(1e-12).sqrt()
            else:
                L[:, 0, 0] = 1
            index = torch.cat([index, j[:, None]], 1)
            w = torch.cholesky_solve(p0.gather(1, index)[:, :, None], L[:, : t + 1, : t + 1])
            if by_gram:
                p = p0 - (w.transpose(1, 2) @ gram[index])[:, 0]
            else:
                rest = Y - (w.transpose(1, 2) @ D[index])[:, 0]
                p = rest @ D.T
        return (w.transpose(1, 2) @ D[index])[:, 0].numpy()

    return run, f"torch {torch.__version__}"


run, version = {
    "sklearn": sklearn_gram,
    "torch-gram": lambda: torch_pursuit(True),
    "torch-products": lambda: torch_pursuit(False),
}[peer]()
times = []
for _ in range(3):
    begin = time.process_time()
    approximation = run()
    times.append(time.process_time() - begin)
rest = np.linalg.norm(y - approximation, axis=1) / np.linalg.norm(y, axis=1)
print(json.dumps({"peer": peer, "version": version, "per_second": signals / min(times), "residual": float(rest.mean())}))
