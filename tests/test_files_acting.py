"""The worlds to act in: Gymnasium's own checks, the physics written out, and tasks that an agent cannot see."""

import subprocess
import sys
import warnings

import gymnasium
import numpy
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from scipy import stats

from course_files import acting

NAVIGATOR, CARTPOLE = "course/Navigator-v0", "course/CartPole-v0"
TASKS = {NAVIGATOR: acting.navigator_tasks, CARTPOLE: acting.cartpole_tasks}
GOAL_AND_WIND = [0.3, -0.4, 0.03, -0.02]
GYMNASIUMS_OWN = [10, 0.5, 0.1, 9.8]        # force, half the pole's length, the pole's mass, gravity
both = pytest.mark.parametrize("name", [NAVIGATOR, CARTPOLE])


def tasks(name, n, seed=0):
    return TASKS[name](numpy.random.default_rng(seed), n)


def same(found, expected):
    """Whether two answers of `step` are the same bits."""
    return all(numpy.array_equal(a, b) for a, b in zip(found[:4], expected[:4]))


@pytest.mark.parametrize("task", [None, "given"])
@both
def test_gymnasium_finds_no_fault(name, task):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(gymnasium.make(name, task=task and tasks(name, 1)[0]).unwrapped, skip_render_check=True)
    messages = [str(warning.message) for warning in caught]
    if name == CARTPOLE:            # Gymnasium's own space: the speeds have no bound
        messages = [message for message in messages if "infinity" not in message]
    assert not messages


@pytest.mark.parametrize("mode", ["vector_entry_point", "sync"])
@both
def test_many_at_once(name, mode):
    envs = gymnasium.make_vec(name, num_envs=3, vectorization_mode=mode)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    state, _ = envs.reset(seed=0)
    assert state in envs.observation_space
    envs.action_space.seed(0)
    for _ in range(30):
        state, reward, terminated, truncated, _ = envs.step(envs.action_space.sample())
        assert state in envs.observation_space
        assert reward.shape == terminated.shape == truncated.shape == (3,)
        assert terminated.dtype == truncated.dtype == bool


def test_without_being_told_make_vec_takes_the_fast_ones():
    assert isinstance(gymnasium.make_vec(NAVIGATOR, num_envs=2).unwrapped, acting.NavigatorVectorEnv)
    assert isinstance(gymnasium.make_vec(CARTPOLE, num_envs=2).unwrapped, acting.HiddenCartPoleVectorEnv)


@both
def test_a_name_with_its_module_needs_no_import(name):
    code = f"import gymnasium; print(gymnasium.make('course_files.acting:{name}').reset(seed=0)[0].shape)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.strip() == {NAVIGATOR: "(2,)", CARTPOLE: "(4,)"}[name]


def test_steps_of_the_navigator():
    env = gymnasium.make(NAVIGATOR, task=GOAL_AND_WIND)
    state, _ = env.reset(seed=3)
    assert state.tolist() == [0, 0]
    gusts, place = numpy.random.Generator(numpy.random.PCG64()), numpy.zeros(2)
    gusts.bit_generator.state = env.unwrapped.np_random.bit_generator.state
    for push in ([0.5, -0.25], [-1, 0.125]):
        state, reward, terminated, truncated, _ = env.step(numpy.array(push, numpy.float32))
        gust = gusts.normal(0, 0.005, 2)
        place = [place[i] + 0.1 * push[i] + GOAL_AND_WIND[2 + i] + gust[i] for i in (0, 1)]
        assert state == pytest.approx(place, abs=1e-7)
        assert reward == pytest.approx(-((place[0] - 0.3) ** 2 + (place[1] + 0.4) ** 2) ** 0.5, abs=1e-7)
        assert not terminated and not truncated


def test_a_push_reaches_no_further_than_a_tenth(monkeypatch):
    monkeypatch.setattr(acting, "GUSTS", 0)
    env = acting.NavigatorEnv([0, 0, 0, 0])
    env.reset(seed=0)
    assert env.step(numpy.array([7, -7], numpy.float32))[0] == pytest.approx([0.1, -0.1])


def test_gusts_have_their_size_in_both_directions():
    envs = acting.NavigatorVectorEnv(20_000, numpy.zeros((20_000, 4)))
    envs.reset(seed=0)
    state = envs.step(numpy.zeros((20_000, 2)))[0].astype(float)
    assert state.mean(0) == pytest.approx([0, 0], abs=2e-4)
    assert numpy.cov(state.T) == pytest.approx(0.005 ** 2 * numpy.eye(2), abs=1e-6)


