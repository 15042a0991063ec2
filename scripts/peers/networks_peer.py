"""python3 scripts/peers/networks_peer.py <gpt|cnn> <threads> <folder> <JSON>: PyTorch's side of networks.mjs; steps for each line that comes."""
import json
import math
import pathlib
import struct
import sys
import time

import numpy
import torch
import torch.nn.functional as F

kind, threads, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
given = json.loads(sys.argv[4])
torch.set_num_threads(threads)
clock = time.process_time if threads == 1 else time.perf_counter


def weights():
    """The tensors of a safetensors file."""
    data = (folder / "model.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    for name, entry in header.items():
        start, end = (8 + size + place for place in entry["data_offsets"])
        yield name, torch.frombuffer(bytearray(data[start:end]), dtype=torch.float32).reshape(entry["shape"])


def batch(i):
    types = [numpy.int32 if kind == "gpt" else numpy.float32, numpy.int32]
    numbers = [numpy.fromfile(folder / f"{i}-{j}", dtype=t) for j, t in enumerate(types)]
    x, y = (torch.from_numpy(n).view(shape) for n, shape in zip(numbers, given["shapes"]))
    # Labels are of 64 bits there; images are channels last in memory, channels second in shape.
    return (x.long() if kind == "gpt" else x.permute(0, 3, 1, 2)), y.long()


w = dict(weights())
buffers = {name: w.pop(name) for name in list(w) if name.endswith((".mean", ".variance"))}
if kind == "cnn":
    w = {name: t.permute(0, 3, 1, 2) if t.dim() == 4 else t for name, t in w.items()}
for t in w.values():
    t.requires_grad_()
layers = len({name.split(".")[1] for name in w if name.startswith(("blocks.", "layers."))})


def linear(name, x):
    return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def norm(name, x):
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])


def attend(q, k, v, hidden):
    if threads == 1:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    return torch.softmax(scores.masked_fill(hidden, -math.inf), -1) @ v


def gpt(ids):
    n, places = ids.shape
    hidden = torch.ones(places, places, dtype=torch.bool).triu(1)
    x = F.embedding(ids, w["tokens.weight"]) + w["positions.weight"]
    for i in range(layers):
        own = f"blocks.{i}"
        qkv = linear(f"{own}.attention.qkv", norm(f"{own}.norm1", x)).view(n, places, 3, given["heads"], -1)
        y = attend(*qkv.permute(2, 0, 3, 1, 4).unbind(), hidden).transpose(1, 2).reshape(n, places, -1)
        x = x + linear(f"{own}.attention.out", y)
        x = x + linear(f"{own}.down", F.gelu(linear(f"{own}.up", norm(f"{own}.norm2", x))))
    return F.linear(norm("norm", x), w["tokens.weight"]).flatten(0, 1)


def cnn(x):
    for i in range(layers):
        own = f"layers.{i}"
        x = F.max_pool2d(x, 2) if i > 0 else x
        x = F.conv2d(x, w[f"{own}.conv.weight"], padding=1)
        moments = [buffers[f"{own}.norm.{moment}"] for moment in ("mean", "variance")]
        x = F.relu(F.batch_norm(x, *moments, w[f"{own}.norm.weight"], w[f"{own}.norm.bias"], training=True))
    return linear("head", x.permute(0, 2, 3, 1).flatten(1))  # as it lies in memory


forward = {"gpt": gpt, "cnn": cnn}[kind]
data = [batch(i) for i in range(given["batches"])]


def exact():
    """The first loss in f64: of the same weights."""
    global w, buffers
    own = w, buffers
    with torch.no_grad():
        w, buffers = ({name: t.double() for name, t in part.items()} for part in own)
        x, y = data[0]
        loss = F.cross_entropy(forward(x if kind == "gpt" else x.double()), y.flatten()).item()
    w, buffers = own
    return loss


print(json.dumps({"exact": exact()}), flush=True)
optimizer = torch.optim.AdamW(w.values(), lr=given["lr"], weight_decay=0.01, fused=True)
place = 0
for line in sys.stdin:
    losses = []
    start = clock()
    for _ in range(int(line)):
        x, y = data[place % len(data)]
        loss = F.cross_entropy(forward(x), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        place += 1
    print(json.dumps({"milliseconds": 1e3 * (clock() - start) / len(losses), "losses": losses}), flush=True)
