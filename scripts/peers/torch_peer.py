"""python3 scripts/peers/torch_peer.py <case> [--threads n]: the same work in PyTorch, on one thread unless it says more, into
tensors that are reused."""
import sys

import torch
from newton_schulz import newton_schulz
from peer_race import CASES, gpt2_like, race

threads = int(sys.argv[sys.argv.index("--threads") + 1]) if "--threads" in sys.argv else 1
torch.set_num_threads(threads)
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
    """Variant `head`: momentum, then u over the root of the mean of cosh²(1.5 u/‖u‖)."""
    weights = [torch.randn(s) for s in gpt2_like()]
    grads = [torch.randn(s) for s in gpt2_like()]
    momenta = [torch.zeros(s) for s in gpt2_like()]
    rooms = {s: (torch.empty(s), torch.empty(s)) for s in gpt2_like()}

    def step():
        for w, g, m in zip(weights, grads, momenta):
            u, scaled = rooms[tuple(w.shape)]
            m.mul_(0.95).add_(g, alpha=0.05)
            torch.lerp(g, m, 0.95, out=u)
            torch.mul(u, 1.5 / (u.norm() + 1e-7), out=scaled)
            root = scaled.cosh_().square_().mean().sqrt_()
            w.addcdiv_(u, root, value=-0.24)

    return step


def into_a_tensor(function):
    x, out = torch.randn(shape), torch.empty(shape)
    return lambda: function(x, out)


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
    """The form that returns a new tensor: the one with `out` copies, and takes longer."""
    weight, bias, x = torch.ones(shape[1]), torch.zeros(shape[1]), torch.randn(shape)
    return lambda: torch.nn.functional.layer_norm(x, (shape[1],), weight, bias)


def column_sum():
    x, out = torch.randn(shape), torch.empty(shape[1])
    return lambda: torch.sum(x, 0, out=out)


MAKERS = {
    "sgd": lambda: optimizer_step(lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.9, fused=True)),
    "adamw": lambda: optimizer_step(lambda w: torch.optim.AdamW(w, lr=1e-3, fused=True)),
    "auon": auon_step,
    "newton-schulz": lambda: newton_schulz(torch.randn(shape)),
    "layer-norm": layer_norm,
    "gelu": lambda: into_a_tensor(lambda x, out: torch._C._nn.gelu(x, out=out)),
    "softmax": lambda: into_a_tensor(lambda x, out: torch.softmax(x, 1, out=out)),
    "transpose": lambda: into_a_tensor(lambda x, out: out.copy_(x.T)),
    "column-sum": column_sum,
    "training-step": training_step,
}
if name in ("training-step", "sgd", "adamw"):
    race("torch", torch.__version__, name, MAKERS[name](), threads=threads)
else:
    with torch.no_grad():
        race("torch", torch.__version__, name, MAKERS[name](), threads=threads)