@pytest.mark.parametrize("settings, n_steps", [({}, 20), ({"max_episode_steps": 30}, 30)])
def test_an_episode_of_the_navigator_has_20_steps_unless_told(settings, n_steps):
    env = gymnasium.make(NAVIGATOR, task=[0.5, 0.5, 0.05, 0], **settings)
    for _ in range(2):
        env.reset(seed=0)
        steps = [env.step(numpy.zeros(2, numpy.float32)) for _ in range(n_steps)]
        assert [step[2:4] for step in steps] == [(False, False)] * (n_steps - 1) + [(False, True)]
        assert steps[-1][0][0] == pytest.approx(0.05 * n_steps, abs=0.12), "the wind blew all the time"


def test_the_next_episode_begins_with_the_next_step(monkeypatch):
    """As Gymnasium's own way to do it. Without gusts, because its environments have other ones."""
    monkeypatch.setattr(acting, "GUSTS", 0)
    many = gymnasium.make_vec(NAVIGATOR, num_envs=3)
    slow = gymnasium.make_vec(NAVIGATOR, num_envs=3, vectorization_mode="sync")
    given = tasks(NAVIGATOR, 3)
    many.reset(options={"task": given})
    slow.reset()
    for env, task in zip(slow.envs, given):
        env.reset(options={"task": task})
    slow.action_space.seed(0)
    for step in range(1, 46):
        pushes = slow.action_space.sample()
        found = many.step(pushes)
        assert same(found, slow.step(pushes))
        assert (found[3] == (step in (20, 41))).all(), "step 21 begins the second episode, which has 20 steps too"
        assert (found[1] == 0).all() == (step in (21, 42))
        assert (found[0] == 0).all() == (step in (21, 42)), "its action is lost"


def test_many_navigators_are_single_ones():
    """One generator for the single ones, asked in order, gives them the gusts of the many."""
    given, shared = tasks(NAVIGATOR, 4), numpy.random.default_rng(7)
    many = acting.NavigatorVectorEnv(4, given)
    many.np_random = numpy.random.default_rng(7)
    many.reset()
    singles = [acting.NavigatorEnv(task) for task in given]
    for env in singles:
        env.np_random = shared
        env.reset()
    many.action_space.seed(0)
    for _ in range(19):
        pushes = many.action_space.sample()
        one_by_one = [env.step(push) for env, push in zip(singles, pushes)]
        assert same(many.step(pushes), list(zip(*one_by_one)))


def test_many_carts_are_single_ones():
    given = tasks(CARTPOLE, 6)
    many = acting.HiddenCartPoleVectorEnv(6, given)
    many.reset(seed=0)
    singles = [acting.HiddenCartPole(task) for task in given]
    for env, state in zip(singles, many.state.T):
        env.reset()
        env.state = state.copy()
    many.action_space.seed(0)
    alive, lengths = numpy.ones(6, bool), numpy.zeros(6, int)
    while alive.any():
        actions = many.action_space.sample()
        state, reward, terminated, _, _ = many.step(actions)
        for i in numpy.flatnonzero(alive):
            alone = singles[i].step(actions[i])
            # Some processors take another cosine for four numbers at once: its last bit may differ.
            assert many.state[:, i] == pytest.approx(singles[i].state, rel=1e-12, abs=1e-15)
            assert state[i] == pytest.approx(alone[0], rel=1e-6)
            assert (reward[i], terminated[i]) == alone[1:3]
        lengths += alive
        alive &= ~terminated
    assert len(set(lengths)) > 2 and lengths.min() > 4, "episodes that tell the tasks apart"


def test_carts_begin_anew_in_their_own_world():
    given = tasks(CARTPOLE, 5)
    envs = gymnasium.make_vec(CARTPOLE, num_envs=5, task=given, max_episode_steps=30)
    envs.reset(seed=1)
    over, begun = numpy.zeros(5, bool), 0
    for _ in range(70):
        before = envs.unwrapped.state.copy()
        state, reward, terminated, truncated, _ = envs.step(numpy.ones(5, int))
        assert (reward == ~over).all(), "1 for a step, 0 where an episode begins"
        assert (abs(state[over]) <= 0.05).all() and not (terminated | truncated)[over].any()
        for i in numpy.flatnonzero(~over):
            assert state[i] == pytest.approx(moved(before[:, i], given[i], 1), rel=1e-6, abs=1e-7)
        over, begun = terminated | truncated, begun + over.sum()
    assert begun >= 10


