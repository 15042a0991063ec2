"""The side of PyTorch and SciPy of spectral.mjs: a request a line, an answer a line."""
import numpy as np
import scipy.fft
import torch
from torch_lines import answer_lines, least

torch.set_num_threads(1)
torch.set_grad_enabled(False)
works, result = [], None


def clip(x):
    """Sizes in order or not, whichever is faster; the last one of the tenth and one more is the threshold."""
    count = x.numel() // 10 + 1
    sizes, out = torch.empty_like(x), torch.empty_like(x)
    values, indices = torch.empty(count), torch.empty(count, dtype=torch.int64)

    def run(is_sorted):
        torch.abs(x, out=sizes)
        torch.topk(sizes.view(-1), count, sorted=is_sorted, out=(values, indices))
        limit = (values[-1] if is_sorted else values.min()).item()
        return torch.clamp(x, -limit, limit, out=out)

    return [lambda: run(True), lambda: run(False)]


def top(x):
    count = x.numel() // 10
    values, indices = torch.empty(count), torch.empty(count, dtype=torch.int64)

    def run():
        torch.topk(x.view(-1), count, out=(values, indices))
        return values

    return [run]


def dct(x):
    """There is no form that reuses its result."""
    return [lambda: torch.from_numpy(scipy.fft.dct(x.numpy(), type=2, norm="ortho", axis=1, workers=1))]


def prepare(request):
    global works, result
    x = torch.from_numpy(np.fromfile(request["numbers"], np.float32)).reshape(request["shape"])
    works = {"clip": clip, "top": top, "dct": dct}[request["work"]](x)
    result = works[0]().clone()
    return {"version": f"SciPy {scipy.__version__}" if request["work"] == "dct" else f"PyTorch {torch.__version__}"}


def check(request):
    ours = torch.from_numpy(np.fromfile(request["results"], np.float32)).reshape(result.shape)
    return {"error": ((ours - result).abs().max() / result.abs().max()).item()}


def answer(request):
    if "numbers" in request:
        return prepare(request)
    return check(request) if "results" in request else least(works, request["repeats"])


answer_lines(answer)
