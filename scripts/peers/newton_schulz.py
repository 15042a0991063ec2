"""Newton-Schulz by 15 products in PyTorch, which several peers race against."""
import torch


def newton_schulz(x):
    """Steps on x, whose shorter side comes first, into matrices that are reused; the work gives the result."""
    n = x.shape[0]
    y, other, gram, quartic = torch.empty_like(x), torch.empty_like(x), x.new_empty(n, n), x.new_empty(n, n)

    def work():
        nonlocal y, other
        torch.div(x, x.norm() + 1e-7, out=y)
        for _ in range(5):
            torch.mm(y, y.T, out=gram)
            torch.addmm(gram, gram, gram, beta=-4.775, alpha=2.0315, out=quartic)
            torch.addmm(y, quartic, y, beta=3.4445, out=other)
            y, other = other, y
        return y

    return work
