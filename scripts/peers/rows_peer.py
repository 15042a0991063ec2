"""PyTorch's side of rows.mjs, on as many threads as its word says: a request a line, an answer a line."""
import sys

import numpy as np
import torch
import torch.nn.functional as F
from newton_schulz import newton_schulz
from torch_lines import answer_lines, least

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
torch.set_grad_enabled(False)
aten = torch.ops.aten
works, result = [], None
EPS = 1e-5


def ones(x):
    return x.new_ones(x.shape[-1])


def gelu(form):
    def make(x, grad, labels):
        out = torch.empty_like(x)
        return [lambda: torch._C._nn.gelu(x, approximate=form, out=out)]

    return make


def gelu_backward(form):
    def make(x, grad, labels):
        out = torch.empty_like(x)
        return [lambda: torch.ops.aten.gelu_backward.grad_input(grad, x, approximate=form, grad_input=out)]

    return make


def softmax(x, grad, labels):
    out = torch.empty_like(x)
    return [lambda: torch.softmax(x, -1, out=out)]


def cross_entropy(x, grad, labels):
    return [lambda: F.cross_entropy(x, labels)]


def cross_entropy_backward(x, grad, labels):
    """Forward and backward, as PyTorch keeps the logarithms that the backward pass reads."""
    one = x.new_ones(())

    def run():
        logs = aten._log_softmax(x, 1, False)
        loss, total = aten.nll_loss_forward(logs, labels, None, 1, -100)
        by_logs = aten.nll_loss_backward(one, logs, labels, None, 1, -100, total)
        return aten._log_softmax_backward_data(by_logs, logs, 1, x.dtype)

    return [run]


def layouts(x):
    """Channels last in memory and channels second: the faster one counts."""
    last = x.permute(0, 3, 1, 2)
    return [last, last.contiguous()]


def back(t):
    return t.permute(0, 2, 3, 1)


def batch_norm(x, grad, labels):
    weight, bias = ones(x), torch.zeros_like(ones(x))
    return [
        lambda t=t: back(aten.native_batch_norm(t, weight, bias, None, None, True, 0.1, EPS)[0]) for t in layouts(x)
    ]


def batch_norm_backward(x, grad, labels):
    weight, bias = ones(x), torch.zeros_like(ones(x))

    def make(t, g):
        _, mean, scale = aten.native_batch_norm(t, weight, bias, None, None, True, 0.1, EPS)
        return lambda: back(
            aten.native_batch_norm_backward(g, t, weight, None, None, mean, scale, True, EPS, [True] * 3)[0]
        )

    return [make(t, g) for t, g in zip(layouts(x), layouts(grad))]


def max_pool(x, grad, labels):
    return [lambda t=t: back(aten.max_pool2d_with_indices(t, [2, 2])[0]) for t in layouts(x)]


def max_pool_backward(x, grad, labels):
    def make(t, g):
        _, places = aten.max_pool2d_with_indices(t, [2, 2])
        return lambda: back(
            aten.max_pool2d_with_indices_backward(g, t, [2, 2], [2, 2], [0, 0], [1, 1], False, places)
        )

    return [make(t, g) for t, g in zip(layouts(x), layouts(grad))]


def layer_norm(x, grad, labels):
    weight, bias = ones(x), torch.zeros_like(ones(x))
    return [lambda: aten.native_layer_norm(x, [x.shape[-1]], weight, bias, EPS)[0]]


def layer_norm_backward(x, grad, labels):
    weight, bias = ones(x), torch.zeros_like(ones(x))
    _, mean, scale = aten.native_layer_norm(x, [x.shape[-1]], weight, bias, EPS)
    return [
        lambda: aten.native_layer_norm_backward(
            grad, x, [x.shape[-1]], mean, scale, weight, bias, [True] * 3
        )[0]
    ]


def orthogonalize(x, grad, labels):
    return [newton_schulz(x)]


MAKERS = {
    "gelu": gelu("none"),
    "geluTanh": gelu("tanh"),
    "geluBackward": gelu_backward("none"),
    "geluTanhBackward": gelu_backward("tanh"),
    "softmax": softmax,
    "crossEntropy": cross_entropy,
    "crossEntropyBackward": cross_entropy_backward,
    "batchNorm": batch_norm,
    "batchNormBackward": batch_norm_backward,
    "maxPool": max_pool,
    "maxPoolBackward": max_pool_backward,
    "layerNorm": layer_norm,
    "layerNormBackward": layer_norm_backward,
    "orthogonalize": orthogonalize,
}


def prepare(request):
    global works, result
    files, shape = request["files"], request["shape"]
    x = torch.from_numpy(np.fromfile(files["x"], np.float32)).reshape(shape)
    grad = torch.from_numpy(np.fromfile(files["grad"], np.float32)).reshape(request["gradShape"])
    labels = torch.from_numpy(np.fromfile(files["labels"], np.int32)).long()
    works = MAKERS[request["work"]](x, grad, labels)
    result = MAKERS[request["work"]](x.double(), grad.double(), labels)[0]()
    return {}


def check(request):
    dtype = np.float64 if result.dim() == 0 else np.float32
    ours = torch.from_numpy(np.fromfile(request["check"], dtype)).reshape(result.shape)
    return {"error": ((ours.double() - result).abs().max() / result.abs().max()).item()}


def answer(request):
    if "files" in request:
        return prepare(request)
    return check(request) if "check" in request else least(works, request["repeats"])


answer_lines(answer)