def test_an_episode_of_the_cart_has_at_most_100_steps():
    for env in (gymnasium.make(CARTPOLE), gymnasium.make_vec(CARTPOLE, num_envs=1)):
        single = env.unwrapped
        env.reset(seed=0)
        for step in range(1, 101):
            single.state = numpy.zeros_like(single.state)           # upright
            action = numpy.zeros(1, int) if hasattr(env, "num_envs") else 0
            *_, terminated, truncated, _ = env.step(action)
            assert not terminated and truncated == (step == 100)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_gymnasiums_physics_it_is_gymnasiums_cart(seed):
    ours, theirs = gymnasium.make(CARTPOLE, task=GYMNASIUMS_OWN), gymnasium.make("CartPole-v1")
    assert same(ours.reset(seed=seed)[:1], theirs.reset(seed=seed)[:1])
    theirs.action_space.seed(seed)
    over, steps = False, 0
    while not over:
        action, steps = theirs.action_space.sample(), steps + 1
        found, expected = ours.step(action), theirs.step(action)
        assert same(found, expected)
        over = expected[2] or expected[3]
    assert steps >= 8


def test_with_gymnasiums_physics_they_are_gymnasiums_carts():
    settings = {"num_envs": 4, "vectorization_mode": "vector_entry_point", "max_episode_steps": 25}
    ours = gymnasium.make_vec(CARTPOLE, task=[GYMNASIUMS_OWN] * 4, **settings)
    theirs = gymnasium.make_vec("CartPole-v1", **settings)
    assert same(ours.reset(seed=5)[:1], theirs.reset(seed=5)[:1])
    theirs.action_space.seed(5)
    for _ in range(120):
        actions = theirs.action_space.sample()
        assert same(ours.step(actions), theirs.step(actions))


def moved(state, task, action):
    """The state after 0.02 s: Lagrange's two equations for a cart and a uniform rod, solved for the accelerations."""
    (x, v, angle, spin), (force, half, mass, gravity) = state, task
    sine, cosine = numpy.sin(angle), numpy.cos(angle)
    left = [[1 + mass, mass * half * cosine], [cosine, 4 / 3 * half]]
    right = [(force if action else -force) + mass * half * spin ** 2 * sine, gravity * sine]
    acceleration, twist = numpy.linalg.solve(left, right)
    return numpy.array([x + 0.02 * v, v + 0.02 * acceleration, angle + 0.02 * spin, spin + 0.02 * twist])


STATE = numpy.array([0.2, -0.4, 0.1, 0.7])


def cart_after(task, action):
    env = acting.HiddenCartPole(task)
    env.reset()
    env.state = STATE.copy()
    env.step(action)
    return env.state


@pytest.mark.parametrize("action", [0, 1])
def test_the_cart_obeys_the_physics_of_its_task(action):
    for task in tasks(CARTPOLE, 10):
        assert cart_after(task, action) == pytest.approx(moved(STATE, task, action), rel=1e-12)


@pytest.mark.parametrize("number", range(4), ids=["force", "length", "mass", "gravity"])
def test_each_hidden_number_changes_the_motion(number):
    other = numpy.array(GYMNASIUMS_OWN, float)
    other[number] *= 1.2
    change = cart_after(other, 1) - cart_after(GYMNASIUMS_OWN, 1)
    assert (change[[0, 2]] == 0).all(), "places follow a step later"
    assert abs(change[3]) > 1e-3 and abs(change[1]) > 1e-6
    assert change == pytest.approx(moved(STATE, other, 1) - moved(STATE, GYMNASIUMS_OWN, 1), abs=1e-12)


@pytest.mark.parametrize("action", [0, 1])
def test_a_negative_force_exchanges_the_actions(action):
    assert (cart_after([-10, 0.5, 0.1, 9.8], action) == cart_after(GYMNASIUMS_OWN, 1 - action)).all()
    many = acting.HiddenCartPoleVectorEnv(2, [[-10, 0.5, 0.1, 9.8], GYMNASIUMS_OWN])
    many.reset()
    many.state = numpy.stack([STATE, STATE], axis=1)
    many.step(numpy.array([action, 1 - action]))
    assert (many.state[:, 0] == many.state[:, 1]).all()


def shapes(name):
    """(a way to make it, the shape of its task) for the single environment and for three at once."""
    single, many = {NAVIGATOR: (acting.NavigatorEnv, acting.NavigatorVectorEnv),
                    CARTPOLE: (acting.HiddenCartPole, acting.HiddenCartPoleVectorEnv)}[name]
    return [(single, (4,)), (lambda task=None: many(3, task), (3, 4))]


def path(env, seed, **options):
    """What five steps show, with actions that depend on the seed only; nothing of it is the task."""
    state, info = env.reset(seed=seed, **options)
    assert info == {}
    env.action_space.seed(seed)
    steps = [env.step(env.action_space.sample()) for _ in range(5)]
    assert all(step[4] == {} for step in steps)
    return [state, *(part for step in steps for part in step[:4])]


