import threading
import time

import pytest
import torch

from course_lib import parallel


@pytest.fixture(params=(1, 2, 3), autouse=True)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def tasks(n):
    """n tasks of two tensors each: [n, 4] and [n]."""
    return torch.arange(4.0 * n).view(n, 4), torch.arange(n)


def test_results_come_in_the_order_of_the_tasks(threads):
    """The first tasks take the longest."""
    def slow(own, x, number):
        time.sleep(0.02 * (5 - number.item()))
        return number.item(), (x @ own.weight.T).item()

    model = torch.nn.Linear(4, 1, bias=False)
    found = list(parallel.each_task(slow, model, tasks(5)))
    assert found == [(n, (x @ model.weight.T).item()) for n, x in enumerate(tasks(5)[0])]


def threads_of_a_new_thread():
    """How many threads torch will take there: some builds keep the number for the process, some for each thread."""
    seen = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return seen[0]


def test_as_many_tasks_at_a_time_as_threads_and_each_operation_has_one(threads):
    barrier, seen = threading.Barrier(threads, timeout=20), []

    def meet(model, x, number):
        barrier.wait()          # passes only if as many tasks are at work
        seen.append((threading.get_ident(), torch.get_num_threads()))

    list(parallel.each_task(meet, torch.nn.Linear(4, 1), tasks(2 * threads)))
    assert len({thread for thread, _ in seen}) == threads and {n for _, n in seen} == {1}
    assert torch.get_num_threads() == threads == threads_of_a_new_thread(), "left as it was"


def test_every_thread_has_a_model_of_its_own(threads):
    model, barrier, seen = torch.nn.Linear(4, 1), threading.Barrier(threads, timeout=20), []
    weight = model.weight.detach().clone()

    def spoil(own, x, number):
        barrier.wait()
        seen.append(own)
        own.weight.data.fill_(number)

    list(parallel.each_task(spoil, model, tasks(threads)))
    assert len({id(own) for own in seen}) == threads and all(own is not model for own in seen)
    assert torch.equal(model.weight, weight)


def test_an_error_in_a_task_is_raised_and_the_threads_are_as_before(threads):
    def fail(model, x, number):
        if number == 1:
            raise FloatingPointError("task 1")

    with pytest.raises(FloatingPointError, match="task 1"):
        list(parallel.each_task(fail, torch.nn.Linear(4, 1), tasks(4)))
    assert torch.get_num_threads() == threads == threads_of_a_new_thread()


def test_dropout_comes_in_the_order_of_the_tasks(threads):
    model, x = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(4, 4)), tasks(7)
    torch.manual_seed(2)
    found = list(parallel.each_task(lambda own, x, number: own(x), model, x))
    torch.manual_seed(2)
    torch.set_num_threads(1)
    assert all(torch.equal(one, model(part)) for one, part in zip(found, x[0], strict=True))


def test_other_random_numbers_are_refused_where_chance_would_order_them(threads):
    def noisy(model, x, number):
        return (model(x) + torch.randn(1)).detach()

    torch.manual_seed(2)
    before, model = torch.get_rng_state(), torch.nn.Linear(4, 1)
    assert not torch.equal(before, torch.get_rng_state()), "what was used before does not count"
    assert len(list(parallel.each_task(noisy, model, tasks(1)))) == 1, "there is no order of one"
    if threads == 1:
        assert len(list(parallel.each_task(noisy, model, tasks(4)))) == 4
    else:
        with pytest.raises(RuntimeError, match=r"chance decides.*nn\.Dropout.*torch\.set_num_threads\(1\)"):
            list(parallel.each_task(noisy, model, tasks(4)))
    assert torch.get_num_threads() == threads == threads_of_a_new_thread()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_model_that_cannot_be_copied_is_one_error(threads, capfd):
    model = torch.nn.utils.weight_norm(torch.nn.Linear(4, 1))
    with pytest.raises(RuntimeError, match=r"deepcopy.*weight_norm"):
        list(parallel.each_task(lambda own, x, number: own(x), model, tasks(4)))
    assert capfd.readouterr().err == "" and torch.get_num_threads() == threads


@pytest.mark.parametrize("n", (1, 5))
def test_a_mean_is_torchs_mean_and_takes_one_at_a_time(n):
    parts = torch.randn(n, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    alive = []

    class Counted(tuple):
        def __del__(self):
            alive.pop()

    def each():
        for a, b in parts:
            alive.append(None)
            yield Counted((a, b.sum()))
            assert len(alive) <= 2, "what has been added up is let go"

    one, other = parallel.mean(each())
    torch.testing.assert_close(one, parts[:, 0].mean(0), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(other, parts[:, 1].sum(1).mean(), rtol=1e-14, atol=1e-14)
