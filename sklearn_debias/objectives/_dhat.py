"""DHAT: adversarial training with background-debiased logits.

Zhang, Weng, Li, Luo, "Towards Adversarial Robustness via Debiased High-Confidence Logit Alignment",
ICCV 2025, arXiv 2408.06079; Algorithm 1, and the authors' code where the two differ.

==============  ==================================================================
paper           here
==============  ==================================================================
x^              ``views["adversarial"]``
x~              ``views["inverse"]``, by the loss of `UIAT`
M, omega        ``attention`` in [0, 1], ``omega``; a value of each map's own: `is_background`
x~_B            ``views["background"]``: x~ where the attention is at most omega
z*              z~ - z~_B, the debiased logits
DHLR            `debiased_high_confidence_loss`: logits of x^ towards z*; ``dhlr``
FLOE            `foreground_orthogonal_loss`: what z~ has beside its background
lambda_1, 2     ``lam1``, ``lam2``
==============  ==================================================================
"""

from dataclasses import dataclass

from torch import Tensor

from sklearn_debias.core import Batch, Net, Nets, static
from sklearn_debias.losses import (
    background_residual,
    batch_background_residual,
    cross_entropy,
    kl_divergence,
)
from sklearn_debias.maps import (
    GRAD_CAM,
    grad_cam_attention,
    gradient_x_input_attention,
    integrated_gradients_attention,
    otsu_threshold,
)
from sklearn_debias.objectives._inner_attack import Views, accuracy, is_live, is_off
from sklearn_debias.objectives._uiat import InverseAttack

GIVEN = "attention_maps"
IG_STEPS = 20  # fewer than the maps' default: here each row of each batch takes so many


def debiased_high_confidence_loss(logits: Tensor, debiased: Tensor, reading: str) -> Tensor:
    """Return DHLR of logits (b, k) and the debiased ones z*; shape (b,).

    "code": KL(p(z^) || p(z*)), "paper": KL(p(z*) || p(z^)). "as_printed": KL(p(z*) || p(z~)), where
    the logits are those of x~.
    """
    if reading == "code":
        return kl_divergence(logits, debiased)
    return kl_divergence(debiased, logits)


def foreground_orthogonal_loss(
    inverse: Tensor, background: Tensor, reading: str, p: float = 2.0
) -> Tensor:
    """Return FLOE of logits (b, k); a scalar.

    "code": the residual of the batch matrix, which the loss lowers. "paper": minus the mean of the
    p-norms of the samples' residuals, which it raises without bound.
    """
    if reading == "code":
        return batch_background_residual(inverse, background)
    return -background_residual(inverse, background, p).mean()


def is_background(attention: Tensor, omega: float | Tensor, *, adaptive: bool) -> Tensor:
    """Return where attention, (b, h, w) or (b, d), is at most omega, or each map's own value."""
    if adaptive:
        omega = otsu_threshold(attention).view(-1, *[1] * (attention.ndim - 1))
    return attention <= omega


def background_of(x: Tensor, mask: Tensor) -> Tensor:
    """Return ``x`` where the mask, (b, h, w) or (b, d) of bool, holds, and 0 elsewhere."""
    mask = mask.to(x.dtype)
    return x * (mask[:, None] if mask.ndim < x.ndim else mask)


