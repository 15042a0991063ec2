#!/usr/bin/env python3
"""Writes test/golden/networks.json: losses, gradients and products of small networks by PyTorch, in f64; and in f32
test/golden/gpt2.safetensors, llama.safetensors and llama-neighbours.safetensors, some of them under the names and in the
layouts of GPT-2 and of Llama, and cnn.safetensors, a convolutional network with its running moments.

Run: /usr/bin/python3 scripts/golden/networks.py        (Debian's python3-torch; the version is recorded)
Data: SplitMix64, value 2u - 1, row by row; the same as test/support/splitmix.ts. Parameter i has the seed i + 1, times
0.5, plus its shift. Products are with the direction of seeds 101, 102, …; the Gauss-Newton product is J' H J v with H the
second derivative of the mean cross entropy by the logits.
"""
import json
import pathlib
import struct

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from splitmix import splitmix

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def values(shape, seed):
    return torch.from_numpy(splitmix(1, int(np.prod(shape)), seed).reshape(shape))


def linear(path, outputs, inputs):
    return [(f"{path}.weight", [outputs, inputs], 0), (f"{path}.bias", [outputs], 0)]


def norm(path, width):
    return [(f"{path}.weight", [width], 1), (f"{path}.bias", [width], 0)]


def labels(count, classes):
    """Every fourth does not count."""
    return torch.tensor([-1 if i % 4 == 3 else (5 * i + 2) % classes for i in range(count)])


def mlp(p, x):
    h = F.gelu(F.linear(x, p["up.weight"], p["up.bias"]))
    h = F.layer_norm(h, [9], p["norm.weight"], p["norm.bias"])
    return F.linear(torch.tanh(h), p["down.weight"], p["down.bias"])


