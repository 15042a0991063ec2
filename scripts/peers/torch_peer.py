"""python3 scripts/peers/torch_peer.py <case>: the same work in PyTorch, on one thread."""
import sys

import torch
from peer_race import CASES, gpt2_like, race

torch.set_num_threads(1)
torch.manual_seed(1)
name = sys.argv[1]
case = CASES[name]
shape = case.get("shape")


def optimizer_step(make):
    weights = [torch.randn(s).requires_grad_() for s in gpt2_like()]
    for w in weights:
        w.grad = torch.randn_like(w)
    return make(weights).step


def auon_step():
    """Momentum, then the update over the root of the mean of cosh², as the formula reads."""
    weights = [torch.randn(s) for s in gpt2_like()]
    grads = [torch.randn(s) for s in gpt2_like()]
    momenta = [torch.zeros(s) for s in gpt2_like()]

    def step():
        for w, g, m in zip(weights, grads, momenta):
            m.mul_(0.95).add_(g, alpha=0.05)
            u = g.lerp(m, 0.95)
            scaled = u / (u.norm() + 1e-8)
            root = torch.cosh(scaled).square_().mean().sqrt_()
            w.addcdiv_(u, root, value=-1e-3)

    return step


def newton_schulz():
    x = torch.randn(shape)

    def work():
        y = x / (x.norm() + 1e-7)
        for _ in range(5):
            g = y @ y.T
            y = torch.addmm(y, torch.addmm(g, g, g, beta=-4.775, alpha=2.0315), y, beta=3.4445)

    return work


def on_matrix(function):
    x = torch.randn(shape)
    return lambda: function(x)


def training_step():
    sizes = shape
    layers = []
    for i, (rows, columns) in enumerate(zip(sizes, sizes[1:])):
        layers += [torch.nn.Linear(rows, columns)] + ([torch.nn.ReLU()] if i + 2 < len(sizes) else [])
    network = torch.nn.Sequential(*layers)
    images, labels = torch.rand(case["batch"], sizes[0]), torch.arange(case["batch"]) % 10
    optimizer = torch.optim.AdamW(network.parameters(), lr=0, fused=True)

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    return step


def layer_norm():
    weight, bias = torch.ones(shape[1]), torch.zeros(shape[1])
    return on_matrix(lambda x: torch.nn.functional.layer_norm(x, (shape[1],), weight, bias))


MAKERS = {
    "sgd": lambda: optimizer_step(lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.9, fused=True)),
    "adamw": lambda: optimizer_step(lambda w: torch.optim.AdamW(w, lr=1e-3, fused=True)),
    "auon": auon_step,
    "newton-schulz": newton_schulz,
    "layer-norm": layer_norm,
    "gelu": lambda: on_matrix(torch.nn.functional.gelu),
    "softmax": lambda: on_matrix(lambda x: torch.softmax(x, 1)),
    "transpose": lambda: on_matrix(lambda x: x.T.contiguous()),
    "column-sum": lambda: on_matrix(lambda x: x.sum(0)),
    "training-step": training_step,
}
if name in ("training-step", "sgd", "adamw"):
    race("torch", torch.__version__, name, MAKERS[name]())
else:
    with torch.no_grad():
        race("torch", torch.__version__, name, MAKERS[name]())