@dataclass(frozen=True)
class DHAT(InverseAttack):
    """PGD-AT with logits that lean on those of inverse adversaries, less their background's.

    Parameters
    ----------
    lam1, lam2 : float, default=1.0
        Weights of DHLR and FLOE; both 0 is PGD-AT.
    omega : float, default=0.1
        Attention above is foreground.
    adaptive : bool, default=False
        Attention above each map's own `otsu_threshold` is, whatever omega.
    dhlr : {"code", "paper", "as_printed"}, default="code"
    floe : {"code", "paper"}, default="code"
    floe_norm : float, default=2.0
        p of the norm of "paper", at least 1.
    attention : {"gradcam", "integrated_gradients", "gradient_x_input", "given"}, default="gradcam"
        Of the net "attention", for the true label; "given": the maps in
        ``batch.inputs["attention_maps"]``.
    layer : str or Place, default=""
        Where Grad-CAM looks: a name of ``named_modules``, or what `find_place` tells of it.
    inverse_epsilon, epsilon, step_size, n_steps, norm, clip, attack_mode, awp
        See `InverseAttack`.
    """

    lam1: float = 1.0
    lam2: float = 1.0
    omega: float = 0.1
    dhlr: str = static("code")
    floe: str = static("code")
    floe_norm: float = static(2.0)
    adaptive: bool = static(False)
    attention: str = static("gradcam")
    layer: str = static("")

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]
        """The model, and the attention net where the maps are its."""
        attends = self.attention != "given" and not self.is_pgd_at
        return ("model", "attention") if attends else ("model",)

    @property
    def is_pgd_at(self) -> bool:
        """Whether this is PGD-AT."""
        return is_off(self.lam1) and is_off(self.lam2)

    @property
    def requires(self) -> frozenset[str]:  # type: ignore[override]
        """The gradient of an attack, and the maps where they are given."""
        own = {GIVEN} if self.attention == "given" and not self.is_pgd_at else set()
        return frozenset(own) | InverseAttack.requires

    @property
    def divides(self) -> bool:  # type: ignore[override]
        """Whether no weights are perturbed, by a gradient of which each process has a part."""
        return is_off(self.awp)

    def attend(self, nets: Nets, batch: Batch) -> Tensor:
        """Return the attention in [0, 1] on a batch, (b, h, w) or (b, d)."""
        if self.attention == "given":
            # With images the maps come as images of one channel, to be augmented with them.
            maps = batch.inputs[GIVEN]
            return maps.squeeze(1) if maps.ndim == 4 else maps
        # A map is of a row alone: no other process is asked.
        net = nets["attention"].frozen().alone()
        y = batch.own(batch.y)
        if self.attention in GRAD_CAM:
            return grad_cam_attention(net, batch.x, y, self.layer)
        if self.attention == "integrated_gradients":
            return integrated_gradients_attention(net, batch.x, y, IG_STEPS)
        return gradient_x_input_attention(net, batch.x, y)

    def views(self, nets: Nets, batch: Batch) -> Views:
        """Find adversaries, inverse adversaries, and the background of these."""
        net = self.attacked(nets)
        live = is_live(nets)
        found = self.adversary(net, batch, live=live)
        if self.is_pgd_at:
            return {"adversarial": found}
        inverse = self.inverse(net, batch, found, live=live)
        # The attention is that on the clean x, as in the authors' code.
        mask = is_background(self.attend(nets, batch), self.omega, adaptive=self.adaptive)
        return {
            "adversarial": found,
            "inverse": inverse,
            "background": background_of(inverse, mask),
            "mask": mask,
        }

    def loss(self, net: Net, views: Views, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return L_AT + lam1 DHLR + lam2 FLOE, and its terms."""
        adversarial = net(views["adversarial"])
        total = cross_entropy(adversarial, y).mean()
        terms = {"adversarial_accuracy": accuracy(adversarial, y), "adversarial": total}
        if "inverse" in views:
            inverse = net(views["inverse"])
            background = net(views["background"])
            # Nothing is detached here, as in the authors' code.
            debiased = inverse - background
            # The box of Algorithm 1 has z~ in the place of z^, which leaves x^ out of DHLR.
            drawn = inverse if self.dhlr == "as_printed" else adversarial
            terms["dhlr"] = debiased_high_confidence_loss(drawn, debiased, self.dhlr).mean()
            terms["floe"] = foreground_orthogonal_loss(
                inverse, background, self.floe, self.floe_norm
            )
            total = total + self.lam1 * terms["dhlr"] + self.lam2 * terms["floe"]
            # Attention that tells nothing apart is counted: without a foreground z* is 0, and DHLR
            # a pull towards the uniform.
            mask = views["mask"].flatten(1)
            terms["no_foreground"] = net.joint(mask.all(1).to(total.dtype)).mean()
            terms["no_background"] = net.joint((~mask).all(1).to(total.dtype)).mean()
        return total, terms
