"""Muon for convolution kernels, AdamW for every other parameter.

Muon is by Jordan et al. 2024 (Muon: an optimizer for hidden layers in neural networks). Its updates are scaled as in
Liu et al. 2025 (Muon is scalable for LLM training), so that both optimizers share one learning rate and one weight
decay. torch.optim.Muon accepts matrices only, and kernels have four dimensions.
"""

import torch

MOMENTUM = 0.9
NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315  # coefficients of Jordan et al.; they raise small singular values fastest
NEWTON_SCHULZ_STEPS = 2
RMS = 0.2  # root mean square of an update at learning rate 1, about that of AdamW's updates


class MuonWithAdamW(torch.optim.AdamW):
    """AdamW, except that kernels (out, in, height, width) are updated by Muon, as matrices of `out` rows.

    Muon brings the singular values of a kernel's update near 1, so it takes equally large steps in rare and in common
    gradient directions. Takes AdamW's arguments lr (a number or a tensor), betas, eps, weight_decay, fused, foreach and
    capturable.
    """

    @torch.no_grad()
    def step(self):
        """Update all parameters and set the gradients of the kernels to None."""
        for group in self.param_groups:
            for kernel in (weight for weight in group["params"] if weight.ndim == 4 and weight.grad is not None):
                gradient, state = kernel.grad.flatten(1), self.state[kernel]
                if not state:  # AdamW.load_state_dict expects a `step` in every state
                    state.update(step=torch.zeros(()), momentum=torch.zeros_like(gradient))
                momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
                update = orthogonalize(gradient.lerp(momentum, MOMENTUM))  # Nesterov momentum
                size = RMS * max(update.shape) ** 0.5
                kernel.mul_(1 - group["lr"] * group["weight_decay"])
                rate = torch.as_tensor(-size * group["lr"], dtype=kernel.dtype, device=kernel.device)
                kernel.addcmul_(update.view_as(kernel), rate)
                kernel.grad = None  # AdamW skips parameters without a gradient
        super().step()


def orthogonalize(matrix):
    """Bring the singular values of a matrix (R, C) near 1 by two Newton-Schulz steps.

    Singular values of at least 0.07 of the matrix's norm end between 0.68 and 1.21. Smaller ones, mostly noise, stay
    smaller. Returns a matrix (R, C) of the same dtype.
    """
    a, b, c = NEWTON_SCHULZ
    matrix = matrix / (matrix.norm() + 1e-7)  # the zero matrix stays zero
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = matrix @ matrix.T
        matrix = torch.addmm(matrix, torch.addmm(gram, gram, gram, beta=b, alpha=c), matrix, beta=a)
    return matrix
