"""Diverse prototypical ensembles: distances, subsets, similarity, and members trained alone."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from sklearn_debias.core import Net, SplitModule
from sklearn_debias.models import PrototypeEnsemble
from sklearn_debias.models.internal import prototype_logits, with_prototype_heads
from sklearn_debias.objectives import FitPrototypes, IsoMaxOnPart
from sklearn_debias.objectives._dpe import similarity
from sklearn_debias.objectives._two_stages import two_parts
from sklearn_debias.testing import Problem


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def distances(z, prototypes):
    """The distance of every row to every prototype, one by one."""
    return np.array(
        [[np.linalg.norm(unit(row) - unit(p)) for p in prototypes] for row in z]
    ).reshape(len(z), len(prototypes))


def draw(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def test_the_logits_follow_a_naive_transcription_and_look_at_directions_only():
    z = draw(7, 5)
    prototypes = draw(12, 5)[7:10]
    scale = torch.tensor([-1.5], dtype=torch.float64)
    found = prototype_logits(z, prototypes, scale)
    expected = -1.5 * distances(z.numpy(), prototypes.numpy())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10)
    longer = prototype_logits(3 * z, torch.tensor([[0.1], [2.0], [9.0]]) * prototypes, scale)
    np.testing.assert_allclose(longer.numpy(), expected, atol=1e-10)
    assert (found <= 0).all()
    assert (found >= -3).all()


def test_a_feature_on_its_prototype_has_a_finite_slope():
    z = draw(2, 4)
    prototypes = z.clone().requires_grad_()
    prototype_logits(z, prototypes, torch.ones(1)).sum().backward()
    assert torch.isfinite(prototypes.grad).all()


def test_the_ensemble_is_the_mean_of_its_members_probabilities():
    head = PrototypeEnsemble(5, 3, n_heads=4).double()
    z = draw(6, 5)
    with torch.no_grad():
        for i, member in enumerate(head.members):
            member.weight.copy_(draw(30, 5)[6 + 3 * i : 9 + 3 * i])
            member.scale.fill_(1.0 + i)
        found = head(z).exp().numpy()
    each = [
        softmax(-(1.0 + i) * distances(z.numpy(), member.weight.detach().numpy()))
        for i, member in enumerate(head.members)
    ]
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-10)


def test_the_start_of_the_members_is_that_of_the_paper():
    torch.manual_seed(0)
    head = PrototypeEnsemble(500, 4, n_heads=15)
    weights = torch.stack([member.weight for member in head.members])
    assert weights.std().item() == pytest.approx(0.01, rel=0.02)
    assert weights.mean().abs().item() < 3e-4
    assert all(member.scale.item() == 1 for member in head.members)
    before = weights.clone()
    head.reset_parameters()
    assert not torch.equal(before, torch.stack([member.weight for member in head.members]))


def test_a_head_of_another_kind_is_kept():
    own = SplitModule(torch.nn.Identity(), torch.nn.Sequential(torch.nn.Linear(5, 3)))
    options = {"shape": (5,), "options": {}, "n_heads": 2}
    kept = with_prototype_heads(3, module=own, **options)
    assert isinstance(kept.head, torch.nn.Sequential)
    replaced = with_prototype_heads(3, module="mlp", **options)
    assert len(replaced.head.members) == 2
    assert replaced.head.in_features == 100


def test_the_similarity_follows_a_naive_transcription():
    own = draw(3, 4)
    earlier = draw(11, 3, 4)[1:3]
    total = 0.0
    for k in range(3):
        pairs = [abs(unit(own[k].numpy()) @ unit(other[k].numpy())) for other in earlier]
        total += sum(pairs) / 3  # two earlier ones, and itself
    assert similarity(own, earlier).item() == pytest.approx(total / 3, abs=1e-10)


def test_the_similarity_is_zero_at_right_angles_and_the_share_of_the_others_for_copies():
    eye = torch.eye(4, dtype=torch.float64)
    assert similarity(eye[:2], eye[None, 2:]).item() == 0
    assert similarity(eye, torch.stack([eye, -3 * eye])).item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("member", [0, 2])
def test_the_step_follows_a_naive_transcription(member):
    settings = {"decorrelation": 3.0, "decay": 0.5, "entropic_scale": 4.0, "share": 0.5}
    problem = Problem(FitPrototypes(member, **settings))
    state = problem.state()
    members = problem.modules["model"].head.members
    own = members[member]
    prototypes = own.weight.detach().numpy()
    scaled = 4.0 * abs(own.scale.item()) * distances(state["features"].numpy(), prototypes)
    p = softmax(-scaled)
    expected = -np.mean(np.log(p[np.arange(len(p)), state["y"].numpy()]))
    if member:
        earlier = [members[i].weight.detach().numpy() for i in range(2)]
        cosines = [
            [abs(unit(prototypes[k]) @ unit(other[k])) for k in range(3)] for other in earlier
        ]
        expected += 3.0 / (1 + 0.5 * 2) * np.mean(np.sum(cosines, axis=0)) / 3
    loss = problem.objective.step(problem.nets, problem.batch(), state).losses["model"]
    assert loss.item() == pytest.approx(expected, abs=1e-10)


def test_the_first_stage_follows_a_naive_transcription():
    problem = Problem(IsoMaxOnPart(share=0.5, entropic_scale=4.0))
    batch = problem.batch()
    model = problem.modules["model"]
    with torch.no_grad():
        z = model.body(batch.x).numpy()
    first = model.head.members[0]
    p = softmax(-4.0 * abs(first.scale.item()) * distances(z, first.weight.detach().numpy()))
    expected = -np.mean(np.log(p[np.arange(len(p)), batch.y.numpy()]))
    found = problem.objective.step(problem.nets, batch, problem.state()).losses["model"]
    assert found.item() == pytest.approx(expected, abs=1e-10)


def test_a_subset_has_equally_many_rows_of_every_group_from_the_part_that_was_left():
    problem = Problem(FitPrototypes(share=0.6, seed=3, subset_seed=1))
    group = problem.data.group
    rows = problem.state()["subset"]
    _, second = two_parts(group, 0.6, 3)
    assert second[rows].all()
    smallest = min(int((group[second] == g).sum()) for g in group.unique())
    assert group[rows].bincount()[group.unique()].tolist() == [smallest] * len(group.unique())
    first = Problem(IsoMaxOnPart(share=0.6, seed=3))
    trained = torch.cat([batch.index for batch in first.epochs(first.state())])
    assert not set(trained.tolist()) & set(rows.tolist())


@pytest.mark.parametrize("grouped", [True, False])
def test_both_stages_split_the_same_rows(grouped):
    problem = Problem(FitPrototypes(share=0.4, seed=5))
    data = problem.data if grouped else replace(problem.data, group=None, n_groups=0)
    first = IsoMaxOnPart(share=0.4, seed=5).init(problem.nets, data)["first"]
    by = data.group if grouped else data.y
    left = torch.zeros(len(data.y), dtype=torch.bool)
    for seed in range(30):  # until each row of the second part was drawn
        subset = replace(problem.objective, subset_seed=seed).init(problem.nets, data)["subset"]
        left = left.index_fill(0, subset, True)
    assert torch.equal(first, ~left)
    assert torch.equal(first, two_parts(by, 0.4, 5)[0])


def test_no_field_lets_the_stages_split_by_different_things():
    assert {field.name for field in fields(IsoMaxOnPart)} == {
        *("role", "balanced", "replace", "share", "seed", "entropic_scale"),
    }


def test_without_groups_the_classes_are_balanced():
    problem = Problem(FitPrototypes(share=1.0))
    data = problem.data
    y = torch.tensor([0] * 30 + [1] * 6 + [2] * 4)
    plain = type(data)(y, 3, data.batches)
    subset = problem.objective.init(problem.nets, plain)["subset"]
    assert y[subset].bincount().tolist() == [4, 4, 4]


def test_every_member_has_a_subset_of_its_own():
    one, same, other = (
        set(Problem(FitPrototypes(share=1.0, subset_seed=seed)).state()["subset"].tolist())
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_later_members_find_the_features_that_the_first_has_computed():
    problem = Problem(FitPrototypes(0, share=0.5, seed=2))
    first = problem.state()
    later = FitPrototypes(1, share=0.5, seed=2, subset_seed=4)
    alone = later.init(problem.nets, problem.data)

    def unread(role):
        raise AssertionError("rows were read again")

    after = replace(problem.data, batches=unread, before=first)
    found = later.init(problem.nets, after)
    assert found.keys() == alone.keys()
    assert all(torch.equal(found[name], alone[name]) for name in found)
    rows = torch.as_tensor(problem.feed.source.take(found["subset"].numpy()))
    with torch.no_grad():
        expected = problem.modules["model"].body(rows)
    torch.testing.assert_close(found["features"], expected, rtol=0, atol=1e-12)


def test_all_rows_are_no_part_and_are_not_kept():
    state = Problem(FitPrototypes(share=1.0)).state()
    assert state.keys() == {"features", "y", "subset"}


def test_a_member_is_trained_alone():
    problem = Problem(FitPrototypes(1))
    problem.step().losses["model"].backward()
    moving = {n for n, p in problem.modules["model"].named_parameters() if p.grad is not None}
    assert moving == {"head.members.1.weight", "head.members.1.scale"}


def test_the_body_is_asked_in_eval_mode():
    problem = Problem(FitPrototypes(1))
    model = problem.modules["model"]
    body = torch.nn.Sequential(model.body, torch.nn.Dropout(0.9))
    nets = {"model": Net(SplitModule(body, model.head).train())}
    found = problem.objective.init(nets, problem.data)
    assert torch.equal(found["features"], problem.state()["features"])


FROZEN = {
    "first stage": 2.649255418851,
    "first member": 5.249102476292,
    "third member": 4.419588932479,
}


def test_frozen_values():
    objectives = {
        "first stage": IsoMaxOnPart(share=0.5),
        "first member": FitPrototypes(0, share=0.5),
        "third member": FitPrototypes(2, share=0.5, decorrelation=5.0),
    }
    found = {name: Problem(o).step().losses["model"].item() for name, o in objectives.items()}
    assert found == pytest.approx(FROZEN, abs=1e-10)
