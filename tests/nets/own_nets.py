"""Networks as users write them."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn


class Plain(nn.Module):
    """Takes nothing but what it needs."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(n_inputs, 6), nn.Linear(6, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x.flatten(1)).relu())


class Willing(nn.Module):
    """Takes every technique, and holds its blocks in order."""

    def __init__(
        self,
        shape: Sequence[int],
        n_outputs: int,
        activation: Callable[[], nn.Module],
        norm: Callable[[int], nn.Module],
        dropout: float,
        width: int = 4,
    ) -> None:
        super().__init__()
        self.shape = shape
        flat = nn.Linear(width * shape[1] * shape[2], n_outputs)
        self.layers = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(shape[0], width, 3, padding=1), norm(width), activation(), nn.Dropout(dropout)),
                nn.Sequential(nn.Flatten(), flat),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Unwilling(Willing):
    """Takes a norm and builds none."""

    def __init__(self, shape: Sequence[int], n_outputs: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__(shape, n_outputs, nn.ReLU, lambda units: nn.Identity(), 0.0)


class Short(nn.Module):
    """Answers with too few numbers."""

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        self.only = nn.Linear(n_inputs, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.only(x.flatten(1))


def nothing() -> str:
    """No network at all."""
    return "nothing"
