"""A step of M-FAC in PyTorch, for m-fac.mjs.

usage: m_fac_peer.py authors|woodbury folder window parameters steps gradients damp lr
`authors` has the recurrences of the authors' program, optim.py, without its CUDA kernels: D by a triangular factor without
pivots, which torch.lu cannot make on a CPU and Cholesky's factor is up to the lengths of its rows, B row by row from the ring's
slot on, and a product that is a loop over the window. `woodbury` solves with the same factor and needs neither. Slots are taken
all over the ring, as what a step of the authors' costs depends on its own. Prints milliseconds of the processor of steps, and where they lead.
"""
import json
import os
import sys
import time

import numpy as np
import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
torch.set_grad_enabled(False)
form, folder = sys.argv[1:3]
m, d, steps, different = map(int, sys.argv[3:7])
damp, lr = map(float, sys.argv[7:9])
steps = max(steps, different)
lambd = 1 / damp

given = torch.from_numpy(np.fromfile(os.path.join(folder, "gradients"), np.float32)).reshape(different, d)
grads = torch.zeros(m, d)
dots = torch.zeros(m, m)
coef = lambd * torch.eye(m)
w = torch.zeros(d)


def authors(last, g, products):
    upper = torch.linalg.cholesky(lambd * dots + m * torch.eye(m)).t()
    upper = upper.diagonal()[:, None] * upper
    d_matrix = torch.triu(upper - m * torch.eye(m))
    denom = m + torch.diagonal(d_matrix)
    tmp = -d_matrix.t().contiguous() / denom.reshape(1, -1)
    for i in range(max(last, 1), m):
        coef[i, :i] = tmp[i, :i].matmul(coef[:i, :i])
    z = lambd * products
    for i in range(1, m):
        z[i:].sub_(d_matrix[i - 1, i:], alpha=z[i - 1] / denom[i - 1])
    return lambd * g - (z / denom).matmul(coef).matmul(grads)


def woodbury(last, g, products):
    factor = torch.linalg.cholesky(dots.double() + m * damp * torch.eye(m, dtype=torch.float64))
    y = torch.cholesky_solve(products.double()[:, None], factor)[:, 0]
    return lambd * (g - y.float().matmul(grads))


place, times = None, []
for step in range(steps):
    begin = time.process_time()
    last = step * max(1, m // steps) % m
    g = given[step % different].clone()
    grads[last] = g
    products = grads.matmul(g)
    dots[last] = products
    dots[:, last] = products
    w.add_({"authors": authors, "woodbury": woodbury}[form](last, g, products), alpha=-lr)
    times.append(1000 * (time.process_time() - begin))
    if step == different - 1:
        place = w[:8].tolist()
later = times[1:]
print(json.dumps({"min_ms": min(later), "median_ms": float(np.median(later)), "place": place, "version": torch.__version__}))
