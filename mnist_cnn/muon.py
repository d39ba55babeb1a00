"""Muon for the kernels of convolutions, AdamW for everything else.

Muon after Jordan et al. 2024 (Muon: an optimizer for hidden layers in neural networks), its steps scaled after Liu et
al. 2025 (Muon is scalable for LLM training), so that one learning rate and one weight decay serve both. The one in
torch.optim takes matrices only.
"""

import torch

MOMENTUM = 0.9
NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315  # Jordan's: they bring small singular values up the fastest


class MuonWithAdamW(torch.optim.AdamW):
    """AdamW, but for kernels (out, in, height, width), each taken as a matrix of `out` rows.

    A kernel's step is the momentum of its gradients with the singular values brought near 1, so that it
    learns what few digits ask for as fast as what most of them do. Arguments: AdamW's lr (a number or a tensor),
    betas, eps, weight_decay, fused, foreach and capturable.
    """

    @torch.no_grad()
    def step(self):
        """Take a step, and drop the gradients of the kernels."""
        for group in self.param_groups:
            for kernel in (weight for weight in group["params"] if weight.ndim == 4 and weight.grad is not None):
                gradient, state = kernel.grad.flatten(1), self.state[kernel]
                if not state:  # AdamW looks for a step in whatever state it loads
                    state.update(step=torch.zeros(()), momentum=torch.zeros_like(gradient))
                momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
                update = orthogonalize(gradient.lerp(momentum, MOMENTUM))  # Nesterov's: a look ahead
                size = 0.2 * max(update.shape) ** 0.5  # makes the root mean square about 0.2, as that of AdamW's is
                kernel.mul_(1 - group["lr"] * group["weight_decay"])
                rate = torch.as_tensor(-size * group["lr"], dtype=kernel.dtype, device=kernel.device)
                kernel.addcmul_(update.view_as(kernel), rate)
                kernel.grad = None  # AdamW passes over it
        super().step()


def orthogonalize(matrix):
    """Bring the singular values of a matrix (R, C) near 1, by two Newton-Schulz steps.

    Those of at least 0.07 of the matrix's norm end between 0.68 and 1.21; smaller ones, mostly noise, stay smaller, and
    zeros zeros. Returns a matrix (R, C) of the same dtype.
    """
    a, b, c = NEWTON_SCHULZ
    matrix = matrix / (matrix.norm() + 1e-7)
    for _ in range(2):
        gram = matrix @ matrix.T
        matrix = torch.addmm(matrix, torch.addmm(gram, gram, gram, beta=b, alpha=c), matrix, beta=a)
    return matrix
