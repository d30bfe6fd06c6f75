"""ULE: unlearning from experience.

Mitchell, Martinez del Rincon and McLaughlin, "UnLearning from Experience to Avoid Spurious
Correlations".

==================  ================================================================
paper               here
==================  ================================================================
s, t                ``nets["student"]``, ``nets["model"]``: the teacher predicts
g_s, g_t            saliency maps: gradients of an explained scalar
N(z)                `scale_free`
L_MSE               ``opposition``: || N(-g_s) - N(g_t) ||^2, mean over all entries
lambda              ``lam``
E = A A^T           `similarity_matrix`, for nets of different architecture
==================  ================================================================

    L_student = CE(s(x), y)
    L_teacher = lambda CE(t(x), y) + (1 - lambda) scale L_MSE

The student's map is detached: nothing but the cross entropy trains the student. No code was
released; the paper leaves open which scalar is explained, what N is taken over, and how the two
terms come to "the same order of magnitude". `sklearn_debias.ULEClassifier` has the defaults and
why.

Where both heads are linear and the maps are those of the features, the map of a sample is
``cotangent @ W``: nothing is differentiated twice. For the logit of the arg-max class it is a row
of W, and L_MSE a sum over pairs of classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sklearn_debias.core import Batch, Data, Net, Nets, Objective, State, Step, static
from sklearn_debias.losses import (
    class_opposition,
    cross_entropy,
    opposition,
    saliency_cotangent,
    scale_free,
    similarity_matrix,
)

FLOOR = 1e-12
PAIRS = 4096  # of classes, up to which L1 of all pairs is cheaper than L1 of all samples


def power_of_ten(cross_entropy: Tensor, opposition: Tensor) -> Tensor:
    """Power of ten that brings ``opposition`` to the order of magnitude of ``cross_entropy``; 0 if either is 0."""
    ratio = (cross_entropy / opposition.clamp(min=FLOOR)).detach()
    return torch.where(
        (opposition > FLOOR) & (ratio > FLOOR), 10.0 ** ratio.clamp(min=FLOOR).log10().round(), 0.0
    )


@dataclass(frozen=True)
class ULE(Objective):
    """Train a student, and a teacher whose saliency opposes the student's.

    Parameters
    ----------
    lam : float, default=0.5
        Weight of the teacher's cross entropy, in [0, 1]; 1 is ERM of the teacher.
    scale : float, default=1.0
        Factor of L_MSE where ``scaling="fixed"``.
    scaling : {"fixed", "first", "ratio"}, default="fixed"
        "first": a power of ten from the first batch; "ratio": CE / L_MSE of each step, not
        differentiated.
    where : str, default="features"
        What the maps are gradients by: "features" (input of the head), "input", or a layer's name.
        With ``similarity="gram"`` what is compared: "features", "output" (the logits), or a layer's
        name.
    saliency, magnitude, normalize_by, norm, distance, similarity
        See `sklearn_debias.ULEClassifier`.
    """

    lam: float = 0.5
    scale: float = 1.0
    scaling: str = static("fixed")
    where: str = static("features")
    saliency: str = static("logit")
    magnitude: bool = static(False)
    normalize_by: str = static("sample")
    norm: str = static("max")
    distance: str = static("mse")
    similarity: str = static("saliency")
    roles = ("model", "student")

    @property
    def requires(self) -> frozenset[str]:  # type: ignore[override]
        """Inputs where maps lie below the head, and pairs of rows to compare in Gram matrices."""
        below = set() if self.where in ("features", "output") else {"input"}
        return frozenset(below | ({"pairs"} if self.similarity == "gram" else set()))

    def init(self, nets: Nets, data: Data) -> State:
        """No scale yet; zeros like the output of a named layer, to be added to it."""
        like = next(iter(nets["model"].parameters.values()))
        state = {"scale": like.new_zeros(())} if self.scaling == "first" else {}
        if self.similarity == "saliency" and self.where not in ("features", "input"):
            for role in self.roles:
                with torch.no_grad():
                    output = (
                        nets[role]
                        .frozen()
                        .with_layer(next(iter(data.batches(role)))[:1], self.where)[1]
                    )
                state[f"zero_{role}"] = torch.zeros_like(output)
        return state

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Cross entropy of the student; cross entropy and opposition of the teacher."""
        if (
            isinstance(self.lam, (int, float)) and self.lam == 1
        ):  # a second forward would move BatchNorm
            logits = {role: nets[role](batch.of(role)) for role in self.roles}
            return Step(
                {role: cross_entropy(z, batch.y).mean() for role, z in logits.items()}, state
            )
        logits, opposed = self._compare(nets, batch, state)
        loss = {role: cross_entropy(z, batch.y).mean() for role, z in logits.items()}
        scale, state = self._scaled(loss["model"], opposed, state)
        teacher = self.lam * loss["model"] + (1 - self.lam) * scale * opposed
        return Step(
            {"model": teacher, "student": loss["student"]},
            state,
            {"ce": loss["model"], "opposition": opposed},
        )

    def _compare(self, nets: Nets, batch: Batch, state: State) -> tuple[dict[str, Tensor], Tensor]:
        """Logits of both nets, and L_MSE."""
        if self.similarity == "gram":
            logits, maps = self._look(nets, batch, state, self._activation)
            maps = {
                role: scale_free(similarity_matrix(a), by="batch", norm=self.norm)
                for role, a in maps.items()
            }
            return logits, opposition(maps["student"].detach(), maps["model"], self.distance)
        linear = all(
            isinstance(nets[role]._part("head"), nn.Linear)
            for role in self.roles
            if self._on_features
        )
        if (
            self._on_features
            and linear
            and self.saliency == "logit"
            and self.normalize_by == "sample"
        ):
            return self._by_classes(nets, batch)
        read = self._by_weights if self._on_features and linear else self._by_pullback
        logits, maps = self._look(nets, batch, state, read)
        return logits, opposition(
            self._normal(maps["student"].detach()), self._normal(maps["model"]), self.distance
        )

    @property
    def _on_features(self) -> bool:
        return self.where == "features"

    def _look(self, nets, batch, state, read) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        seen = {
            role: read(nets[role], batch.of(role), batch.y, state.get(f"zero_{role}"))
            for role in self.roles
        }
        return {role: z for role, (z, _) in seen.items()}, {
            role: m for role, (_, m) in seen.items()
        }

    def _activation(
        self, net: Net, x: Tensor, y: Tensor, zero: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if self.where == "features":
            features = net.body(x)
            return net.head(features), features
        if self.where == "output":
            logits = net(x)
            return logits, logits
        return net.with_layer(x, self.where)

    def _by_weights(
        self, net: Net, x: Tensor, y: Tensor, zero: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Closed form of a linear head: dz/da = W."""
        logits = net.head(net.body(x))
        return logits, saliency_cotangent(logits, y, self.saliency) @ net.parameters["head.weight"]

    def _by_pullback(
        self, net: Net, x: Tensor, y: Tensor, zero: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Gradient of the scalar by reverse mode, to be differentiated once more."""
        if self._on_features:
            logits, pull = net.pullback(net.body(x), part="head")
        elif zero is None:
            logits, pull = net.pullback(x)
        else:
            logits, pull = net.pullback(x, zero=(self.where, zero.expand(len(x), *zero.shape[1:])))
        return logits, pull(saliency_cotangent(logits, y, self.saliency))

    def _by_classes(self, nets: Nets, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """Closed form for the arg-max logit: the map is a row of W, so the shares of class pairs say all."""
        logits = {role: nets[role](batch.of(role)) for role in self.roles}
        weights = {role: nets[role].parameters["head.weight"] for role in self.roles}
        rows = {
            "student": self._normal(weights["student"].detach()),
            "model": self._normal(weights["model"]),
        }
        chosen = {role: z.argmax(-1) for role, z in logits.items()}
        k = logits["model"].shape[-1]
        if self.distance == "l1" and k**2 > PAIRS:
            maps = {role: rows[role][chosen[role]] for role in self.roles}
            return logits, opposition(maps["student"], maps["model"], self.distance)
        pair = k * chosen["student"] + chosen["model"]
        one = logits["model"].new_full(pair.shape, 1 / len(pair))
        share = one.new_zeros(k * k).scatter_add(0, pair, one).view(k, k)
        return logits, class_opposition(rows["student"], rows["model"], share, self.distance)

    def _normal(self, z: Tensor) -> Tensor:
        return scale_free(z.abs() if self.magnitude else z, by=self.normalize_by, norm=self.norm)

    def _scaled(self, loss: Tensor, opposed: Tensor, state: State) -> tuple[float | Tensor, State]:
        if self.scaling == "fixed":
            return self.scale, state
        if self.scaling == "ratio":
            return (loss / opposed.clamp(min=FLOOR)).detach(), state
        scale = torch.where(state["scale"] > 0, state["scale"], power_of_ten(loss, opposed))
        return torch.where(scale > 0, scale, 1.0), {**state, "scale": scale}
