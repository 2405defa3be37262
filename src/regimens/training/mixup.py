"""Mixup: train on mixtures of two examples, and on their labels in the same shares.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018. As `torchvision.transforms.v2.MixUp`, one share for a
mini-batch, each example with the one before it; the loss, which is linear in labels, is that of both in their shares.
"""

import numpy as np
import torch


class Shares:
    """How much each mini-batch's examples keep of themselves: the larger of s and 1 - s, s from Beta(alpha, alpha).

    Which of the two is only a matter of which of a pair is called the first. Drawn from a stream of its own, whose seed
    comes from torch's global stream if `alpha` is not 0.
    """

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha
        self._random = np.random.default_rng(int(torch.randint(2**62, ())) if alpha else 0)

    def draw(self) -> float:
        """The next mini-batch's share, from 0.5 to 1."""
        share = float(self._random.beta(self.alpha, self.alpha))
        return max(share, 1 - share)
