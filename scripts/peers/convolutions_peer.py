"""The side of PyTorch of convolutions.mjs: a request a line, an answer a line."""
import torch
from torch_lines import answer_lines, least, tensor

torch.set_num_threads(1)
works, results = [], []


def prepare(request):
    global works, results
    stride, padding = [request["stride"]] * 2, [request["padding"]] * 2
    last = [tensor(data, shape) for data, shape in zip(request["data"], request["shapes"])]
    first = [t.contiguous() for t in last]

    def runs(x, kernel, grad):
        def backward(mask):
            return torch.ops.aten.convolution_backward(
                grad, x, kernel, None, stride, padding, [1, 1], False, [0, 0], 1, mask
            )

        return [
            lambda: torch.nn.functional.conv2d(x, kernel, stride=stride, padding=padding),
            lambda: backward([True, False, False])[0],
            lambda: backward([False, True, False])[1],
        ]

    works = list(zip(runs(*last), runs(*first)))
    results = [run() for run in runs(*(t.double() for t in last))]
    return {}


def check(request):
    exact = results[request["kind"]]
    ours = tensor(request["check"], exact.permute(0, 2, 3, 1).shape)
    return {"error": ((ours.double() - exact).abs().max() / exact.abs().max()).item()}


def answer(request):
    if "data" in request:
        return prepare(request)
    return check(request) if "check" in request else least(works[request["kind"]], request["repeats"])


with torch.no_grad():
    answer_lines(answer)
