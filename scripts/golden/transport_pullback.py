#!/usr/bin/env python3
"""Writes test/golden/transport-pullback.json: gradients by PyTorch's automatic differentiation through unrolled sweeps of
Sinkhorn's algorithm in the log domain, in float64, with which orthokit's implicit ones must agree.

The loss is |P v - t|^2 / 2 + sum P^2 / 2 + <C, P> / 3 + sum w f + sum z g, with potentials of equal means.

Run: /usr/bin/python3 scripts/golden/transport_pullback.py   (Debian's python3-torch; the version is in the file)
"""
import json
import math
import pathlib

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(20260105)


def costs_of(metric, x, y):
    differences = x[:, None, :] - y[None, :, :]
    if metric == "sqeuclidean":
        return (differences**2).sum(-1)
    return differences.abs().sum(-1) if metric == "l1" else (differences**2).sum(-1).sqrt()


def solve(cost, a, b, eps, rho_a, rho_b):
    f, g = torch.zeros_like(a), torch.zeros_like(b)
    damp_a, damp_b = (1.0 if rho is None else rho / (rho + eps) for rho in (rho_a, rho_b))
    for _ in range(3000):
        f = damp_a * eps * (a.log() - torch.logsumexp((g[None, :] - cost) / eps, 1))
        g = damp_b * eps * (b.log() - torch.logsumexp((f[:, None] - cost) / eps, 0))
    if rho_a is None and rho_b is None:
        shift = (g.mean() - f.mean()) / 2
        f, g = f + shift, g - shift
    return f, g, torch.exp((f[:, None] + g[None, :] - cost) / eps)


problems = []
for n, m, d, k, eps, metric, rho_a, rho_b in [
    (5, 7, 3, 2, 0.1, "sqeuclidean", None, None), (8, 6, 2, 3, 0.05, "euclidean", None, None),
    (7, 9, 2, 1, 0.08, "l1", None, None), (6, 5, 2, 2, 0.1, "sqeuclidean", 0.5, 0.8),
]:
    x, y, v, t, w, z = (torch.rand(*shape) for shape in [(n, d), (m, d), (m, k), (n, k), (n,), (m,)])
    a, b = (s / s.sum() for s in (torch.rand(n) + 0.2, torch.rand(m) + 0.2))
    variables = {"x": x, "y": y, "a": a, "b": b, "eps": torch.tensor(eps)}
    for tensor in variables.values():
        tensor.requires_grad_(True)
    cost = costs_of(metric, x, y)
    cost.retain_grad()
    f, g, plan = solve(cost, a, b, variables["eps"], rho_a, rho_b)
    error = (plan.sum(1) - a * (1 if rho_a is None else torch.exp(-f / rho_a))).abs().sum()
    assert error < 1e-13, error
    moved = plan @ v
    linear = (plan * cost).sum()
    loss = ((moved - t) ** 2).sum() / 2 + (plan**2).sum() / 2 + linear / 3 + (w * f).sum() + (z * g).sum()
    loss.backward()
    numbers = {name: tensor.detach().ravel().tolist() for name, tensor in
               {"x": x, "y": y, "v": v, "t": t, "w": w, "z": z, "a": a, "b": b}.items()}
    gradients = {name: tensor.grad.ravel().tolist() for name, tensor in {**variables, "cost": cost}.items()}
    if rho_a is None and rho_b is None:  # Totals are to stay equal: minus the mean.
        for name in "ab":
            mean = math.fsum(gradients[name]) / len(gradients[name])
            gradients[name] = [value - mean for value in gradients[name]]
    problems.append({"metric": metric, "eps": eps, "rhoA": rho_a, "rhoB": rho_b, "rows": n, "columns": m, "dimension": d,
                     "width": k, **numbers, "loss": float(loss), "gradients": gradients})

path = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "transport-pullback.json"
made = {"madeBy": "scripts/golden/transport_pullback.py", "program": f"PyTorch {torch.__version__}", "seed": 20260105}
path.write_text(json.dumps({**made, "problems": problems}, indent=1) + "\n", encoding="utf-8")
