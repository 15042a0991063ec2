#!/usr/bin/env python3
"""Writes test/golden/network.json: losses, gradients and turned rows by PyTorch, in f64.

Run: /usr/bin/python3 scripts/golden/network.py        (Debian's python3-torch; version and seeds are recorded)
Data: matrices of SplitMix64, value 2u - 1, row by row; class weights are |value| + 0.5.
"""
import json
import pathlib

import torch
from torch.nn import functional

from splitmix import splitmix

ROWS, CLASSES, IGNORED = 6, 5, -1
LABELS = [2, -1, 0, 4, 4, 1]


def plain(tensor):
    return [float(value) for value in tensor.detach().ravel()]


def cross_entropy(smoothing, weighted):
    logits = torch.tensor(3 * splitmix(ROWS, CLASSES, 1), requires_grad=True)
    weights = torch.tensor(abs(splitmix(1, CLASSES, 2)[0]) + 0.5) if weighted else None
    row_weights = torch.tensor(splitmix(1, ROWS, 3)[0])
    labels = torch.tensor(LABELS)
    loss_of = lambda x: functional.cross_entropy(
        x, labels, weight=weights, ignore_index=IGNORED, reduction="none", label_smoothing=smoothing
    )
    losses = loss_of(logits)
    (grad,) = torch.autograd.grad((losses * row_weights).sum(), logits)
    direction = torch.tensor(splitmix(ROWS, CLASSES, 4))
    total = lambda x: (loss_of(x) * row_weights).sum()
    _, curvature = torch.autograd.functional.hvp(total, logits.detach(), direction)
    return {
        "smoothing": smoothing,
        "weights": plain(weights) if weighted else None,
        "losses": plain(losses),
        "grad": plain(grad),
        "curvature": plain(curvature),
    }


def slope(name, f):
    x = torch.tensor(4 * splitmix(1, 17, 5)[0], requires_grad=True)
    (grad,) = torch.autograd.grad(f(x).sum(), x)
    return {"function": name, "y": plain(f(x)), "slope": plain(grad)}


def rope(layout):
    """Su et al. 2021 as complex products: pairs (a, b) are a + ib, times exp(i angle)."""
    places, heads, width, base, offset = 5, 2, 6, 100.0, 3
    x = torch.tensor(splitmix(places, heads * width, 6)).reshape(places, heads, width)
    first, second = (x[..., : width // 2], x[..., width // 2 :]) if layout == "halves" else (x[..., ::2], x[..., 1::2])
    frequency = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = (torch.arange(places, dtype=torch.float64) + offset)[:, None, None] * frequency
    turned = torch.complex(first.contiguous(), second.contiguous()) * torch.polar(torch.ones_like(angle), angle)
    parts = [turned.real, turned.imag]
    out = torch.cat(parts, -1) if layout == "halves" else torch.stack(parts, -1).reshape(x.shape)
    return {"layout": layout, "out": plain(out)}


golden = {
    "program": f"torch {torch.__version__}",
    "madeBy": "/usr/bin/python3 scripts/golden/network.py",
    "seeds": [1, 2, 3, 4, 5, 6],
    "labels": LABELS,
    "classes": CLASSES,
    "losses": [cross_entropy(smoothing, weighted) for smoothing in (0.0, 0.1) for weighted in (False, True)],
    "slopes": [
        slope("silu", functional.silu),
        slope("tanh", torch.tanh),
        slope("sigmoid", torch.sigmoid),
        slope("softplus", functional.softplus),
        slope("relu", torch.relu),
        slope("exp", torch.exp),
        slope("abs", torch.abs),
        slope("gelu", functional.gelu),
    ],
    "ropes": [rope("halves"), rope("interleaved")],
}
path = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "network.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
