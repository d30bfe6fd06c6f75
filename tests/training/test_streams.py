"""Random streams by name: who else draws, and when, does not matter."""

import threading

import numpy as np
import pytest
import torch

from sklearn_debias.testing._asserts import generators_untouched
from sklearn_debias.training import Streams

CPU = torch.device("cpu")


def numbers(noise, n=3):
    with noise:
        return torch.rand(n)


def test_a_stream_depends_on_the_seed_and_on_its_names_only():
    streams = Streams(0)
    first = streams.seed("order", "train")
    streams.seed("an extra network")
    assert streams.seed("order", "train") == first == Streams(0).seed("order", "train")


def test_streams_of_other_names_seeds_and_orders_of_names_differ():
    seeds = {
        Streams(s).seed(*names)
        for s in (0, 1)
        for names in (("a",), ("b",), ("a", "b"), ("b", "a"))
    }
    assert len(seeds) == 8


def test_numpy_integers_are_seeds_too():
    assert Streams(np.int64(3)).seed("a") == Streams(3).seed("a")


def test_none_gives_fresh_streams_without_touching_the_global_generators():
    with generators_untouched():
        assert Streams(None).seed("a") != Streams(None).seed("a")


def test_a_random_state_is_drawn_from_once():
    state = np.random.RandomState(0)
    first, second = Streams(state), Streams(state)
    assert first.seed("a") != second.seed("a")
    assert first.seed("a") == Streams(np.random.RandomState(0)).seed("a")


def test_noise_gives_the_numbers_of_its_stream_and_the_callers_generator_back():
    with generators_untouched():
        first = numbers(Streams(0).noise("dropout"))
    torch.rand(5)
    assert torch.equal(numbers(Streams(0).noise("dropout")), first)


def test_noise_goes_on_where_it_stopped():
    one, other = (Streams(0).noise("dropout") for _ in range(2))
    parts = torch.cat([numbers(one), numbers(one)])
    assert torch.equal(parts, numbers(other, 6))
    assert not torch.equal(parts[:3], parts[3:])


def test_an_extra_stream_does_not_shift_another():
    alone, shared, extra = (Streams(0).noise(name) for name in ("model", "model", "biased"))
    expected = [numbers(alone) for _ in range(3)]
    found = []
    for _ in range(3):
        numbers(extra)
        found.append(numbers(shared))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_the_callers_generator_comes_back_after_an_error():
    def fail():
        with Streams(0).noise("dropout"):
            torch.rand(1)
            raise ZeroDivisionError

    with generators_untouched(), pytest.raises(ZeroDivisionError):
        fail()


def test_noises_in_threads_do_not_mix():
    expected = {name: numbers(Streams(0).noise(name), 400) for name in "abcd"}
    found = {}

    def draw(name):
        noise = Streams(0).noise(name)
        found[name] = torch.cat([numbers(noise, 1) for _ in range(400)])

    workers = [threading.Thread(target=draw, args=(name,)) for name in expected]
    with generators_untouched():
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
