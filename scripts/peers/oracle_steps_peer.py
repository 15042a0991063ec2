"""The side of PyTorch of oracle-steps.mjs: the same rules with tensors, in place and without a graph.

usage: oracle_steps_peer.py threads
A request a line, an answer a line.
"""
import json
import math
import sys
import time

import numpy as np
import torch

from oracle_lists_peer import BoRepOfLists, HarpgOfLists, NHarpgOfLists, NPgIgtOfLists, OdiceValueLearnerOfLists, residuals

torch.set_num_threads(int(sys.argv[1]))
clock = time.process_time if sys.argv[1] == "1" else time.perf_counter
torch.set_grad_enabled(False)


class BoRep:
    lr, lower_lr, nu, beta, period, inner, radius = 0.1, 0.5, 0.5, 0.9, 2, 3, 1.0

    def __init__(self, r, request):
        self.x, self.y, self.b = r.clone(), 0.5 * r, 2 * r
        self.z, self.mean, self.center, self.part, self.product, self.next = (torch.zeros_like(r) for _ in range(6))
        self.t = 0

    def step(self):
        x, y, z, part = self.x, self.y, self.z, self.part
        if self.t % self.period == 0:
            self.center.copy_(y)
            for _ in range(self.inner):
                torch.sub(y, x, out=part)
                self.lower_norm = part.norm()
                y.sub_(part, alpha=self.lower_lr)
                torch.sub(y, self.center, out=part)
                factor = (self.radius / part.norm()).clamp_(max=1)
                torch.addcmul(self.center, part, factor, out=y)
        part.copy_(z)
        z.sub_(part, alpha=self.nu)
        torch.sub(y, self.b, out=part)
        z.add_(part, alpha=self.nu)
        torch.neg(z, out=self.product)
        torch.mul(x, 0.1, out=self.next)
        self.next.sub_(self.product)
        if self.t > 0:
            self.mean.lerp_(self.next, 1 - self.beta)
        else:
            self.mean.copy_(self.next)
        self.hyper_norm = self.mean.norm()
        x.addcmul_(self.mean, -self.lr / self.hyper_norm)
        self.t += 1

    def oracles(self):
        part = self.part
        for _ in range(self.inner if self.t % self.period == 0 else 0):
            torch.sub(self.y, self.x, out=part)
        part.copy_(self.z)
        torch.sub(self.y, self.b, out=part)
        torch.neg(self.z, out=part)
        torch.mul(self.x, 0.1, out=part)
        self.t += 1

    def place(self):
        return self.x


class MultiBlockBilevel:
    alpha, beta, lr, lower_lr = 0.5, 0.5, 0.02, 0.02

    def __init__(self, r, request):
        dim, self.ids = request["dim"], request["ids"]
        count = len(r) // dim
        self.gamma = (count - self.ids) / (self.ids * (1 - self.alpha)) + 1 - self.alpha
        self.sampled = [torch.tensor(ids) for ids in request["sampled"]]
        self.x, self.y = torch.full((dim,), 0.5), r.reshape(count, dim).clone()
        self.before, self.z = torch.zeros(dim), torch.zeros(dim)
        self.last = torch.full((count,), -1, dtype=torch.float64)
        self.g, self.u, self.v = (torch.zeros(count, dim) for _ in range(3))
        self.kept, self.place_of, self.places = torch.zeros(self.ids, dim), torch.full((count,), -1), torch.arange(self.ids)
        self.old, self.t = None, 0

    def track(self, rows, now, before, of_now, of_before):
        return rows.mul_(1 - self.alpha).addcmul_(now, of_now).addcmul_(before, of_before)

    def step(self):
        ids = self.sampled[self.t % len(self.sampled)]
        last = self.last[ids]
        seen = (last + 1).clamp_(0, 1)
        of_now = (1 + (self.alpha + self.gamma - 1) * seen).float()[:, None]
        of_before = (-self.gamma * seen).float()[:, None]
        delay = (self.lower_lr * (last - self.t)).float()[:, None]
        if self.t == 0:
            self.before.copy_(self.x)
        g, v, u = self.g[ids], self.v[ids], self.u[ids]
        y = self.y[ids].addcmul_(g, delay)
        y_before = torch.add(y, g, alpha=self.lower_lr)
        g = self.track(g, y - self.x, y_before - self.before, of_now, of_before)
        if self.old is None:
            v_before = v.clone()
        else:
            at = self.place_of[ids]
            v_before = torch.where((at >= 0)[:, None], self.kept[at], v)
            self.place_of[self.old] = -1
        self.place_of[ids] = self.places
        u = self.track(u, v - y, v_before - y_before, of_now, of_before)
        self.kept = v
        share = 1 / self.ids
        now, before = -v.sum(0), -v_before.sum(0)
        if self.t > 0:
            self.z.add_(before, alpha=share).mul_(1 - self.beta).sub_(now, alpha=share)
        else:
            torch.mul(now, -share, out=self.z)
        self.before.copy_(self.x)
        self.x.sub_(self.z, alpha=self.lr)
        self.z_norm = self.z.norm()
        self.last[ids] = float(self.t)
        self.y[ids], self.g[ids], self.u[ids] = y, g, u
        self.v[ids] = torch.sub(v, u, alpha=self.lower_lr)
        self.old = ids
        self.t += 1

    def place(self):
        return self.x


