"""The side of PyTorch of steps.mjs: rules of optimizers, in place, without a graph, into tensors that are reused.

usage: steps_peer.py
A request a line, an answer a line.
"""
import json
import math
import os
import sys
import time

import numpy as np
import torch
from newton_schulz import newton_schulz

torch.set_num_threads(1)
torch.set_grad_enabled(False)


class Rule:
    """A rule of one weight, with memory that is reused."""

    def __init__(self, w, basis):
        self.w, self.t = w, 0
        self.m, self.v, self.room, self.other = (torch.zeros_like(w) for _ in range(4))


class AdaGradNorm(Rule):
    def __init__(self, w, basis):
        self.w, self.square = w, torch.tensor(0.01)

    def step(self, g):
        self.square.add_(g.norm().square_())
        self.w.addcmul_(g, -self.square.rsqrt())


class Lion(Rule):
    def step(self, g):
        torch.lerp(g, self.m, 0.9, out=self.room).sign_()
        self.m.lerp_(g, 0.01)
        self.w.sub_(self.room, alpha=1e-4)


class DiffGrad(Rule):
    def step(self, g):
        self.t += 1
        self.m.lerp_(g, 0.1)
        self.v.mul_(0.999).addcmul_(g, g, value=0.001)
        if self.t == 1:
            self.previous = torch.zeros_like(g)
        torch.sub(self.previous, g, out=self.room).abs_().sigmoid_().mul_(self.m)
        self.previous.copy_(g)
        torch.sqrt(self.v, out=self.other).add_(1e-8)
        self.w.addcdiv_(self.room, self.other, value=-1e-3 * math.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t))


class EG(Rule):
    def step(self, g):
        torch.sign(self.w, out=self.room).mul_(g).mul_(-0.1).exp_()
        self.w.mul_(self.room)


def orthogonal(x):
    """Newton-Schulz of a matrix of any shape, which is filled anew before each call."""
    wide = x.shape[0] <= x.shape[1]
    work = newton_schulz(x if wide else x.T)
    return work if wide else lambda: work().T


class Muon(Rule):
    def __init__(self, w, basis):
        super().__init__(w, basis)
        self.orthogonalize = orthogonal(self.room)
        self.scale = math.sqrt(max(1, w.shape[0] / w.shape[1]))

    def direction(self, g):
        self.m.lerp_(g, 0.05)
        torch.lerp(g, self.m, 0.95, out=self.room)
        return self.orthogonalize()

    def step(self, g):
        self.w.sub_(self.direction(g), alpha=0.02 * self.scale)


class NorMuon(Muon):
    def __init__(self, w, basis):
        super().__init__(w, basis)
        self.mean = torch.zeros(w.shape[0], 1)

    def step(self, g):
        o = self.direction(g)
        norm = o.norm()
        torch.mul(o, o, out=self.other)
        self.mean.lerp_(self.other.mean(1, keepdim=True), 0.05)
        torch.div(o, self.mean.sqrt().add_(1e-8), out=self.other)
        self.w.addcmul_(self.other, norm / (self.other.norm() + 1e-8), value=-0.02 * self.scale)


class Dion(Rule):
    def __init__(self, w, basis):
        self.w, self.m, self.q = w, torch.zeros_like(w), basis.clone()
        self.scale = math.sqrt(w.shape[0] / w.shape[1])

    def step(self, g):
        self.m.add_(g)
        p = torch.linalg.qr(self.m @ self.q).Q
        r = self.m.T @ p
        self.m.addmm_(p, r.T, alpha=-0.05)
        torch.div(r, r.norm(dim=0).add_(1e-8), out=self.q)
        self.w.addmm_(p, self.q.T, alpha=-0.01 * self.scale)


class Dion2(Rule):
    def __init__(self, w, basis):
        self.m = torch.zeros_like(w)
        self.scale = math.sqrt(w.shape[0] / w.shape[1])
        self.tall = w.shape[1] < w.shape[0]
        # Of a tall matrix columns are taken: rows of its transpose.
        self.w, self.sums = (w.T, self.m.T) if self.tall else (w, self.m)
        self.count = math.ceil(0.25 * self.w.shape[0])
        self.part = torch.empty(self.count, self.w.shape[1])
        self.orthogonalize = orthogonal(self.part)

    def step(self, g):
        self.m.add_(g)
        taken = self.sums.abs().sum(1).topk(self.count).indices
        torch.index_select(self.sums, 0, taken, out=self.part)
        self.sums[taken] = 0.95 * self.part
        self.w.index_add_(0, taken, self.orthogonalize(), alpha=-0.01 * self.scale)


