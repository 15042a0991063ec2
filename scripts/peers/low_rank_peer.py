"""Matrix completion by alternating least squares in PyTorch, for low-rank.mjs.

usage: low_rank_peer.py loop|batched folder rows columns rank rounds
loop: the equations of one row after the other; batched: of many rows at once, padded to the longest of them.
Prints the seconds of all and of a round, the error, and by how much memory grew.
"""
import json
import os
import resource
import sys
import time

import numpy as np
import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
torch.set_grad_enabled(False)
ELEMENTS = 1 << 24  # of rows of the factor that are gathered at once


def lines(index, across, values, count):
    order = torch.argsort(index, stable=True)
    starts = torch.zeros(count + 1, dtype=torch.int64)
    starts[1:] = torch.bincount(index, minlength=count).cumsum(0)
    return starts.tolist(), across[order], values[order]


def loop(x, lines, ridge):
    starts, across, values = lines
    out = torch.empty(len(starts) - 1, x.shape[1])
    for i, (begin, end) in enumerate(zip(starts, starts[1:])):
        a = x[across[begin:end]]
        factor = torch.linalg.cholesky(a.T @ a + ridge)
        out[i] = torch.cholesky_solve((a.T @ values[begin:end])[:, None], factor)[:, 0]
    return out


def batched(x, lines, ridge):
    starts, across, values = lines
    starts = torch.tensor(starts)
    sizes, starts, rank = starts.diff(), starts[:-1], x.shape[1]
    padded = torch.cat([x, torch.zeros(1, rank)])
    out = torch.empty(len(sizes), rank)
    most = max(1, ELEMENTS // (int(sizes.max()) * rank))
    for first in range(0, len(sizes), most):
        size = sizes[first:first + most]
        at = starts[first:first + most, None] + torch.arange(int(size.max()))
        inside = at < (starts[first:first + most] + size)[:, None]
        at.clamp_(max=len(across) - 1)
        a = padded[torch.where(inside, across[at], x.shape[0])]
        y = torch.where(inside, values[at], 0.0)
        factor = torch.linalg.cholesky(a.mT @ a + ridge)
        out[first:first + most] = torch.cholesky_solve(a.mT @ y[:, :, None], factor)[:, :, 0]
    return out


form, folder, m, n, rank, rounds = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
rows, cols, values = (torch.from_numpy(np.fromfile(os.path.join(folder, name), kind)) for name, kind in
                      [("rows", np.int32), ("cols", np.int32), ("values", np.float32)])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin, processor = time.perf_counter(), time.process_time()
rows, cols = rows.long(), cols.long()
by_row, by_column = lines(rows, cols, values, m), lines(cols, rows, values, n)
fit = {"loop": loop, "batched": batched}[form]
ridge = 1e-6 * torch.eye(rank)
torch.manual_seed(1)
matrix = torch.sparse_coo_tensor(torch.stack([rows, cols]), values, (m, n)).coalesce()
u = torch.svd_lowrank(matrix, q=rank + 8, niter=2)[0][:, :rank]
started = time.process_time()
for _ in range(rounds):
    v = torch.linalg.qr(fit(torch.linalg.qr(u)[0], by_column, ridge))[0]
    u = fit(v, by_row, ridge)
ended = time.process_time()
error = float(((u[rows] * v[cols]).sum(1) - values).square().mean().sqrt())
print(json.dumps({"ms": 1000 * (ended - processor), "round_ms": 1000 * (ended - started) / rounds, "rmse": error,
                  "bytes": 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before),
                  "version": torch.__version__}))
