"""Loops of linear heads as one writes them by hand: n rows, batches, Adam; by autograd but one."""

import torch
import torch.nn.functional as F
from torch import nn

BATCH = 128


def adam(module):
    return torch.optim.Adam(module.parameters(), lr=1e-3, weight_decay=1e-4)


def batches(n, epochs):
    for _ in range(epochs):
        yield torch.randperm(n).split(BATCH)


def erm(X, y, n_classes, epochs, make_optimizer=adam):
    """Return the trained head."""
    x, t = torch.from_numpy(X), torch.from_numpy(y)
    net = nn.Linear(x.shape[1], n_classes)
    optimizer = make_optimizer(net)
    for epoch in batches(len(t), epochs):
        total = torch.zeros(())
        for i in epoch:
            loss = F.cross_entropy(net(x[i]), t[i])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        assert torch.isfinite(total)
    return net


@torch.no_grad()
def erm_closed(X, y, n_classes, epochs):
    """Return what `erm` does, by gradients in closed form: no step can do with less."""
    x, t = torch.from_numpy(X), torch.from_numpy(y)
    net = nn.Linear(x.shape[1], n_classes)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    truth = F.one_hot(t, n_classes).float()
    for epoch in batches(len(t), epochs):
        total = torch.zeros(())
        for i in epoch:
            rows, right = x.index_select(0, i), truth.index_select(0, i)
            log_p = torch.addmm(net.bias, rows, net.weight.T).log_softmax(1)
            total -= (log_p * right).sum()
            error = log_p.exp_().sub_(right).div_(len(i))
            net.weight.grad, net.bias.grad = error.T @ rows, error.sum(0)
            optimizer.step()
        assert torch.isfinite(total)
    return net


def sgd(module):
    return torch.optim.SGD(module.parameters(), 1e-2, momentum=0.9, weight_decay=1e-4, fused=True)


def lff(X, y, n_classes, epochs, q=0.7, ema=0.7):
    n, c = len(y), n_classes
    x, t = torch.from_numpy(X), torch.from_numpy(y)
    model, biased = nn.Linear(x.shape[1], c), nn.Linear(x.shape[1], c)
    optimizers = adam(model), adam(biased)
    average = {"b": torch.full((n,), -1.0), "d": torch.full((n,), -1.0)}
    for epoch in batches(n, epochs):
        total = torch.zeros(2)
        for i in epoch:
            xb, tb = x[i], t[i]
            z_d, z_b = model(xb), biased(xb)
            loss = {
                "d": F.cross_entropy(z_d, tb, reduction="none"),
                "b": F.cross_entropy(z_b, tb, reduction="none"),
            }
            scaled = {}
            for k, value in loss.items():
                old = average[k][i]
                average[k][i] = torch.where(
                    old < 0, value.detach(), ema * old + (1 - ema) * value.detach()
                )
                top = torch.zeros(c).scatter_reduce(0, t, average[k], "amax")
                scaled[k] = average[k][i] / torch.where(top > 0, top, 1.0)[tb]
            w = scaled["b"] / (scaled["b"] + scaled["d"] + 1e-8)
            p = z_b.softmax(-1).gather(1, tb[:, None])[:, 0].detach()
            model_loss, biased_loss = (w * loss["d"]).mean(), (q * p**q * loss["b"]).mean()
            for optimizer in optimizers:
                optimizer.zero_grad()
            (model_loss + biased_loss).backward()
            for optimizer in optimizers:
                optimizer.step()
            total += torch.stack([model_loss.detach(), biased_loss.detach()])
        assert torch.isfinite(total).all()


def group_dro(X, y, group, n_classes, epochs, step_size=0.01):
    """Algorithm 1, the group weights after each batch."""
    x, t, g = torch.from_numpy(X), torch.from_numpy(y), torch.from_numpy(group)
    n_groups = int(g.max()) + 1
    net = nn.Linear(x.shape[1], n_classes)
    optimizer = adam(net)
    q = torch.full((n_groups,), 1 / n_groups)
    for epoch in batches(len(t), epochs):
        total = torch.zeros(())
        for i in epoch:
            loss = F.cross_entropy(net(x[i]), t[i], reduction="none")
            member = F.one_hot(g[i], n_groups).to(loss.dtype)
            own = loss @ member / member.sum(0).clamp(min=1)
            q = q * (step_size * own.detach()).exp()
            q = q / q.sum()
            weighted = q @ own
            optimizer.zero_grad()
            weighted.backward()
            optimizer.step()
            total += weighted.detach()
        assert torch.isfinite(total)


def jtt(X, y, n_classes, identification_epochs, epochs, upweight):
    """ERM, then ERM on rows of which its errors come `upweight` times."""
    first = erm(X, y, n_classes, identification_epochs)
    with torch.no_grad():
        wrong = first(torch.from_numpy(X)).argmax(1).numpy() != y
    times = 1 + (upweight - 1) * wrong
    erm(X.repeat(times, axis=0), y.repeat(times), n_classes, epochs)
