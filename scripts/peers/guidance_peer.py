"""Adaptive projected guidance by PyTorch, as its paper publishes it, for guidance.mjs.

usage: guidance_peer.py folder rounds shape…
"""
import json
import os
import sys
import time

import numpy as np
import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
torch.set_grad_enabled(False)

folder, rounds, shape = sys.argv[1], int(sys.argv[2]), [int(x) for x in sys.argv[3:]]
axes = list(range(1, len(shape)))
scale, momentum, threshold, eta = 5, -0.5, 15, 0


def read(name):
    return torch.from_numpy(np.fromfile(os.path.join(folder, name), np.float32)).reshape(shape)


def project(v0, v1):
    dtype = v0.dtype
    v0, v1 = v0.double(), v1.double()
    v1 = v1 / v1.square().sum(axes, keepdim=True).sqrt()
    parallel = (v0 * v1).sum(axes, keepdim=True) * v1
    return parallel.to(dtype), (v0 - parallel).to(dtype)


def guide(cond, uncond, average):
    diff = cond - uncond
    average = diff + momentum * average
    diff = average
    norm = diff.norm(p=2, dim=axes, keepdim=True)
    diff = diff * torch.minimum(torch.ones_like(diff), threshold / norm)
    parallel, orthogonal = project(diff, cond)
    return cond + (scale - 1) * (orthogonal + eta * parallel), average


cond, uncond = read("cond"), read("uncond")
average, times = 0, []
for _ in range(rounds):
    begin = time.process_time()
    out, average = guide(cond, uncond, average)
    times.append(1000 * (time.process_time() - begin))
own = read("out")
print(json.dumps({"min_ms": min(times), "error": float((out - own).norm() / out.norm()), "version": torch.__version__}))
