"""python3 scripts/peers/attention_peer.py <case> <threads> <folder>: attention in PyTorch, a round for each line that comes."""
import math
import pathlib
import sys
import time

import numpy
import torch
from torch.nn.functional import scaled_dot_product_attention as fused

name, threads, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
batch, heads, places, size = (int(word) for word in name.split(",")[:4])
causal = name.endswith("causal")
torch.set_num_threads(threads)
clock = time.process_time if threads == 1 else time.perf_counter


def given(part, width):
    return torch.from_numpy(numpy.fromfile(folder / part, dtype=numpy.float32)).view(batch, places, width)


qkv = given("qkv", 3 * heads * size).requires_grad_()
grad = given("grad", heads * size)
hidden = torch.ones(places, places, dtype=torch.bool).triu(1)


def attend(q, k, v):
    if threads == 1:
        return fused(q, k, v, is_causal=causal)
    scores = q @ k.transpose(-1, -2) / math.sqrt(size)
    return torch.softmax(scores.masked_fill(hidden, -math.inf) if causal else scores, -1) @ v


def parts():
    return [x.view(batch, places, heads, size).transpose(1, 2) for x in qkv.split(heads * size, 2)]


def rows(x):
    return x.transpose(1, 2).reshape(batch, places, heads * size)


def forward():
    """The better of both layouts."""
    with torch.no_grad():
        best = math.inf
        for operands in layouts:
            start = clock()
            results["out"] = attend(*operands)
            best = min(best, clock() - start)
    return best


def both():
    start = clock()
    out = attend(*parts())
    (results["gradQkv"],) = torch.autograd.grad(out, qkv, grad.view(batch, places, heads, size).transpose(1, 2))
    return clock() - start


def save():
    results["out"] = rows(results["out"])
    for part, x in results.items():
        x.detach().contiguous().numpy().tofile(folder / part)
    return 0


results = {}
with torch.no_grad():
    layouts = [parts(), [x.contiguous() for x in parts()]]
for line in sys.stdin:
    word, calls = line.split()
    work = {"forward": forward, "both": both, "save": save}[word]
    print(1e3 * sum(work() for _ in range(int(calls))) / int(calls), flush=True)
