"""The honest best of plain torch: a hand-written eager loop, the same arithmetic: argv = folder case."""

import sys

import torch
from torch import nn
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


if __name__ == "__main__":
    folder, case = sys.argv[1:]
    torch.set_num_threads(1)
    x, y, x_valid, y_valid = (torch.from_numpy(part) for part in arrays(folder))
    regularised = case == "regularised"
    net = network(regularised)
    kernels = [layer.weight for layer in net if isinstance(layer, nn.Linear)]
    parameters = list(net.parameters())
    optimizer = (
        torch.optim.NAdam(parameters, 0.001, momentum_decay=0.004)
        if case == "nadam"
        else torch.optim.SGD(parameters, 0.01)
    )

    def epoch() -> None:
        """One epoch and its validation; loss and hits are counted, as ours are."""
        net.train()
        total, hits = torch.zeros(()), torch.zeros((), dtype=torch.long)
        for indices in torch.randperm(len(y)).split(BATCH):
            batch, labels = x.index_select(0, indices), y.index_select(0, indices)
            optimizer.zero_grad()
            logits = net(batch)
            loss = F.cross_entropy(logits, labels)
            if regularised:
                loss = loss + L2 * sum(torch.dot(w.flatten(), w.flatten()) for w in kernels)
            loss.backward()
            optimizer.step()
            if regularised:
                with torch.no_grad():
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
