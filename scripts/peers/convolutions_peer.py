"""The side of PyTorch of convolutions.mjs: a request a line, an answer a line."""
import base64
import json
import sys
import time

import torch

torch.set_num_threads(1)
works, results = [], []


def tensor(text, shape):
    """Channels last in memory, channels second in shape."""
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32).reshape(shape).permute(0, 3, 1, 2)


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


def timed(work, repeats):
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats * 1e3


def race(request):
    return {"milliseconds": min(timed(work, request["repeats"]) for work in works[request["kind"]])}


with torch.no_grad():
    for line in sys.stdin:
        request = json.loads(line)
        answer = prepare if "data" in request else check if "check" in request else race
        print(json.dumps(answer(request)), flush=True)
