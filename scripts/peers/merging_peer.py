"""OPCM of model folders by PyTorch, for merging.mjs: whole models in memory, as the authors' program has them.

usage: merging_peer.py full|thin alpha base model... out
full: singular vectors of both sides, whole, as the authors' program takes them; thin: those that count.
"""
import json
import os
import resource
import sys
import time

import numpy as np
import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
torch.set_grad_enabled(False)


def read(folder):
    """The tensors of one file of safetensors, f32."""
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    return {
        name: torch.from_numpy(np.frombuffer(data, np.float32, offset=at["data_offsets"][0],
                                             count=int(np.prod(at["shape"]))).copy()).reshape(at["shape"])
        for name, at in header.items()
    }


def write(folder, tensors):
    os.makedirs(folder)
    header, begin = {}, 0
    for name, x in tensors.items():
        end = begin + 4 * x.numel()
        header[name] = {"dtype": "F32", "shape": list(x.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for x in tensors.values():
            file.write(x.numpy().tobytes())
        os.fsync(file.fileno())


def rank_of(s, alpha):
    return int((s.cumsum(0) / s.sum() > alpha).to(torch.int32).argmax())


def full(previous, task, alpha):
    u, s, vh = torch.linalg.svd(previous, full_matrices=True)
    rank = rank_of(s, alpha)
    p = u.T @ task @ vh.T
    p.diagonal().fill_(0)
    p[:rank, :rank] = 0
    return u @ p @ vh


def thin(previous, task, alpha):
    u, s, vh = torch.linalg.svd(previous, full_matrices=False)
    rank = rank_of(s, alpha)
    a = u.T @ task @ vh.T
    c = torch.diag(a.diagonal())
    c[:rank, :rank] = a[:rank, :rank]
    return task - u @ c @ vh


def is_linear(name, x):
    return x.dim() == 2 and not any(word in name for word in ("embed", "wte", "wpe", "lm_head"))


def norm(tensors):
    return float(sum(x.double().square().sum() for x in tensors.values()).sqrt())


def merge(form, alpha, base, models):
    base = read(base)
    update, norms, scale = None, [], 1.0
    for folder in models:
        task = {name: x - base[name] for name, x in read(folder).items()}
        norms.append(norm(task))
        if update is None:
            update = task
            continue
        for name, x in task.items():
            own = form(update[name], x, alpha) if is_linear(name, x) else x
            update[name] = scale * update[name] + own
        length, mean = norm(update), sum(norms) / len(norms)
        update = {name: x * (mean / length) for name, x in update.items()}
        scale = length / mean
    return {name: base[name] + x for name, x in update.items()}


form, alpha, base, *models, out = sys.argv[1:]
begin, before = time.perf_counter(), time.process_time()
write(out, merge({"full": full, "thin": thin}[form], float(alpha), base, models))
seconds, processor = time.perf_counter() - begin, time.process_time() - before
print(json.dumps({"seconds": seconds, "processor": processor, "bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                  "version": torch.__version__}))
