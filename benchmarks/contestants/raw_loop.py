"""The honest best of plain torch: a hand-written eager loop, the same arithmetic as ours: argv = folder case.

The updates are written out, since `torch.optim` costs a small network as much again as its update: measured here, SGD
by hand takes 0.87 of the step with `torch.optim.SGD`, and Nadam 0.65 of that with `torch.optim.NAdam`, whatever is set
of `foreach` and `fused`. Flattening the parameters or shuffling whole epochs first gains nothing.
"""

import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from turns import BATCH, CLASSES, HIDDEN, L2, MAX_NORM, RATE, arrays, serve


def network(regularised: bool) -> nn.Sequential:
    """784-300-100-10 SELU; with dropout before each dense layer and batch norm after each activation."""
    layers: list[nn.Module] = []
    fan_in = 784
    for units in HIDDEN:
        layers += [nn.Dropout(RATE)] if regularised else []
        layers += [nn.Linear(fan_in, units), nn.SELU()]
        layers += [nn.BatchNorm1d(units, momentum=0.01, eps=0.001)] if regularised else []
        fan_in = units
    layers += [nn.Dropout(RATE)] if regularised else []
    return nn.Sequential(*layers, nn.Linear(fan_in, CLASSES))


def sgd(parameters: list[Tensor]) -> Callable[[], None]:
    """A function that takes one step of gradient descent."""

    def step() -> None:
        for p in parameters:
            p.add_(p.grad, alpha=-0.01)

    return step


def nadam(parameters: list[Tensor], lr: float = 0.001, decay: float = 0.004) -> Callable[[], None]:
    """A function that takes one step of Nadam, with tf.keras's numbers."""
    means, squares = [torch.zeros_like(p) for p in parameters], [torch.zeros_like(p) for p in parameters]
    product, steps = 1.0, 0

    def step() -> None:
        nonlocal product, steps
        steps += 1
        mu, ahead = (0.9 * (1 - 0.5 * 0.96 ** (decay * t)) for t in (steps, steps + 1))
        product *= mu
        root = (1 - 0.999**steps) ** 0.5
        now, then = -lr * root * (1 - mu) / (1 - product), -lr * root * ahead / (1 - product * ahead)
        for p, m, v in zip(parameters, means, squares, strict=True):
            m.lerp_(p.grad, 0.1)
            d = v.mul_(0.999).addcmul_(p.grad, p.grad, value=0.001).sqrt().add_(1e-7 * root)
            p.addcdiv_(p.grad, d, value=now).addcdiv_(m, d, value=then)

    return step


if __name__ == "__main__":
    folder, case = sys.argv[1:]
    torch.set_num_threads(1)
    x, y, x_valid, y_valid = (torch.from_numpy(part) for part in arrays(folder))
    regularised = case == "regularised"
    net = network(regularised)
    kernels = [layer.weight for layer in net if isinstance(layer, nn.Linear)]
    parameters = list(net.parameters())
    step = (nadam if case == "nadam" else sgd)(parameters)

    def epoch() -> None:
        """One epoch and its validation; loss and hits are counted, as ours are."""
        net.train()
        total, hits = torch.zeros(()), torch.zeros((), dtype=torch.long)
        for indices in torch.randperm(len(y)).split(BATCH):
            batch, labels = x.index_select(0, indices), y.index_select(0, indices)
            for p in parameters:
                p.grad = None
            logits = net(batch)
            loss = F.cross_entropy(logits, labels)
            if regularised:
                loss = loss + L2 * sum(torch.dot(w.flatten(), w.flatten()) for w in kernels)
            loss.backward()
            with torch.no_grad():
                step()
                if regularised:
                    for w in kernels[:-1]:
                        norm = torch.linalg.vector_norm(w, dim=1, keepdim=True)
                        w.mul_(norm.clamp(max=MAX_NORM) / (norm + 1e-7))
            total += loss.detach() * len(indices)
            hits += (logits.detach().argmax(1) == labels).sum()
        net.eval()
        with torch.no_grad():
            for batch, labels in zip(x_valid.split(1000), y_valid.split(1000), strict=True):
                logits = net(batch)
                total += F.cross_entropy(logits, labels)
                hits += (logits.argmax(1) == labels).sum()
        total.item(), hits.item()

    serve(epoch)
