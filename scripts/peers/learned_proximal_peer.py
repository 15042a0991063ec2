"""A training step of a learned proximal network in PyTorch, the gradient of its gradient by autograd.

usage: learned_proximal_peer.py steps dim hidden layers batch [kernel side]
The network is that of the authors' program, exps/laplacian/network.py; with a kernel, of images, its maps are convolutions.
Prints milliseconds of each step and the losses.
"""
import json
import os
import sys
import time

import numpy as np
import torch
from torch import nn

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
steps, dim, hidden, layers, batch = map(int, sys.argv[1:6])
kernel, side = map(int, sys.argv[6:8]) if len(sys.argv) > 6 else (None, None)
BETA, GAMMA = 10, 0.5


def layer(inputs, outputs, bias=True, size=kernel):
    if kernel is None:
        return nn.Linear(inputs, outputs, bias=bias)
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=bias)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.core = nn.ModuleList([layer(dim, hidden, bias=False),
                                   *[layer(hidden, hidden, bias=False) for _ in range(layers)],
                                   layer(hidden, 1, bias=False, size=1)])
        self.skip = nn.ModuleList([*[layer(dim, hidden) for _ in range(layers)], layer(dim, 1, size=1)])
        self.act = nn.Softplus(beta=BETA)

    def potential(self, x):
        y = self.act(self.core[0](x))
        for core, skip in zip(self.core[1:-1], self.skip[:-1]):
            y = self.act(core(y) + skip(x))
        return self.core[-1](y) + self.skip[-1](x)

    def forward(self, x):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(self.potential(x).sum(), x, create_graph=True)[0]

    def clip(self):
        with torch.no_grad():
            for core in self.core[1:]:
                core.weight.clamp_(0)


torch.manual_seed(1)
shape = (batch, dim) if kernel is None else (batch, dim, side, side)
clean, noise = torch.randn(shape), torch.randn(shape)
noisy = clean + noise
network = Network()
network.clip()
optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
times, losses = [], []
for _ in range(steps):
    start = time.perf_counter()
    optimizer.zero_grad()
    loss = (1 - torch.exp(-((network(noisy) - clean) / GAMMA) ** 2)).mean()
    loss.backward()
    optimizer.step()
    network.clip()
    losses.append(float(loss))
    times.append(1000 * (time.perf_counter() - start))
print(json.dumps({"min_ms": float(np.min(times[steps // 5:])), "median_ms": float(np.median(times[steps // 5:])),
                  "first": losses[0], "last": losses[-1], "version": torch.__version__}))