def gpt(heads):
    def forward(p, ids):
        count, length = ids.shape
        width = p["tokens.weight"].shape[1]
        x = p["tokens.weight"][ids] + p["positions.weight"]
        mask = torch.full((length, length), -torch.inf).triu(1)
        for b in ["blocks.0", "blocks.1"]:
            y = F.layer_norm(x, [width], p[f"{b}.norm1.weight"], p[f"{b}.norm1.bias"])
            qkv = F.linear(y, p[f"{b}.attention.qkv.weight"], p[f"{b}.attention.qkv.bias"])
            q, k, v = (t.view(count, length, heads, -1).transpose(1, 2) for t in qkv.split(width, -1))
            scores = q @ k.transpose(-1, -2) / (width // heads) ** 0.5 + mask
            y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(count, length, width)
            x = x + F.linear(y, p[f"{b}.attention.out.weight"], p[f"{b}.attention.out.bias"])
            y = F.layer_norm(x, [width], p[f"{b}.norm2.weight"], p[f"{b}.norm2.bias"])
            y = F.gelu(F.linear(y, p[f"{b}.up.weight"], p[f"{b}.up.bias"]), approximate="tanh")
            x = x + F.linear(y, p[f"{b}.down.weight"], p[f"{b}.down.bias"])
        x = F.layer_norm(x, [width], p["norm.weight"], p["norm.bias"])
        return x @ p["tokens.weight"].T

    return forward


def turned(x, layout):
    """Rotary positions of x [B, heads, T, size], by the formula of Hugging Face (halves) or of Meta (interleaved)."""
    size = x.shape[-1]
    angles = torch.outer(torch.arange(x.shape[2]).double(), 10000.0 ** (-torch.arange(0, size, 2) / size))
    cos, sin = angles.cos(), angles.sin()
    if layout == "halves":
        first, second = x.chunk(2, -1)
        return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
    return torch.view_as_real(pairs * torch.complex(cos, sin)).flatten(-2)


def llama(layout):
    def forward(p, ids):
        count, length = ids.shape
        heads, kv_heads, size = 2, 1, 4
        x = p["tokens.weight"][ids]
        mask = torch.full((length, length), -torch.inf).triu(1)
        for b in ["blocks.0", "blocks.1"]:
            y = F.rms_norm(x, [8], p[f"{b}.norm1.weight"], 1e-6)
            qkv = F.linear(y, p[f"{b}.attention.qkv.weight"])
            split = qkv.split([heads * size, kv_heads * size, kv_heads * size], -1)
            q, k, v = (t.view(count, length, -1, size).transpose(1, 2) for t in split)
            scores = turned(q, layout) @ turned(k, layout).transpose(-1, -2) / size**0.5 + mask
            y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(count, length, -1)
            x = x + F.linear(y, p[f"{b}.attention.out.weight"])
            y = F.rms_norm(x, [8], p[f"{b}.norm2.weight"], 1e-6)
            y = F.silu(F.linear(y, p[f"{b}.gate.weight"])) * F.linear(y, p[f"{b}.up.weight"])
            x = x + F.linear(y, p[f"{b}.down.weight"])
        return F.linear(F.rms_norm(x, [8], p["norm.weight"], 1e-6), p["head.weight"])

    return forward


def cnn(p, x):
    """x and kernels are channels last in the golden data, as in orthokit; PyTorch wants channels first."""
    x = x.permute(0, 3, 1, 2)
    for name in ["conv1", "conv2"]:
        kernel = p[f"{name}.weight"].permute(0, 3, 1, 2)
        x = F.conv2d(x, kernel, p[f"{name}.bias"], padding="same")
        n = f"norm{name[-1]}"
        x = F.batch_norm(x, None, None, p[f"{n}.weight"], p[f"{n}.bias"], training=True)
        x = F.relu(x)
        x = F.max_pool2d(x, 2) if name == "conv1" else F.avg_pool2d(x, 2)
    return F.linear(x.permute(0, 2, 3, 1).flatten(1), p["head.weight"], p["head.bias"])


def gpt_params(width, length, classes):
    params = [("tokens.weight", [classes, width], 0), ("positions.weight", [length, width], 0)]
    for b in ["blocks.0", "blocks.1"]:
        params += norm(f"{b}.norm1", width) + linear(f"{b}.attention.qkv", 3 * width, width)
        params += linear(f"{b}.attention.out", width, width) + norm(f"{b}.norm2", width)
        params += linear(f"{b}.up", 2 * width, width) + linear(f"{b}.down", width, 2 * width)
    return params + norm("norm", width)


def llama_params():
    params = [("tokens.weight", [7, 8], 0)]
    for b in ["blocks.0", "blocks.1"]:
        params += [(f"{b}.norm1.weight", [8], 1), (f"{b}.attention.qkv.weight", [16, 8], 0)]
        params += [(f"{b}.attention.out.weight", [8, 8], 0), (f"{b}.norm2.weight", [8], 1)]
        params += [(f"{b}.gate.weight", [6, 8], 0), (f"{b}.up.weight", [6, 8], 0), (f"{b}.down.weight", [8, 6], 0)]
    return params + [("norm.weight", [8], 1), ("head.weight", [7, 8], 0)]


ids = torch.tensor([[(3 * i + 7 * j * j + 1) % 7 for j in range(5)] for i in range(3)])
# Without positions in the sum, equal letters have equal values, whatever attention makes of their scores.
letters = torch.tensor([[(3 * i + 5 * j * j + 2 * j + 1) % 7 for j in range(5)] for i in range(3)])
problems = {
    "mlp": (mlp, linear("up", 9, 7) + norm("norm", 9) + linear("down", 5, 9), values([6, 7], 99), labels(6, 5)),
    "gpt": (gpt(1), gpt_params(6, 5, 7), ids, labels(15, 7)),
    "gpt of heads": (gpt(2), gpt_params(6, 5, 7), ids, labels(15, 7)),
    "llama, halves": (llama("halves"), llama_params(), letters, labels(15, 7)),
    "llama, interleaved": (llama("interleaved"), llama_params(), letters, labels(15, 7)),
    "cnn": (
        cnn,
        [("conv1.weight", [4, 3, 3, 2], 0), ("conv1.bias", [4], 0)]
        + norm("norm1", 4)
        + [("conv2.weight", [5, 3, 3, 4], 0), ("conv2.bias", [5], 0)]
        + norm("norm2", 5)
        + linear("head", 3, 20),
        values([4, 8, 8, 2], 99),
        labels(4, 3),
    ),
}


WITH_PRODUCTS = ["mlp", "gpt", "gpt of heads", "llama, halves", "cnn"]
# Differences of gradients, as hvp takes them, want a loss that is not bent too strongly: not that of small rows that are
# divided by their size.
WITH_HESSIAN = ["mlp", "gpt", "gpt of heads", "cnn"]
# Trained for 500 steps, too, of which every twentieth loss is written: at a rate at which AdamW makes no leaps. Where it
# does, losses of two programs, or of one on two processors, differ by as much as they rise.
LONG = ["gpt of heads", "cnn"]
SLOW_RATE = 0.003


def plain(tensor):
    return [float(x) for x in tensor.detach().reshape(-1)]


def solved(name, forward, specs, x, target):
    params = {path: values(shape, i + 1) * 0.5 + shift for i, (path, shape, shift) in enumerate(specs)}
    v = {path: values(shape, i + 101) for i, (path, shape, _) in enumerate(specs)}

    def loss_of(logits):
        return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), target, ignore_index=-1)

    loss = lambda p: loss_of(forward(p, x))
    grads = torch.func.grad(loss)(params)
    logits, tangent = torch.func.jvp(lambda p: forward(p, x), (params,), (v,))
    _, curved = torch.func.jvp(torch.func.grad(loss_of), (logits,), (tangent,))
    _, back = torch.func.vjp(lambda p: forward(p, x), params)
    _, hessian = torch.func.jvp(torch.func.grad(loss), (params,), (v,))
    (product,) = back(curved)

    def losses_of(count, rate, disturbed=0):
        trained = {path: nn.Parameter(t * (1 + disturbed * torch.rand_like(t))) for path, t in params.items()}
        optimizer = torch.optim.AdamW(trained.values(), lr=rate, weight_decay=0.1)
        losses = []
        for _ in range(count):
            optimizer.zero_grad()
            value = loss(trained)
            value.backward()
            losses.append(float(value))
            optimizer.step()
        return losses

    slow_losses = losses_of(500, SLOW_RATE)[19::20] if name in LONG else []
    if name in LONG:
        torch.manual_seed(1)
        others = [losses_of(500, SLOW_RATE, 1e-6)[19::20] for _ in range(5)]
        apart = max(abs(a - b) for other in others for a, b in zip(slow_losses, other))
        assert apart < 1e-3, f"{name}: losses differ by {apart} from a start that differs by 1e-6"
    products = {"gaussNewton": product} if name in WITH_PRODUCTS else {}
    products |= {"hessian": hessian} if name in WITH_HESSIAN else {}
    return {
        "params": specs,
        "input": {"shape": list(x.shape), "data": x.reshape(-1).tolist()},
        "labels": target.tolist(),
        "loss": float(loss(params)),
        "gradient": {path: plain(t) for path, t in grads.items()},
        "logits": plain(logits),
        "tangent": plain(tangent),
        **{kind: {path: plain(t) for path, t in one.items()} for kind, one in products.items()},
        "losses": losses_of(200, 0.01),
        **({"slow": {"rate": SLOW_RATE, "losses": slow_losses}} if name in LONG else {}),
    }


