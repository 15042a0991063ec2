"""python3 scripts/peers/transport_points_peer.py <pot|numpy|torch> <size> <coordinates> <sweeps>: what transport-points.mjs times."""
import sys
import warnings

import numpy as np
from peer_race import race

peer, size, dimension, sweeps = sys.argv[1], *map(int, sys.argv[2:5])
BLOCK = 256  # rows of the matrix of distances at once
random = np.random.default_rng(1)
x, y = random.random((size, dimension)), random.random((size, dimension))
masses = np.full(size, 1 / size)
eps = dimension / 64
warnings.simplefilter("ignore")

if peer == "pot":
    import ot

    def work():
        ot.bregman.sinkhorn_log(masses, masses, ot.dist(x, y), eps, numItermax=sweeps, stopThr=0)

    version = f"POT {ot.__version__}"
elif peer == "numpy":
    def half(own, own_squares, other, other_squares, potential):
        """eps (ln a - LSE of a side), in blocks."""
        out = np.empty(size)
        for i in range(0, size, BLOCK):
            exponents = own[i:i + BLOCK] @ other.T
            exponents *= 2
            exponents -= other_squares
            exponents -= own_squares[i:i + BLOCK, None]
            exponents += potential
            exponents /= eps
            most = exponents.max(1)
            exponents -= most[:, None]
            np.exp(exponents, out=exponents)
            out[i:i + BLOCK] = np.log(exponents.sum(1)) + most
        return eps * (np.log(masses) - out)

    def work():
        squares = (x ** 2).sum(1), (y ** 2).sum(1)
        g = np.zeros(size)
        for _ in range(sweeps):
            f = half(x, squares[0], y, squares[1], g)
            g = half(y, squares[1], x, squares[0], f)

    version = f"numpy {np.__version__}"
else:
    import torch

    torch.set_num_threads(1)
    xs, ys, logs = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(np.log(masses))

    def half(own, other, other_squares, potential):
        out = []
        for i in range(0, size, BLOCK):
            block = own[i:i + BLOCK]
            costs = torch.addmm(other_squares + (block ** 2).sum(1, keepdim=True), block, other.T, alpha=-2)
            out.append(torch.logsumexp((potential - costs) / eps, 1))
        return eps * (logs - torch.cat(out))

    def work():
        with torch.no_grad():
            g = torch.zeros(size, dtype=torch.float64)
            for _ in range(sweeps):
                f = half(xs, ys, (ys ** 2).sum(1), g)
                g = half(ys, xs, (xs ** 2).sum(1), f)

    version = f"torch {torch.__version__}"

race(f"{version} {peer}", version, f"points {size} × {dimension}", work, rounds=3)