def equal(a, b):
    return all(numpy.array_equal(x, y) for x, y in zip(a, b, strict=True))


@both
def test_the_seed_decides_everything(name):
    for make, _ in shapes(name):
        assert equal(path(make(), 3), path(make(), 3)), "the task too"
        assert not equal(path(make(), 3), path(make(), 4))
    for (make, _), task in zip(shapes(name), (tasks(name, 1)[0], tasks(name, 3))):
        env = make(task)
        assert equal(path(env, 3), path(env, 3)), "in a later episode too, once the task is given"


@both
def test_reset_exchanges_the_task_and_keeps_it(name):
    for (make, _), (first, second) in zip(shapes(name), (tasks(name, 2), tasks(name, 6).reshape(2, 3, 4))):
        env, there = make(first), path(make(second), 5)
        assert not equal(path(env, 5), there)
        assert equal(path(env, 5, options={"task": second}), there)
        assert equal(path(env, 5), there) and equal(path(env, 5, options={}), there)
        drawn = make()
        path(drawn, 0)
        once = path(drawn, 5)
        assert equal(path(drawn, 5), once), "a task that was drawn stays as well"
        assert equal(path(drawn, 5, options={"task": second}), there)


def test_the_start_of_a_cart_may_be_chosen_beside_its_task():
    for make, _ in shapes(CARTPOLE):
        assert (make().reset(seed=0, options={"low": 0.04, "high": 0.04})[0] == numpy.float32(0.04)).all()


@both
def test_a_task_that_is_none_is_refused(name):
    for make, shape in shapes(name):
        env = make()
        short, unknown = numpy.zeros((*shape[:-1], 3)), numpy.ones(shape)
        unknown[..., 2] = numpy.nan
        endless = numpy.full(shape, numpy.inf)
        for task in (short, unknown, endless, numpy.zeros((2, 4)), 5.0):
            with pytest.raises(ValueError, match=r"finite numbers of shape \(.*Take them from navigator_tasks or"):
                make(task)
            with pytest.raises(ValueError, match=r"finite numbers of shape \(.*Take them from navigator_tasks or"):
                env.reset(options={"task": task})
        with pytest.raises(ValueError, match="nan"):
            make(unknown)


@both
def test_the_first_observation_is_the_same_in_every_task(name):
    for (make, _), pair in zip(shapes(name), (tasks(name, 2), tasks(name, 6).reshape(2, 3, 4))):
        first, second = (make(task).reset(seed=2) for task in pair)
        assert same(first[:1], second[:1]) and first[1] == second[1] == {}


def uniform(x, low, high):
    """Whether x looks uniform from low to high, and stays inside."""
    return low <= x.min() and x.max() <= high and stats.kstest((x - low) / (high - low), "uniform").pvalue > 1e-3


def test_tasks_of_the_navigator():
    found = tasks(NAVIGATOR, 20_000)
    goal, wind = found[:, :2], found[:, 2:]
    speed, angle = numpy.hypot(*wind.T), numpy.arctan2(wind[:, 1], wind[:, 0])
    assert found.shape == (20_000, 4) and uniform(goal[:, 0], -0.5, 0.5) and uniform(goal[:, 1], -0.5, 0.5)
    assert 0.0499 < speed.max() <= 0.05 + 1e-12
    assert uniform((speed / (0.05 + 1e-12)) ** 2, 0, 1), "as much of the disc's area at each speed"
    assert not uniform(speed / (0.05 + 1e-12), 0, 1)
    assert uniform(angle, -numpy.pi, numpy.pi)
    numbers = numpy.column_stack([goal, speed, angle])
    assert numpy.corrcoef(numbers.T) == pytest.approx(numpy.eye(4), abs=0.03)


def test_tasks_of_the_cart():
    found = tasks(CARTPOLE, 20_000)
    force, half, mass, gravity = found.T
    assert uniform(abs(force), 6, 14) and uniform(half, 0.3, 0.9) and uniform(mass, 0.05, 0.3)
    assert uniform(gravity, 8, 12) and (force > 0).mean() == pytest.approx(0.5, abs=0.015)
    assert numpy.corrcoef(found.T) == pytest.approx(numpy.eye(4), abs=0.03)


@both
def test_tasks_come_from_the_generator_alone(name):
    assert numpy.array_equal(tasks(name, 5), tasks(name, 5)) and not numpy.array_equal(tasks(name, 5),
                                                                                      tasks(name, 5, seed=1))
