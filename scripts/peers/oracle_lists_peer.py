"""Rules of oracle_steps_peer.py for parameters in lists of tensors, by PyTorch's functions of lists: each is one call of Python."""
import math

import numpy as np
import torch


def parts(r, request):
    shapes = [tuple(shape) for shape in request["shapes"]]
    return [part.reshape(shape).clone() for part, shape in zip(r.split([math.prod(shape) for shape in shapes]), shapes)]


def zeros(x):
    return [torch.zeros_like(one) for one in x]


def length(x):
    """As torch.nn.utils.clip_grad_norm_ takes it."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(x)))


def dot(x, y):
    return torch.stack([torch.dot(one.view(-1), other.view(-1)) for one, other in zip(x, y)]).sum()


def residuals(learner, w, target):
    """What O-DICE makes of values that are elements of vectors: both residuals, and by how much the next values count."""
    b = learner.count
    now, after, target_now, target_after = w[:b].clone(), w[b:2 * b].clone(), target[:b].clone(), target[b:2 * b].clone()
    goes = learner.discount * (1 - learner.done)
    forward = torch.addcmul(learner.rewards, goes, target_after).sub_(now)
    backward = torch.addcmul(learner.rewards, goes, after).sub_(target_now)
    learner.weights = forward.clamp(0, 100)
    learner.td, learner.total = forward.mean(), learner.weights.sum()
    return forward, backward, goes


class Lists:
    def place(self):
        return torch.cat([one.reshape(-1) for one in self.at])


class BoRepOfLists(Lists):
    lr, lower_lr, nu, beta, period, inner, radius = 0.1, 0.5, 0.5, 0.9, 2, 3, 1.0

    def __init__(self, r, request):
        self.at = self.x = parts(r, request)
        self.y, self.b = torch._foreach_mul(self.x, 0.5), torch._foreach_mul(self.x, 2.0)
        self.z, self.mean, self.center, self.part = (zeros(self.x) for _ in range(4))
        self.t = 0

    def step(self):
        x, y, z, part = self.x, self.y, self.z, self.part
        if self.t % self.period == 0:
            torch._foreach_copy_(self.center, y)
            for _ in range(self.inner):
                gradient = torch._foreach_sub(y, x)
                self.lower_norm = length(gradient)
                torch._foreach_add_(y, gradient, alpha=-self.lower_lr)
                way = length(torch._foreach_sub(y, self.center)).item()
                if way > self.radius:
                    torch._foreach_lerp_(y, self.center, 1 - self.radius / way)
        torch._foreach_copy_(part, z)
        torch._foreach_add_(z, part, alpha=-self.nu)
        torch._foreach_add_(z, torch._foreach_sub(y, self.b), alpha=self.nu)
        product = torch._foreach_neg(z)
        gradient = torch._foreach_mul(x, 0.1)
        torch._foreach_sub_(gradient, product)
        if self.t > 0:
            torch._foreach_lerp_(self.mean, gradient, 1 - self.beta)
        else:
            torch._foreach_copy_(self.mean, gradient)
        self.hyper_norm = length(self.mean)
        torch._foreach_add_(x, self.mean, alpha=-self.lr / self.hyper_norm.item())
        self.t += 1

    def oracles(self):
        for _ in range(self.inner if self.t % self.period == 0 else 0):
            torch._foreach_sub(self.y, self.x)
        torch._foreach_copy_(self.part, self.z)
        torch._foreach_sub(self.y, self.b)
        torch._foreach_neg(self.z)
        torch._foreach_mul(self.x, 0.1)
        self.t += 1


class OdiceValueLearnerOfLists(Lists):
    lam, eta, discount, rate, lr = 0.8, 1.0, 0.99, 0.005, 1e-3

    def __init__(self, r, request):
        self.at = self.w = parts(r, request)
        self.target = [one.clone() for one in self.w]
        b = self.count = min(256, len(r) // 2)
        self.rewards = r[:b].clone()
        self.done = (torch.arange(b) % 10 == 0).float()
        self.f, self.b, self.grads = (zeros(self.w) for _ in range(3))
        for one, grad in zip(self.w, self.grads):
            one.grad = grad
        self.adam = torch.optim.Adam(self.w, lr=self.lr, fused=True)

    def step(self):
        b, g = self.count, self.grads
        w, target, f0, b0, g0 = (x[0].view(-1) for x in (self.w, self.target, self.f, self.b, g))
        forward, backward, goes = residuals(self, w, target)
        torch._foreach_zero_(self.f)
        torch._foreach_zero_(self.b)
        torch._foreach_zero_(g)
        f0[:b] = (1 + 0.5 * forward).relu_().mul_(-self.lam / b)
        b0[b:2 * b] = (1 + 0.5 * backward).relu_().mul_(goes).mul_(self.lam * self.eta / b)
        g0[:b] = (1 - self.lam) / b
        self.k = dot(self.f, self.b) / dot(self.f, self.f).clamp_(min=1e-10)
        torch._foreach_add_(g, self.f, alpha=1 - self.k.item())
        torch._foreach_add_(g, self.b)
        self.adam.step()
        torch._foreach_lerp_(self.target, self.w, self.rate)


class Ascent(Lists):
    def __init__(self, r, request):
        self.at = self.theta = parts(r, request)
        self.b = torch._foreach_mul(self.theta, 2.0)
        self.previous = [one.clone() for one in self.theta]
        self.d = zeros(self.theta)
        self.t = 0

    def oracles(self):
        torch._foreach_sub(self.b, self.theta)
        if isinstance(self, HarpgOfLists):
            torch._foreach_neg(self.d)

    def move(self, gamma, normalized):
        self.norm = length(self.d)
        torch._foreach_copy_(self.previous, self.theta)
        torch._foreach_add_(self.theta, self.d, alpha=gamma / self.norm.item() if normalized else gamma)
        self.t += 1


class NPgIgtOfLists(Ascent):
    def step(self):
        c = 2 / (self.t + 2)
        eta = c ** 0.8
        factor = (1 - eta) / eta if self.t > 0 else 0
        gradient = torch._foreach_sub(self.b, torch._foreach_lerp(self.theta, self.previous, -factor))
        if self.t > 0:
            torch._foreach_lerp_(self.d, gradient, eta)
        else:
            torch._foreach_copy_(self.d, gradient)
        self.move(0.1 * c, True)


class HarpgOfLists(Ascent):
    normalized = False

    def step(self):
        c = 2 / (self.t + 2)
        gradient = torch._foreach_sub(self.b, self.theta)
        if self.t > 0:
            change = torch._foreach_sub(self.theta, self.previous)
            self.point = torch._foreach_add(self.previous, change, alpha=np.random.random())
            torch._foreach_add_(self.d, torch._foreach_neg(change))
            torch._foreach_lerp_(self.d, gradient, c)
        else:
            torch._foreach_copy_(self.d, gradient)
        self.move(0.1 * (c if self.normalized else math.sqrt(c)), self.normalized)


class NHarpgOfLists(HarpgOfLists):
    normalized = True
