"""Factorizations by PyTorch, for linalg.mjs.

usage: linalg_peer.py function file rows columns rounds
Prints milliseconds of the processor, the least and the median.
"""
import json
import sys
import time

import numpy as np
import torch

torch.set_num_threads(1)
torch.set_grad_enabled(False)
name, file = sys.argv[1:3]
rows, columns, rounds = map(int, sys.argv[3:])
x = torch.from_numpy(np.fromfile(file, np.float32).reshape(rows, columns))
run = {
    "svd": lambda: torch.linalg.svd(x, full_matrices=False),
    "eigh": lambda: torch.linalg.eigh(x),
    "qr": lambda: torch.linalg.qr(x),
    "cholesky": lambda: torch.linalg.cholesky(x),
}[name]
run()
times = []
for _ in range(rounds):
    begin = time.process_time()
    run()
    times.append(1000 * (time.process_time() - begin))
times.sort()
print(json.dumps({"min_ms": times[0], "median_ms": times[len(times) // 2], "version": torch.__version__}))