def cosines(n):
    """Columns of the DCT-II, orthonormal."""
    places, frequencies = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)
    d = torch.cos(math.pi * (2 * places + 1) * frequencies / (2 * n)) * math.sqrt(2 / n)
    d[:, 0] /= math.sqrt(2)
    return d.float()


class Cosine(Rule):
    """Rules in a few columns of a cosine basis of the shorter side, by a product with the whole of it, as their program has."""

    rank = 64

    def __init__(self, w, basis):
        self.m = torch.zeros_like(w)
        self.long, self.out = (self.m, w) if w.shape[0] >= w.shape[1] else (self.m.T, w.T)
        self.basis = cosines(self.out.shape[1])
        self.t, self.shape = 0, w.shape
        self.all = torch.empty_like(self.long)
        self.part = torch.empty(self.out.shape[0], self.rank)

    def project(self, x):
        torch.mm(x, self.basis, out=self.all)
        taken = self.all.abs().sum(0).topk(self.rank).indices.sort().values
        torch.index_select(self.all, 1, taken, out=self.part)
        return self.basis[:, taken]


class Trion(Cosine):
    def __init__(self, w, basis):
        super().__init__(w, basis)
        self.orthogonalize = orthogonal(self.part)
        self.scale = math.sqrt(max(1, w.shape[0] / w.shape[1]))

    def step(self, g):
        self.m.add_(g)
        columns = self.project(self.long)
        self.long.addmm_(self.part, columns.T, alpha=-0.05)
        self.out.addmm_(self.orthogonalize(), columns.T, alpha=-0.02 * self.scale)


class DCTAdamW(Cosine):
    def __init__(self, w, basis):
        super().__init__(w, basis)
        self.first, self.second, self.root = (torch.zeros_like(self.part) for _ in range(3))

    def step(self, g):
        self.t += 1
        columns = self.project(g if self.shape[0] >= self.shape[1] else g.T)
        self.first.lerp_(self.part, 0.1)
        self.second.mul_(0.999).addcmul_(self.part, self.part, value=0.001)
        torch.sqrt(self.second, out=self.root).div_(math.sqrt(1 - 0.999**self.t)).add_(1e-8)
        torch.div(self.first, self.root, out=self.root)
        self.out.addmm_(self.root, columns.T, alpha=-1e-3 / (1 - 0.9**self.t))


class Conda(Rule):
    def step(self, g):
        self.t += 1
        self.m.lerp_(g, 0.1)
        right = self.m.shape[0] >= self.m.shape[1]
        if self.t == 1:
            u, _, v = torch.linalg.svd(self.m, full_matrices=False)
            self.basis = v.T.contiguous() if right else u
        b = self.basis
        for x, out in ((g, self.room), (self.m, self.other)):
            torch.mm(x, b, out=out) if right else torch.mm(b.T, x, out=out)
        self.v.mul_(0.999).addcmul_(self.room, self.room, value=0.001)
        torch.sqrt(self.v, out=self.room).add_(1e-8)
        self.other.div_(self.room)
        by = -1e-3 * 0.25 * math.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)
        self.w.addmm_(self.other, b.T, alpha=by) if right else self.w.addmm_(b, self.other, alpha=by)


class Torch:
    """A class of torch.optim over all weights."""

    def __init__(self, weights):
        self.weights = weights
        self.optimizer = torch.optim.Adagrad(weights, lr=0.01, fused=True)

    def step(self, grads):
        for w, g in zip(self.weights, grads):
            w.grad = g
        self.optimizer.step()


class Each:
    def __init__(self, rule, weights, basis):
        self.rules = [rule(w, basis) for w in weights]

    def step(self, grads):
        for rule, g in zip(self.rules, grads):
            rule.step(g)


def read(folder, name, shapes):
    numbers = torch.from_numpy(np.fromfile(os.path.join(folder, name), np.float32))
    return [x.reshape(shape).clone() for x, shape in zip(numbers.split([math.prod(s) for s in shapes]), shapes)]


def answer(request):
    global weights, grads, others, optimizer
    if "begin" in request:
        shapes, folder, name = request["shapes"], request["folder"], request["begin"]
        weights, grads, others = (read(folder, list_, shapes) for list_ in ("weights", "grads", "others"))
        basis = read(folder, "basis", [[384, 64]])[0]
        optimizer = Torch(weights) if name == "AdaGrad" else Each(globals()[name], weights, basis)
        return {}
    if "check" in request:
        for given in (grads, others, grads):
            optimizer.step(given)
        np.concatenate([w.numpy().ravel() for w in weights]).tofile(request["check"])
        return {}
    begin = time.process_time()
    for _ in range(request["steps"]):
        optimizer.step(grads)
    return {"ms": 1000 * (time.process_time() - begin) / request["steps"]}


for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