class LvHba:
    alpha = beta = eta = 0.1
    bound = 1000.0

    def __init__(self, r, request):
        self.x, self.y, self.b = r.clone(), 0.5 * r, 2 * r
        self.half = torch.empty_like(r)
        self.project(self.x, self.y)
        self.theta = self.y.clone()
        self.lam, self.z = torch.zeros_like(r), torch.zeros_like(r)
        self.part_x, self.other_x, self.part_y, self.other_y, self.value, self.new_x, self.new_y = (torch.empty_like(r) for _ in range(7))
        self.t = 0

    def project(self, x, y):
        torch.sub(y, x, out=self.half).mul_(0.5).relu_()
        x.add_(self.half)
        y.sub_(self.half)

    def step(self):
        x, y, theta, lam, z = self.x, self.y, self.theta, self.lam, self.z
        alpha, beta, eta = self.alpha, self.beta, self.eta
        new_x, new_y, part_x, other_x, part_y, other_y = self.new_x, self.new_y, self.part_x, self.other_x, self.part_y, self.other_y
        weight = 1 / (self.t + 1) ** 0.3
        torch.sub(theta, x, out=part_y)
        other_y.copy_(lam)
        torch.sub(theta, x, out=self.value)
        theta.lerp_(y, eta).sub_(part_y, alpha=eta).sub_(other_y, alpha=eta)
        lam.lerp_(z, eta).add_(self.value, alpha=eta).clamp_(min=0)
        torch.mul(x, 0.1, out=part_x)
        torch.sub(x, part_x, alpha=alpha * weight, out=new_x)
        torch.sub(x, y, out=part_x)
        torch.sub(x, theta, out=other_x)
        new_x.sub_(part_x, alpha=alpha).add_(other_x, alpha=alpha)
        torch.neg(lam, out=other_x)
        new_x.add_(other_x, alpha=alpha)
        torch.sub(y, self.b, out=part_y)
        torch.sub(y, x, out=other_y)
        torch.mul(y, 1 + alpha, out=new_y).sub_(theta, alpha=alpha).sub_(part_y, alpha=alpha * weight).sub_(other_y, alpha=alpha)
        z.lerp_(lam, beta).clamp_(0, self.bound)
        self.project(new_x, new_y)
        self.residual = torch.hypot(torch.sub(new_x, x, out=part_x).norm(), torch.sub(new_y, y, out=part_y).norm()) / alpha
        self.feasibility = torch.sub(new_y, new_x, out=self.value).relu_().norm()
        self.x, self.new_x = new_x, x
        self.y, self.new_y = new_y, y
        self.t += 1

    def place(self):
        return self.y


