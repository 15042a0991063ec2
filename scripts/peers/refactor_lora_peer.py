"""Factors of an adapter made orthogonal by PyTorch, for refactor-lora.mjs.

usage: refactor_lora_peer.py thin|whole folder side rank
whole: singular vectors of the product, as FedSVD's program takes them; thin: two QR factorizations and a small matrix.
"""
import json
import os
import sys
import time

import numpy as np
import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
torch.set_grad_enabled(False)

form, folder, side, rank = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def read(name, *shape):
    return torch.from_numpy(np.fromfile(os.path.join(folder, name), np.float32)).reshape(shape)


def whole(a, b):
    u, s, v = torch.linalg.svd(b @ a, full_matrices=False)
    return v[:rank], u[:, :rank] * s[:rank]


def thin(a, b):
    qa, ra = torch.linalg.qr(a.T)
    qb, rb = torch.linalg.qr(b)
    u, s, v = torch.linalg.svd(rb @ ra.T)
    return v @ qa.T, qb @ (u * s)


a, b = read("a", rank, side), read("b", side, rank)
times = []
for _ in range(1 if form == "whole" else 20):
    begin = time.process_time()
    new_a, new_b = {"whole": whole, "thin": thin}[form](a, b)
    times.append(1000 * (time.process_time() - begin))
product = b @ a
error = max(float((other - product).norm() / product.norm())
            for other in (new_b @ new_a, read("own_b", side, rank) @ read("own_a", rank, side)))
print(json.dumps({"min_ms": min(times), "error": error, "version": torch.__version__}))
