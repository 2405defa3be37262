"""Plain torch with `torch.compile`, as one writes it by hand for a convolutional network: argv = folder case.

The forward pass and its loss are one compiled function, which brings its own compiled gradients; the update of all
parameters is another. The network is that of conf/model/cnn.yaml.
"""

import sys

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from turns import BATCH, CLASSES, arrays, serve


def network() -> nn.Sequential:
    """Two convolutions of 3 x 3, each with a pooling of 2 x 2, then 100 units, on pictures (N, 784)."""
    return nn.Sequential(
        *(nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(32 * 7 * 7, 100), nn.ReLU(), nn.Linear(100, CLASSES)),
    )


if __name__ == "__main__":
    folder, case = sys.argv[1:]
    torch.set_num_threads(1)
    x, y, x_valid, y_valid = (torch.from_numpy(part) for part in arrays(folder))
    net = network()
    parameters = list(net.parameters())

    @torch.compile(dynamic=False)
    def judge(batch: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and how many answers are right."""
        logits = net(batch)
        return F.cross_entropy(logits, labels), (logits.argmax(1) == labels).sum()

    @torch.compile(dynamic=False)
    def step(gradients: list[Tensor]) -> None:
        """Gradient descent."""
        for p, g in zip(parameters, gradients, strict=True):
            p.add_(g, alpha=-0.01)

    def epoch() -> None:
        """One epoch and its validation; loss and hits are counted, as ours are."""
        total, hits = torch.zeros(()), torch.zeros((), dtype=torch.long)
        for indices in torch.randperm(len(y)).split(BATCH):
            loss, right = judge(x.index_select(0, indices), y.index_select(0, indices))
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                step(list(gradients))
            total += loss.detach() * len(indices)
            hits += right
        with torch.no_grad():
            for batch, labels in zip(x_valid.split(1000), y_valid.split(1000), strict=True):
                loss, right = judge(batch, labels)
                total += loss
                hits += right
        total.item(), hits.item()

    serve(epoch)