class OdiceValueLearner:
    lam, eta, discount, rate, lr = 0.8, 1.0, 0.99, 0.005, 1e-3

    def __init__(self, r, request):
        self.w, self.target = r.clone(), r.clone()
        b = self.count = min(256, len(r) // 2)
        self.rewards = r[:b].clone()
        self.done = (torch.arange(b) % 10 == 0).float()
        self.f, self.b = (torch.empty_like(r) for _ in range(2))
        self.w.grad = torch.empty_like(r)
        # Its fused form is one pass over all, and costs more to call.
        self.adam = torch.optim.Adam([self.w], lr=self.lr, fused=True) if len(r) > 100000 else None
        self.m, self.v, self.root = torch.zeros_like(r), torch.zeros_like(r), torch.empty_like(r)
        self.t = 0

    def step(self):
        b, w, g, target = self.count, self.w, self.w.grad, self.target
        forward, backward, goes = residuals(self, w, target)
        self.f.zero_()[:b] = (1 + 0.5 * forward).relu_().mul_(-self.lam / b)
        self.b.zero_()[b:2 * b] = (1 + 0.5 * backward).relu_().mul_(goes).mul_(self.lam * self.eta / b)
        g.zero_()[:b] = (1 - self.lam) / b
        self.k = self.f.dot(self.b) / self.f.dot(self.f).clamp_(min=1e-10)
        g.add_(self.f).add_(self.b).addcmul_(self.f, -self.k)
        self.t += 1
        if self.adam:
            self.adam.step()
        else:
            self.m.lerp_(g, 0.1)
            self.v.mul_(0.999).addcmul_(g, g, value=0.001)
            torch.sqrt(self.v, out=self.root).div_(math.sqrt(1 - 0.999 ** self.t)).add_(1e-8)
            w.addcdiv_(self.m, self.root, value=-self.lr / (1 - 0.9 ** self.t))
        target.lerp_(w, self.rate)

    def place(self):
        return self.w


class Ascent:
    def __init__(self, r, request):
        self.theta, self.b, self.previous = r.clone(), 2 * r, r.clone()
        self.d, self.point, self.gradient, self.change, self.product = (torch.zeros_like(r) for _ in range(5))
        self.t = 0

    def oracles(self):
        torch.sub(self.b, self.theta, out=self.gradient)
        if isinstance(self, Harpg):
            torch.neg(self.change, out=self.product)

    def move(self, gamma, normalized):
        self.norm = self.d.norm()
        self.previous.copy_(self.theta)
        if normalized:
            self.theta.addcmul_(self.d, gamma / self.norm)
        else:
            self.theta.add_(self.d, alpha=gamma)
        self.t += 1

    def place(self):
        return self.theta


class NPgIgt(Ascent):
    def step(self):
        c = 2 / (self.t + 2)
        eta = c ** 0.8
        factor = (1 - eta) / eta if self.t > 0 else 0
        torch.lerp(self.theta, self.previous, -factor, out=self.point)
        torch.sub(self.b, self.point, out=self.gradient)
        self.d.lerp_(self.gradient, eta) if self.t > 0 else self.d.copy_(self.gradient)
        self.move(0.1 * c, True)


class Harpg(Ascent):
    normalized = False

    def step(self):
        c = 2 / (self.t + 2)
        torch.sub(self.b, self.theta, out=self.gradient)
        if self.t > 0:
            torch.sub(self.theta, self.previous, out=self.change)
            torch.add(self.previous, self.change, alpha=np.random.random(), out=self.point)
            torch.neg(self.change, out=self.product)
            self.d.add_(self.product).lerp_(self.gradient, c)
        else:
            self.d.copy_(self.gradient)
        self.move(0.1 * (c if self.normalized else math.sqrt(c)), self.normalized)


class NHarpg(Harpg):
    normalized = True


class DadaoNode:
    mu, lipschitz, chi = 1.0, 10.0, 2.0

    def __init__(self, r, request):
        self.b, self.theirs = 2 * r, r.clone()
        self.now, self.next = torch.zeros(7, len(r)), torch.zeros(7, len(r))
        self.now[0] = r
        nu = self.mu / 2
        q = math.sqrt(nu / self.lipschitz)
        alpha, alpha_tilde, eta, theta = q / 4, q / 8, q / 8, 1 / (2 * q)
        self.beta, self.beta_tilde = 0.5, 2 * self.chi / q
        gamma, gamma_tilde, deltas = 1 / (4 * self.lipschitz), 1 / (4 * math.sqrt(self.lipschitz * nu)), q / 4 + 1
        self.rates = torch.tensor([[-eta, eta, 0, 0, 0, 0], [eta, -eta, 0, 0, 0, 0], [0, 0, -alpha, alpha, 0, 0],
                                   [0, -theta * nu, -theta, 0, -theta, 0], [0, 0, 0, 0, -alpha, alpha],
                                   [0, 0, 0, 0, alpha_tilde, -alpha_tilde]], dtype=torch.float64)
        g = torch.tensor([-nu, 0, 0, -1, 0, 0, 1.0])
        factors = torch.tensor([-gamma, -gamma_tilde, 0, deltas, 0, 0])
        self.jump = factors[:, None] * g + torch.eye(6, 7)
        self.t = 0.0

    def step(self):
        flow = torch.matrix_exp(self.rates * 0.1).float()
        torch.mm(flow, self.now[:6], out=self.next[:6])
        torch.sub(self.next[0], self.b, out=self.next[6])
        torch.mm(self.jump, self.next, out=self.now[:6])
        flow = torch.matrix_exp(self.rates * 0.1).float()
        mine = (flow[2] + flow[4]).matmul(self.now[:6])
        torch.mm(flow, self.now[:6], out=self.next[:6])
        self.next[4].sub_(mine, alpha=self.beta).add_(self.theirs, alpha=self.beta)
        self.next[5].sub_(mine, alpha=self.beta_tilde).add_(self.theirs, alpha=self.beta_tilde)
        self.now, self.next = self.next, self.now
        self.t += 0.2

    def place(self):
        return self.now[0]


class Maid:
    """A run of five steps from the same start, as each step."""

    mu, lipschitz, lg, b = 1.0, 3.0, 1.0, 1.0
    eta, rho, tau, nu, most, iterations = 1e-4, 0.5, 0.5, 1.25, 10, 5
    unit = 2.0 ** -24

    def __init__(self, r, request):
        self.start, self.target = r, 2 * r
        self.diagonal = 1 + 0.5 * (torch.arange(len(r)) % 5).float()
        (self.theta, self.theta2, self.x, self.x2, self.g, self.g2, self.q, self.p, self.part, self.last, self.next, self.residual,
         self.direction, self.product) = (torch.empty_like(r) for _ in range(14))

    def solve(self, x, theta, accuracy):
        mu, lipschitz, grad = self.mu, self.lipschitz, self.part
        q = mu / lipschitz
        rate = math.log1p(-math.sqrt(q))
        until, momentum, self.last[:] = 0, 1.0, x
        last, following = self.last, self.next
        while True:
            torch.mul(self.diagonal, x, out=grad).sub_(theta)
            if until == 0:
                norm, size = grad.norm().item(), x.norm().item()
                rounding = 4 * self.unit * lipschitz * size
                error = (norm + rounding) / mu
                if error <= accuracy or norm <= rounding:
                    return max(accuracy, error)
                left = math.log(max(mu * accuracy - rounding, rounding) / norm) / rate
                until = min(max(math.floor(left / 2), 1), 16)
            torch.sub(x, grad, alpha=1 / lipschitz, out=following)
            square = momentum * momentum
            after = (1 - q * square + math.sqrt((1 - q * square) ** 2 + 4 * square)) / 2
            share = max(0.0, ((momentum - 1) / after) * ((1 - after * q) / (1 - q)))
            momentum = after
            torch.lerp(following, last, -share, out=x)
            last, following = following, last
            until -= 1

    def look(self, x, out):
        torch.sub(x, self.target, out=out)
        square = out.dot(out).item()
        return square / 2, math.sqrt(square)

    def evaluate(self):
        torch.mul(self.diagonal, self.q, out=self.product)
        torch.sub(self.g, self.product, out=self.residual)
        return self.residual.norm().item()

    def adjoint(self):
        residual, direction, product = self.residual, self.direction, self.product
        rounded = 4 * self.unit * self.lipschitz / self.mu
        self.delta = max(self.delta, min(2 * rounded * self.norm / (1 - 2 * rounded), self.norm))
        if self.norm <= self.delta:
            self.q.zero_()
            return
        most = self.delta - rounded * (self.norm + self.delta)
        norm, is_exact, is_new = self.evaluate(), True, True
        while True:
            if norm <= most:
                if is_exact:
                    return
                norm, is_exact, is_new = self.evaluate(), True, True
                continue
            if is_new:
                direction.copy_(residual)
                before = residual.dot(residual).item()
            torch.mul(self.diagonal, direction, out=product)
            bend = direction.dot(product).item()
            taken = before / bend
            residual.sub_(product, alpha=taken)
            after = residual.dot(residual).item()
            self.q.add_(direction, alpha=taken)
            torch.add(residual, direction, alpha=after / before, out=direction)
            before, norm, is_exact, is_new = after, math.sqrt(after), False, False

    def gradient(self):
        while True:
            self.adjoint()
            torch.neg(self.q, out=self.p)
            self.length = math.sqrt(self.p.dot(self.p).item())
            self.p.neg_()
            size = (self.norm + self.delta) / self.mu
            error = self.b * self.lg / self.mu * self.eps + self.b / self.mu * self.delta + 4 * self.unit * self.b * size
            if error <= (1 - self.eta) * self.length:
                return
            self.sharpen()

    def sharpen(self):
        self.eps, self.delta = self.tau * self.eps, self.tau * self.delta
        self.eps = self.solve(self.x, self.theta, self.eps)
        self.value, self.norm = self.look(self.x, self.g)

    def search(self, first, most):
        tried, step = 0, first
        while tried < most:
            tried += 1
            torch.sub(self.theta, self.p, alpha=step, out=self.theta2)
            self.x2.copy_(self.x)
            eps = self.solve(self.x2, self.theta2, self.eps)
            value, norm = self.look(self.x2, self.g2)
            unsure = self.norm * self.eps + norm * eps + self.lg * (self.eps ** 2 + eps ** 2) / 2
            unsure += 4 * self.unit * (abs(self.value) + abs(value))
            change = value - self.value
            if change + unsure <= -self.eta * step * self.length ** 2:
                self.theta, self.theta2, self.x, self.x2, self.g, self.g2 = self.theta2, self.theta, self.x2, self.x, self.g2, self.g
                self.value, self.norm, self.there = value, norm, eps
                return step
            if change > unsure:
                tried -= 1
            step *= self.rho
        return None

    def step(self):
        self.theta.copy_(self.start)
        self.x.zero_()
        self.q.zero_()
        self.eps, self.delta, first, most = 0.1, 0.1, 0.1, self.most
        self.eps = self.solve(self.x, self.theta, self.eps)
        self.value, self.norm = self.look(self.x, self.g)
        done = 0
        while True:
            self.gradient()
            if done == self.iterations:
                return
            accepted = self.search(first, most)
            if accepted is None:
                most += 1
                self.sharpen()
                continue
            first = accepted * 10 / 9
            self.eps, self.delta = max(self.nu * self.eps, self.there), self.nu * self.delta
            done += 1

    def place(self):
        return self.theta


method = None


def prepare(request):
    global method
    method = None
    r = torch.from_numpy(np.fromfile(request["numbers"], np.float32))
    method = globals()[request["method"]](r, request)
    return {"version": torch.__version__}


def run(request):
    begin = clock()
    step = method.oracles if "oracles" in request else method.step
    for _ in range(request["steps"]):
        step()
    milliseconds = 1000 * (clock() - begin)
    if "result" not in request:
        return {"milliseconds": milliseconds}
    ours = torch.from_numpy(np.fromfile(request["result"], np.float32))
    place = method.place()
    return {"milliseconds": milliseconds, "error": ((ours - place).abs().max() / place.abs().max()).item()}


for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(prepare(asked) if "method" in asked else run(asked)), flush=True)