source = {
    "program": f"PyTorch {torch.__version__}",
    "madeBy": "/usr/bin/python3 scripts/golden/networks.py",
    "seeds": "SplitMix64: parameter i has i + 1, its direction i + 101, an input 99",
}
result = {
    **source,
    "problems": {name: solved(name, *problem) for name, problem in problems.items()},
}
out = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "networks.json"
out.write_text(json.dumps(result) + "\n")


def gpt2_file(specs):
    """The network `gpt of heads` under GPT-2's names and layouts: products [in, out], masks, a head tied to the table."""
    names = {"tokens": "wte", "positions": "wpe", "norm": "ln_f", "norm1": "ln_1", "norm2": "ln_2", "attention": "attn"}
    names |= {"qkv": "c_attn", "out": "c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj", "blocks": "h"}
    tensors = {}
    for i, (path, shape, shift) in enumerate(specs):
        name = ".".join(names.get(step, step) for step in path.split("."))
        tensor = (values(shape, i + 1) * 0.5 + shift).float()
        tensors[name] = tensor.T.contiguous() if "c_" in name and len(shape) == 2 else tensor
    length = tensors["wpe.weight"].shape[0]
    for block in [0, 1]:
        tensors[f"h.{block}.attn.bias"] = torch.ones(length, length, dtype=torch.uint8).tril()[None, None]
    tensors["lm_head.weight"] = tensors["wte.weight"]
    return tensors


