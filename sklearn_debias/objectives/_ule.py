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

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Net, Nets, Objective, State, Step, static
from sklearn_debias.core.internal import is_plain_linear
from sklearn_debias.losses import (
    class_opposition,
    cross_entropy,
    opposition,
    saliency_cotangent,
    scale_free,
    similarity_matrix,
)

FLOOR = 1e-12  # of two terms whose ratio is taken: one of them may be 0
Reader = Callable[[Net, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
PAIRS = 4096  # of classes, up to which L1 of all pairs is cheaper than L1 of all samples


def power_of_ten(cross_entropy: Tensor, opposition: Tensor) -> Tensor:
    """Return the power of ten that brings ``opposition`` to the size of ``cross_entropy``.

    It is 0 if either is 0.
    """
    ratio = (cross_entropy / opposition.clamp(min=FLOOR)).detach()
    known = (opposition > FLOOR) & (ratio > FLOOR)
    return torch.where(known, 10.0 ** ratio.clamp(min=FLOOR).log10().round(), 0.0)


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
        """Begin without a scale; make zeros like a named layer's output, to be added to it."""
        like = next(iter(nets["model"].parameters.values()))
        state = {"scale": like.new_zeros(())} if self.scaling == "first" else {}
        if self.similarity == "saliency" and self.where not in ("features", "input"):
            for role in self.roles:
                row = next(iter(data.batches(role)))[:1]
                with torch.no_grad():
                    _, output = nets[role].frozen().with_layer(row, self.where)
                state[f"zero_{role}"] = torch.zeros_like(output)
        return state

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the student's cross entropy, and the teacher's with its opposition."""
        # ERM to the last bit: the pass of a comparison would move BatchNorm once more.
        if isinstance(self.lam, (int, float)) and self.lam == 1:
            logits = {role: nets[role](batch.of(role)) for role in self.roles}
            loss = {role: cross_entropy(z, batch.y).mean() for role, z in logits.items()}
            return Step(loss, state)
        logits, opposed = self._compare(nets, batch, state)
        loss = {role: cross_entropy(z, batch.y).mean() for role, z in logits.items()}
        scale, state = self._scaled(loss["model"], opposed, state)
        teacher = self.lam * loss["model"] + (1 - self.lam) * scale * opposed
        losses = {"model": teacher, "student": loss["student"]}
        return Step(losses, state, {"ce": loss["model"], "opposition": opposed})

    def _compare(self, nets: Nets, batch: Batch, state: State) -> tuple[dict[str, Tensor], Tensor]:
        """Return the logits of both nets, and L_MSE."""
        if self.similarity == "gram":
            logits, activations = self._look(nets, batch, state, self._activation)
            maps = {
                role: scale_free(similarity_matrix(a), by="batch", norm=self.norm)
                for role, a in activations.items()
            }
            return logits, opposition(maps["student"].detach(), maps["model"], self.distance)
        # Heads are asked for on features only: elsewhere modules need not be split.
        linear = self._on_features and all(
            is_plain_linear(nets[role]._part("head")) for role in self.roles
        )
        if linear and self.saliency == "logit" and self.normalize_by == "sample":
            return self._by_classes(nets, batch)
        read = self._by_weights if linear else self._by_pullback
        logits, maps = self._look(nets, batch, state, read)
        student = self._normal(maps["student"].detach())
        return logits, opposition(student, self._normal(maps["model"]), self.distance)

    @property
    def _on_features(self) -> bool:
        return self.where == "features"

    def _look(
        self, nets: Nets, batch: Batch, state: State, read: Reader
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the logits of both nets, and their maps as ``read`` makes them."""
        logits = {}
        maps = {}
        for role in self.roles:
            zero = state.get(f"zero_{role}")
            logits[role], maps[role] = read(nets[role], batch.of(role), batch.y, zero)
        return logits, maps

    def _activation(
        self, net: Net, x: Tensor, y: Tensor, zero: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits, and what the Gram matrix is made of."""
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
        """Return the logits and the map in closed form, for a linear head: dz/da = W."""
        logits = net.head(net.body(x))
        return logits, saliency_cotangent(logits, y, self.saliency) @ net.parameters["head.weight"]

    def _by_pullback(
        self, net: Net, x: Tensor, y: Tensor, zero: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits and the gradient of the scalar, to be differentiated once more."""
        if self._on_features:
            logits, pull = net.pullback(net.body(x), part="head")
        elif zero is None:
            logits, pull = net.pullback(x)
        else:
            # Zeros of one row, made in `init`: here they get the rows of the batch.
            zeros = zero.expand(len(x), *zero.shape[1:])
            logits, pull = net.pullback(x, zero=(self.where, zeros))
        return logits, pull(saliency_cotangent(logits, y, self.saliency))

    def _by_classes(self, nets: Nets, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """Return the logits and L_MSE in closed form, for the arg-max logit.

        The map of a sample is a row of W, so that the shares of the pairs of classes say all.
        """
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
        # The shares of the pairs (student's class, teacher's class): rows of this matrix, columns.
        pair = k * chosen["student"] + chosen["model"]
        one = logits["model"].new_full(pair.shape, 1 / len(pair))
        share = one.new_zeros(k * k).scatter_add(0, pair, one).view(k, k)
        return logits, class_opposition(rows["student"], rows["model"], share, self.distance)

    def _normal(self, z: Tensor) -> Tensor:
        """Return N of the maps, or of their magnitudes."""
        return scale_free(z.abs() if self.magnitude else z, by=self.normalize_by, norm=self.norm)

    def _scaled(self, loss: Tensor, opposed: Tensor, state: State) -> tuple[float | Tensor, State]:
        """Return the factor of L_MSE, and the state that remembers it."""
        if self.scaling == "fixed":
            return self.scale, state
        if self.scaling == "ratio":
            return (loss / opposed.clamp(min=FLOOR)).detach(), state
        # The first batch that tells a scale decides; until then it is 1.
        scale = torch.where(state["scale"] > 0, state["scale"], power_of_ten(loss, opposed))
        return torch.where(scale > 0, scale, 1.0), {**state, "scale": scale}
