#!/usr/bin/env python3
"""Writes test/golden/conv-orth.json: L_orth of small convolutions, its gradient and their singular values, in f64.

Run: /usr/bin/python3 scripts/golden/conv_orth.py      (Debian's python3-torch and python3-numpy; versions are recorded)
Data: SplitMix64, (2u - 1) * scale, kernels [O, k, k, C] in that order; the same as test/support/splitmix.ts.
The loss is conv2d of the kernels over themselves, its gradient by autograd. The singular values are those of the whole
matrix of the convolution over circular images of side `size`, built from images that are 0 but for one element.
`reference` is what the authors' program returns, squared (imagenet/utils.py, deconv_orth_dist, whose padding is 1).
"""
import json
import pathlib

import numpy as np
import torch
from torch.nn.functional import conv2d, pad

from splitmix import splitmix


def kernels(problem):
    outputs, channels, side = problem["shape"]
    x = splitmix(outputs * side * side, channels, problem["seed"]) * problem["scale"]
    return torch.from_numpy(x.reshape(outputs, side, side, channels))


def self_correlation(kernel, stride, padding):
    """R - I of kernels [O, k, k, C]."""
    first = kernel.permute(0, 3, 1, 2)
    r = conv2d(first, first, stride=stride, padding=padding)
    centre = r.shape[-1] // 2
    target = torch.zeros_like(r)
    target[:, :, centre, centre] = torch.eye(r.shape[0], dtype=r.dtype)
    return r - target


def loss_of(kernel, stride):
    outputs, side, _, channels = kernel.shape
    r = self_correlation(kernel, stride, (side - 1) // stride * stride)
    return (r**2).sum() - max(0, outputs - channels * stride**2)


def matrix(kernel, stride, size):
    """Of the circular convolution, a column for each element of the images."""
    side, channels = kernel.shape[1], kernel.shape[3]
    images = torch.eye(channels * size * size, dtype=kernel.dtype).reshape(-1, channels, size, size)
    wrapped = pad(images, (0, side - 1, 0, side - 1), mode="circular")
    return conv2d(wrapped, kernel.permute(0, 3, 1, 2), stride=stride).reshape(images.shape[0], -1).T.numpy()


def solved(problem):
    stride, size = problem["stride"], problem["size"]
    kernel = kernels(problem).requires_grad_(True)
    loss = loss_of(kernel, stride)
    loss.backward()
    plain = kernel.detach()
    return {
        **problem,
        "loss": loss.item(),
        "gradient": kernel.grad.ravel().tolist(),
        "singularValues": np.linalg.svd(matrix(plain, stride, size), compute_uv=False).tolist(),
        "reference": (self_correlation(plain, stride, 1) ** 2).sum().item() if problem["shape"][2] == 3 else None,
    }


def descended(problem):
    kernel = kernels(problem)
    losses = []
    for step in range(problem["steps"] + 1):
        kernel = kernel.detach().requires_grad_(True)
        loss = loss_of(kernel, problem["stride"])
        losses.append(loss.item())
        loss.backward()
        if step < problem["steps"]:
            kernel = kernel - problem["rate"] * kernel.grad
    last = np.linalg.svd(matrix(kernel.detach(), problem["stride"], problem["size"]), compute_uv=False)
    first = np.linalg.svd(matrix(kernels(problem), problem["stride"], problem["size"]), compute_uv=False)
    ends = lambda values: [float(values.min()), float(values.max())]
    return {**problem, "losses": [losses[0], losses[20], losses[-1]], "first": ends(first), "last": ends(last)}


def shape(outputs, channels, side, stride, size, seed, scale=0.3):
    return {"shape": [outputs, channels, side], "stride": stride, "size": size, "seed": seed, "scale": scale}


PROBLEMS = [
    shape(4, 6, 3, 1, 5, 1),
    shape(16, 4, 3, 2, 6, 2),
    shape(20, 4, 3, 2, 6, 3),
    shape(3, 2, 5, 1, 9, 4),
    shape(3, 2, 5, 2, 10, 5),
    shape(7, 3, 1, 1, 4, 6, 0.6),
    shape(10, 3, 3, 1, 5, 7),
    shape(5, 3, 2, 3, 6, 8, 0.6),
]
DESCENTS = [
    {**shape(4, 6, 3, 1, 8, 11, 0.32), "rate": 0.02, "steps": 2000},
    {**shape(16, 4, 3, 2, 8, 12, 0.32), "rate": 0.02, "steps": 2000},
]

torch.set_num_threads(1)
golden = {
    "program": f"PyTorch {torch.__version__}: conv2d and autograd; numpy {np.__version__}: numpy.linalg.svd",
    "madeBy": "/usr/bin/python3 scripts/golden/conv_orth.py",
    "seeds": [problem["seed"] for problem in PROBLEMS + DESCENTS],
}
path = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "conv-orth.json"
lines = [json.dumps(one) for one in [*map(solved, PROBLEMS)]], [json.dumps(one) for one in map(descended, DESCENTS)]
text = ",\n ".join(f'"{name}": {json.dumps(value)}' for name, value in golden.items())
for name, some in zip(("problems", "descents"), lines):
    text += f',\n "{name}": [\n  ' + ",\n  ".join(some) + "\n ]"
path.write_text("{\n " + text + "\n}\n")