def write_safetensors(path, tensors):
    data, header = b"", {"__metadata__": {"format": "pt"}}
    for name, tensor in tensors.items():
        part = tensor.numpy().tobytes()
        kind = {torch.float32: "F32", torch.uint8: "U8", torch.int64: "I64"}[tensor.dtype]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


write_safetensors(out.with_name("gpt2.safetensors"), gpt2_file(problems["gpt of heads"][1]))
described = {**source, "network": "gpt of heads in networks.json, under GPT-2's names and in its layouts, f32"}
out.with_name("gpt2.json").write_text(json.dumps(described, indent=1) + "\n")


def llama_params_of_file(layout):
    """Those of the problem, but for queries and keys so large that attention depends on their turns."""
    specs = problems[f"llama, {layout}"][1]
    return {
        path: ((values(shape, i + 1) * 0.5 + shift) * (3 if "qkv" in path else 1)).float()
        for i, (path, shape, shift) in enumerate(specs)
    }


def llama_file(params):
    """A network of llama() under the names of transformers: q, k and v apart. Files of transformers have their rows of
    heads in halves, those of Meta pairs of neighbours."""
    names = {"tokens": "model.embed_tokens", "norm": "model.norm", "head": "lm_head", "blocks": "model.layers"}
    names |= {"norm1": "input_layernorm", "norm2": "post_attention_layernorm", "attention": "self_attn", "out": "o_proj"}
    names |= {part: f"mlp.{part}_proj" for part in ["gate", "up", "down"]}
    tensors = {}
    for path, tensor in params.items():
        name = ".".join(names.get(step, step) for step in path.split("."))
        parts = zip("qkv", tensor.split([8, 4, 4])) if "qkv" in name else [(None, tensor)]
        for part, rows in parts:
            tensors[name.replace("qkv", f"{part}_proj")] = rows.contiguous()
    return tensors


for layout, name in [("halves", "llama"), ("interleaved", "llama-neighbours")]:
    params = llama_params_of_file(layout)
    write_safetensors(out.with_name(f"{name}.safetensors"), llama_file(params))
    described = {
        **source,
        "network": f"llama('{layout}') of scripts/golden/networks.py, under the names of transformers, f32",
        "input": {"shape": list(letters.shape), "data": letters.reshape(-1).tolist()},
        "logits": plain(llama(layout)({path: t.double() for path, t in params.items()}, letters)),
    }
    out.with_name(f"{name}.json").write_text(json.dumps(described) + "\n")


class Cnn(nn.Module):
    """With running moments, and a linear layer behind images that are laid flat."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.norm2 = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False), nn.BatchNorm2d(6)
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        return self.head(F.relu(self.norm2(self.conv2(x))).flatten(1))


network = Cnn()
for i, (path, tensor) in enumerate(network.state_dict().items()):
    if tensor.dtype != torch.int64:
        shift = 1 if "var" in path or ("norm" in path and "weight" in path) else 0
        tensor.copy_((values(list(tensor.shape), i + 1) * 0.5 + shift).float())
    else:
        tensor.fill_(7)
image = values([3, 2, 8, 8], 99)
logits = network.eval()(image)
network = network.float()
write_safetensors(out.with_name("cnn.safetensors"), dict(network.state_dict()))
described = {
    **source,
    "network": "Cnn of scripts/golden/networks.py in evaluation, kernels [O, I, h, w] and images [N, C, H, W], f32",
    "input": {"shape": list(image.shape), "data": plain(image)},
    "logits": plain(logits),
}
out.with_name("cnn.json").write_text(json.dumps(described) + "\n")
