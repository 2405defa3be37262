"""Fold batch normalisation into dense layers and convolutions for prediction: same outputs, fewer steps.

Before the activation it goes into its own layer; after it, or on the inputs, into the next one, if that is dense
(docs/reference/parity.md, section 3). A convolution pads with zeros, which a shift before it would move at the edges:
there it stays. Dropout is removed too; the result is for prediction only.
"""

import copy
import time
from statistics import median

import torch
from torch import Tensor, nn

from regimens.nets.cnn import Conv, Convolutional
from regimens.nets.mlp import MLP, Dense
from regimens.nets.resnet import Residual


def fuse(net: nn.Module) -> nn.Module:
    """Return a copy of `net`, in evaluation mode, without batch normalisation or dropout; logits equal to rounding.

    A network of the user's own is copied as it is.
    """
    fused = copy.deepcopy(net).eval()
    if not isinstance(fused, MLP | Convolutional):
        return fused
    carried = _affine(fused.input_norm) if isinstance(fused, MLP) else None
    if carried is not None:
        fused.input_norm = None
    for i, block in enumerate(fused.layers):
        if isinstance(block, Conv):
            fused.layers[i] = _fused(block)
            continue
        if isinstance(block, Residual):
            block.first, block.second = _fused(block.first), _fused(block.second)
            continue
        assert isinstance(block, Dense)
        parts = dict(block.named_children())
        weight, bias = block.linear.weight.detach(), block.linear.bias
        shift = torch.zeros_like(weight[:, 0]) if bias is None else bias.detach()
        if carried is not None:
            scale, offset = carried
            weight, shift = weight * scale, shift + weight @ offset
        own = _affine(parts.get("norm"))
        carried = None
        if own is not None:
            names = list(parts)
            if "activation" not in names or names.index("norm") < names.index("activation"):
                scale, offset = own
                weight, shift = weight * scale[:, None], shift * scale + offset
            else:
                carried = own
            del parts["norm"]
        parts["linear"] = _linear(weight, shift)
        parts.pop("dropout", None)
        parts.pop("alpha_dropout", None)
        fused.layers[i] = Dense(**parts)
    return fused.eval()


def seconds_saved(mlp: nn.Module, x: Tensor, repeats: int = 21) -> tuple[float, float]:
    """Return the median seconds of one prediction of x (N, ...) by `mlp` in evaluation mode, and by `fuse(mlp)`."""
    plain = copy.deepcopy(mlp).eval()
    fused = fuse(mlp)
    times: tuple[list[float], list[float]] = ([], [])
    with torch.no_grad():
        for _ in range(repeats):  # alternating, so that load on the machine affects both alike
            for net, taken in zip((plain, fused), times, strict=True):
                start = time.perf_counter()
                net(x)
                taken.append(time.perf_counter() - start)
    return median(times[0]), median(times[1])


def _fused(block: Conv) -> Conv:
    """A block of a convolution without dropout, and without a batch norm that comes right after the convolution."""
    parts = {name: part for name, part in block.named_children() if not name.endswith("dropout")}
    names, own = list(parts), _affine(parts.get("norm"))
    if own is not None and names.index("norm") == names.index("conv") + 1:
        scale, offset = own
        old, conv = block.conv, copy.deepcopy(block.conv)
        shift = torch.zeros_like(scale) if old.bias is None else old.bias.detach()
        conv.weight = nn.Parameter(old.weight.detach() * scale.view(-1, 1, 1, 1))
        conv.bias = nn.Parameter(shift * scale + offset)
        parts["conv"] = conv
        del parts["norm"]
    return Conv(**parts)


def _affine(norm: nn.Module | None) -> tuple[Tensor, Tensor] | None:
    """Return (s, t), each (units,), with which batch normalisation in evaluation is s x + t; None for anything else."""
    if not isinstance(norm, nn.BatchNorm1d) or norm.running_var is None or norm.running_mean is None:
        return None
    scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    return scale, norm.bias.detach() - scale * norm.running_mean


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
    return linear
