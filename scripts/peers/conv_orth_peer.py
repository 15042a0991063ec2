"""The side of PyTorch of conv-orth.mjs: a request a line, an answer a line."""
import torch
from torch_lines import answer_lines, least, tensor

torch.set_num_threads(1)
works, exact = [], None


def solver(kernel, stride):
    """The loss and its gradient; the identity is made once."""
    side = kernel.shape[-1]
    padding = (side - 1) // stride * stride
    shifts = 2 * (padding // stride) + 1
    target = torch.zeros(kernel.shape[0], kernel.shape[0], shifts, shifts, dtype=kernel.dtype)
    target[:, :, shifts // 2, shifts // 2] = torch.eye(kernel.shape[0], dtype=kernel.dtype)
    least = max(0, kernel.shape[0] - kernel.shape[1] * stride**2)
    own = kernel.clone(memory_format=torch.preserve_format).requires_grad_(True)

    def run():
        own.grad = None
        r = torch.nn.functional.conv2d(own, own, stride=stride, padding=padding)
        loss = ((r - target) ** 2).sum() - least
        loss.backward()
        return loss.item(), own.grad

    return run


def prepare(request):
    global works, exact
    kernel = tensor(request["data"], request["shape"])
    works = [solver(one, request["stride"]) for one in (kernel, kernel.contiguous())]
    exact = solver(kernel.double(), request["stride"])()
    return {}


def check(request):
    loss, gradient = exact
    ours = tensor(request["gradient"], gradient.permute(0, 2, 3, 1).shape)
    errors = [abs(request["loss"] / loss - 1), ((ours.double() - gradient).abs().max() / gradient.abs().max()).item()]
    return {"error": max(errors)}


def answer(request):
    if "data" in request:
        return prepare(request)
    return check(request) if "gradient" in request else least(works, request["repeats"])


answer_lines(answer)
