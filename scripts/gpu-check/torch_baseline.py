"""python3 scripts/gpu-check/torch_baseline.py [--plan] <file of timing lines>…

Times in PyTorch what the lines say, on the GPU that it sees (else on the CPU), and prints a line for each case that has a
counterpart there. --plan reads the cases and prints how many have one, and needs no PyTorch.
"""
import json
import re
import sys

DTYPES = {"f32": "float32", "f64": "float64", "f16": "float16", "bf16": "bfloat16", "i32": "int32", "u8": "uint8"}


class Case:
    """The words of a line's case: lists of tensors, numbers, words."""

    def __init__(self, line):
        self.op, self.text = line["op"], line["case"]
        self.words = dict(word.split("=", 1) for word in self.text.split())

    def shapes(self, field):
        """[(dtype, shape)] of a field; an item may be repeated: f32[3x4]*12."""
        found = []
        for dtype, sides, count in re.findall(r"(\w+)\[([\dx]*)\](?:\*(\d+))?", self.words.get(field, "")):
            found += [(dtype, [int(side) for side in sides.split("x") if side])] * int(count or 1)
        return found

    def number(self, field, default=0.0):
        return float(self.words.get(field, default))


def tensors(torch, case, field, device):
    made = []
    for dtype, shape in case.shapes(field):
        if dtype in ("i32", "u8"):
            made.append(torch.zeros(shape, dtype=getattr(torch, DTYPES[dtype]), device=device))
        else:
            made.append(torch.randn(shape, dtype=torch.float32, device=device).to(getattr(torch, DTYPES[dtype])))
    return made


def optimizer(make):
    """The fused step of torch.optim where it has one; several dtypes in one step are not its case."""

    def prepare(torch, case, device):
        weights = tensors(torch, case, "weights", device)
        for w, g in zip(weights, tensors(torch, case, "grads", device)):
            w.requires_grad_()
            w.grad = g.to(w.dtype)
        return make(torch, case, weights, device).step

    return prepare


def adamw(torch, case, weights, device):
    return torch.optim.AdamW(weights, lr=case.number("lr"), weight_decay=case.number("weightDecay"), fused=device == "cuda")


def sgd(torch, case, weights, device):
    return torch.optim.SGD(weights, lr=case.number("lr"), momentum=case.number("momentum"), fused=device == "cuda")


def gemm(torch, case, device):
    (a,), (b,) = tensors(torch, case, "a", device), tensors(torch, case, "b", device)
    a = a.mT if case.words.get("transA") == "transposed" else a
    b = b.mT if case.words.get("transB") == "transposed" else b
    return lambda: a @ b


def symmetric_product(torch, case, device):
    (a,) = tensors(torch, case, "a", device)
    return (lambda: a.mT @ a) if case.words.get("trans") == "transposed" else (lambda: a @ a.mT)


def newton_schulz(torch, case, device):
    (x,) = tensors(torch, case, "x", device)
    numbers = [float(number) for number in case.words["coefficients"].split(",")]
    wide = x if x.shape[-2] <= x.shape[-1] else x.mT

    def work():
        y = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
        for i in range(0, len(numbers), 3):
            g = y @ y.mT
            y = numbers[i] * y + (numbers[i + 1] * g + numbers[i + 2] * (g @ g)) @ y
        return y

    return work


def on_one(field, function):
    def prepare(torch, case, device):
        (x,) = tensors(torch, case, field, device)
        return lambda: function(torch, x)

    return prepare


def cross_entropy(torch, case, device):
    (logits,) = tensors(torch, case, "logits", device)
    labels = torch.zeros(logits.shape[0], dtype=torch.int64, device=device)
    return lambda: torch.nn.functional.cross_entropy(logits, labels)


PEERS = {
    "adamw": optimizer(adamw),
    "sgd": optimizer(sgd),
    "gemm": gemm,
    "symmetric_product": symmetric_product,
    "newton_schulz": newton_schulz,
    "relu": on_one("x", lambda torch, x: torch.relu(x)),
    "gelu": on_one("x", lambda torch, x: torch.nn.functional.gelu(x)),
    "row_softmax": on_one("x", lambda torch, x: torch.softmax(x, -1)),
    "row_logsumexp": on_one("x", lambda torch, x: torch.logsumexp(x, -1)),
    "layer_norm": on_one("x", lambda torch, x: torch.nn.functional.layer_norm(x, x.shape[-1:])),
    "transpose": on_one("x", lambda torch, x: x.mT.contiguous()),
    "column_sum": on_one("x", lambda torch, x: x.sum(0)),
    "softmax_cross_entropy": cross_entropy,
}


def milliseconds(torch, work, device, rounds=9, least=2e-3):
    """Best round, on the device's clock; a round is long against the cost of a launch."""
    import time

    def one(repeats):
        if device == "cpu":
            start = time.perf_counter()
            for _ in range(repeats):
                work()
            return (time.perf_counter() - start) * 1e3 / repeats
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(repeats):
            work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / repeats

    one(2)
    repeats = min(1000, int(least * 1e3 / max(one(1), 1e-4)) + 1)
    return min(one(repeats) for _ in range(rounds))


def cases_of(files):
    for file in files:
        with open(file, encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                if line.get("op") in PEERS and "case" in line:
                    yield Case(line)


def plan(files):
    cases = list(cases_of(files))
    for case in cases:
        if not any(case.shapes(field) for field in case.words):
            raise SystemExit(f"{case.op}: no tensor in {case.text}")
    print(json.dumps({"baseline": "torch", "cases": len(cases), "operations": len({case.op for case in cases})}))
    if not cases:
        raise SystemExit("no case has a counterpart")


def main(arguments):
    if arguments[0] == "--plan":
        return plan(arguments[1:])
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = False
    for case in cases_of(arguments):
        line = {"baseline": "torch", "version": torch.__version__, "torch_device": device, "op": case.op, "case": case.text}
        try:
            with torch.no_grad():
                line["min_ms"] = milliseconds(torch, PEERS[case.op](torch, case, device), device)
        except (RuntimeError, TypeError, ValueError) as error:
            line["skipped"] = str(error).splitlines()[0]
        print(json.dumps(line), flush=True)


main(sys.argv[1:])
