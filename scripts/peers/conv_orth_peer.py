"""The side of PyTorch of conv-orth.mjs: a request a line, an answer a line."""
import base64
import json
import sys
import time

import torch

torch.set_num_threads(1)
works, exact = [], None


def tensor(text, shape):
    """Channels last in memory, channels second in shape."""
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32).reshape(shape).permute(0, 3, 1, 2)


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


def timed(work, repeats):
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats * 1e3


for line in sys.stdin:
    request = json.loads(line)
    if "data" in request:
        answer = prepare(request)
    elif "gradient" in request:
        answer = check(request)
    else:
        answer = {"milliseconds": min(timed(work, request["repeats"]) for work in works)}
    print(json.dumps(answer), flush=True)
