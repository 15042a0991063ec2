#!/usr/bin/env python3
"""Writes test/golden/transport.json: plans of POT, with which orthokit's must agree.

Run: /usr/bin/python3 scripts/golden/transport.py   (Debian's python3-pot; the version is in the file)
"""
import json
import pathlib

import numpy as np
import ot

random = np.random.default_rng(20240125)
problems = []
for n, m, eps, method in [(5, 7, 0.1, "sinkhorn_log"), (12, 9, 0.02, "sinkhorn_log"), (8, 8, 0.005, "sinkhorn_log"),
                          (10, 6, 0.05, "sinkhorn_stabilized")]:
    cost = random.random((n, m))
    a, b = (x / x.sum() for x in (random.random(n) + 0.1, random.random(m) + 0.1))
    plan = ot.sinkhorn(a, b, cost, eps, method=method, numItermax=1000000, stopThr=1e-15)
    error = np.abs(plan.sum(1) - a).sum() + np.abs(plan.sum(0) - b).sum()
    assert error < 1e-12, error
    problems.append({"method": method, "eps": eps, "rows": n, "columns": m, "cost": cost.ravel().tolist(),
                     "a": a.tolist(), "b": b.tolist(), "plan": plan.ravel().tolist(),
                     "linear": float((plan * cost).sum())})

path = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "transport.json"
made = {"madeBy": "scripts/golden/transport.py", "program": f"POT {ot.__version__}", "seed": 20240125}
path.write_text(json.dumps({**made, "problems": problems}, indent=1) + "\n", encoding="utf-8")
