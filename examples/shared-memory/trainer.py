#!/usr/bin/env python3
"""Computes gradients of tanh networks for train.mjs, in PyTorch, or in NumPy where there is none.

Weights and data lie in memory of the Node.js process, gradients in memory of this one; lines of JSON on the standard input
and output say where, and whose turn it is.
"""
import fcntl
import json
import mmap
import os
import sys

import numpy as np

try:
    import torch
except ImportError:
    torch = None
if "--numpy" in sys.argv:
    torch = None

F_ADD_SEALS, F_SEAL_SHRINK, F_SEAL_GROW = 1033, 2, 4


def attach(handle):
    """An array over memory of another process: what either writes, both see."""
    with open(f"/proc/{handle['pid']}/fd/{handle['fd']}", "r+b") as file:
        memory = mmap.mmap(file.fileno(), handle["bytes"])
    assert handle["dtype"] == "f64"
    count = int(np.prod(handle["shape"]))
    return np.frombuffer(memory, np.float64, count, handle["offset"]).reshape(handle["shape"])


def share(shape):
    """An array of zeros in memory that other processes can map, and its handle."""
    size = 8 * int(np.prod(shape))
    name = f"gradient-{os.urandom(16).hex()}"
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    # Without the seals a mistake here could end the process over there.
    fcntl.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)
    array = np.frombuffer(mmap.mmap(fd, size), np.float64).reshape(shape)
    return array, {"dtype": "f64", "shape": shape, "name": name, "pid": os.getpid(), "fd": fd, "bytes": size}


def torch_step(x, y, up, down, out):
    """The loss, and its gradients into `out`. The tensors stand on the shared memory."""
    weights = [torch.from_numpy(w).requires_grad_() for w in (up, down)]
    loss = (torch.tanh(torch.from_numpy(x) @ weights[0].T) @ weights[1].T - torch.from_numpy(y)).square().mean()
    loss.backward()
    for array, weight in zip(out, weights):
        array[...] = weight.grad.numpy()
    return loss.item()


def numpy_step(x, y, up, down, out):
    """The same by hand."""
    hidden = np.tanh(x @ up.T)
    error = hidden @ down.T - y
    back = 2 / error.size * error
    out[1][...] = back.T @ hidden
    out[0][...] = ((back @ down) * (1 - hidden**2)).T @ x
    return float(np.mean(error**2))


first = json.loads(sys.stdin.readline())
x, y, up, down = (attach(handle) for handle in first)
gradients, handles = zip(*(share(list(weight.shape)) for weight in (up, down)))
program = f"PyTorch {torch.__version__}" if torch else f"NumPy {np.__version__}"
print(json.dumps({"gradients": handles, "program": program}), flush=True)
# The end of the standard input is the end of the other process, however it came about.
for _ in sys.stdin:
    print(json.dumps({"loss": (torch_step if torch else numpy_step)(x, y, up, down, gradients)}), flush=True)
