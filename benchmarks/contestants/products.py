"""The floor: an epoch's matrix products alone, outputs preallocated: argv = folder case (any)."""

import sys
from itertools import pairwise

import torch
from turns import BATCH, CLASSES, HIDDEN, arrays, serve

if __name__ == "__main__":
    torch.set_num_threads(1)
    steps = -(-len(arrays(sys.argv[1])[1]) // BATCH)
    sizes = [784, *HIDDEN, CLASSES]
    inputs = [torch.randn(BATCH, n) for n in sizes]
    weights = [torch.randn(out, fan_in) for fan_in, out in pairwise(sizes)]
    outputs, gradients = [torch.empty_like(part) for part in inputs], [torch.empty_like(w) for w in weights]
    deltas = [torch.randn(BATCH, n) for n in sizes]

    def epoch() -> None:
        """Forward, weight gradients, and input gradients of all layers but the first."""
        for _ in range(steps):
            for i, w in enumerate(weights):
                torch.mm(inputs[i], w.t(), out=outputs[i + 1])
            for i, w in reversed(list(enumerate(weights))):
                torch.mm(deltas[i + 1].t(), inputs[i], out=gradients[i])
                if i:
                    torch.mm(deltas[i + 1], w, out=outputs[i])

    serve(epoch)
