"""Worlds to act in: two families of tasks as Gymnasium environments, whose physics an agent is not told.

    import course_files.acting                                  # registers them
    gymnasium.make("course/Navigator-v0", task=[0.3, -0.4, 0.03, 0.0])
    gymnasium.make_vec("course/CartPole-v0", num_envs=100)      # another task in each

A task is a row of numbers, which no observation shows. `reset(options={"task": ...})` sets another one.
"""

import math
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import gymnasium
import numpy
from gymnasium import spaces
from gymnasium.envs.classic_control.cartpole import CartPoleEnv, CartPoleVectorEnv
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

REACH, GUSTS = 0.1, 0.005       # how far an action of 1 goes, and the standard deviation of chance, both of a unit


def navigator_tasks(rng, n):
    """n tasks of the navigator [n, 4]: a goal from the square of side 1 around 0, and a wind of up to 0.05 a step.

    rng: a numpy Generator. Source of the goals: Finn et al. 2017, section 5.3; the wind is ours.
    """
    angle, speed = rng.uniform(-math.pi, math.pi, n), 0.05 * numpy.sqrt(rng.uniform(0, 1, n))
    return numpy.column_stack([rng.uniform(-0.5, 0.5, (n, 2)), speed * numpy.cos(angle), speed * numpy.sin(angle)])


def cartpole_tasks(rng, n):
    """n tasks of the cart [n, 4]: its force (N), half the pole's length (m), the pole's mass (kg), gravity (m/s^2).

    Force has either sign, as if the wires of the motor were swapped: an agent has to find out which.
    """
    force = rng.choice([-1, 1], n) * rng.uniform(6, 14, n)
    return numpy.column_stack([force, rng.uniform(0.3, 0.9, n), rng.uniform(0.05, 0.3, n), rng.uniform(8, 12, n)])


def checked(task, shape):
    """The task as float64 of that shape. Raises ValueError for another shape, or a number that is not finite."""
    task = numpy.array(task, dtype=numpy.float64)       # a copy: later changes of yours do not reach it
    if task.shape != shape or not numpy.isfinite(task).all():
        raise ValueError(f"a task is finite numbers of shape {shape}, not {task.tolist()}. Take them from "
                         "navigator_tasks or cartpole_tasks.")
    return task


class NavigatorVectorEnv(VectorEnv):
    """`num_envs` points in the plane. Observation: the place [2]. Action: the push [2], each from -1 to 1.

    A push moves the point by up to REACH, the wind moves it further, and so does a little chance. Reward: minus the
    distance to the goal after the step. An episode has `max_episode_steps` steps.
    """

    metadata: ClassVar = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": []}

    def __init__(self, num_envs=1, task=None, max_episode_steps=20):
        self.num_envs, self.max_episode_steps, self.render_mode = num_envs, max_episode_steps, None
        self.task = None if task is None else checked(task, (num_envs, 4))
        self.single_observation_space = spaces.Box(-4, 4, (2,), numpy.float32)
        self.single_action_space = spaces.Box(-1, 1, (2,), numpy.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if options and "task" in options:
            self.task = checked(options["task"], (self.num_envs, 4))
        elif self.task is None:
            self.task = navigator_tasks(numpy.random.default_rng(seed), self.num_envs)
        self.place, self.steps = numpy.zeros((self.num_envs, 2)), numpy.zeros(self.num_envs, int)
        return self.place.astype(numpy.float32), {}

    def step(self, actions):
        over = self.steps == self.max_episode_steps                     # these begin anew, and their action is lost
        push = REACH * numpy.clip(actions, -1, 1) + GUSTS * self.np_random.standard_normal((self.num_envs, 2))
        self.place = numpy.where(over[:, None], 0, self.place + push + self.task[:, 2:])
        self.steps = numpy.where(over, 0, self.steps + 1)
        reward = numpy.where(over, 0, -numpy.linalg.norm(self.place - self.task[:, :2], axis=1))
        truncated = self.steps == self.max_episode_steps
        return self.place.astype(numpy.float32), reward, numpy.zeros(self.num_envs, bool), truncated, {}


class NavigatorEnv(gymnasium.Env):
    """One point in the plane: see `NavigatorVectorEnv`. `gymnasium.make` counts its steps."""

    metadata: ClassVar = {"render_modes": []}

    def __init__(self, task=None):
        self.many = NavigatorVectorEnv(1, None if task is None else [task], max_episode_steps=-1)
        self.observation_space, self.action_space = self.many.single_observation_space, self.many.single_action_space
        self.render_mode = None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        task = {"task": [options["task"]]} if options and "task" in options else None
        place, info = self.many.reset(seed=seed, options=task)
        self.many.np_random = self.np_random
        return place[0], info

    def step(self, action):
        place, reward, terminated, truncated, info = self.many.step([action])
        return place[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), info


class _Hidden:
    """What both carts share: physics from a task's row, which `reset` may exchange."""

    def _set(self, options, shape, seed):
        if options and "task" in options:
            self.task = checked(options["task"], shape)
        elif self.task is None:
            self.task = cartpole_tasks(numpy.random.default_rng(seed), self.num_envs).reshape(shape)
        self.force_mag, self.length, self.masspole, self.gravity = self.task.T
        self.total_mass, self.polemass_length = self.masspole + self.masscart, self.masspole * self.length
        return {name: value for name, value in (options or {}).items() if name != "task"}


class HiddenCartPole(_Hidden, CartPoleEnv):
    """Gymnasium's CartPole (Barto et al. 1983) with the physics of a task. Reward: 1 for each step until the fall."""

    def __init__(self, task=None, **options):
        super().__init__(**options)
        self.num_envs, self.task = 1, None if task is None else checked(task, (4,))

    def reset(self, *, seed=None, options=None):
        gymnasium.Env.reset(self, seed=seed)
        options = self._set(options, (4,), seed)
        return super().reset(options=options)


class HiddenCartPoleVectorEnv(_Hidden, CartPoleVectorEnv):
    """`num_envs` carts at once: see `HiddenCartPole`."""

    def __init__(self, num_envs=1, task=None, max_episode_steps=100, **options):
        super().__init__(num_envs, max_episode_steps, **options)
        self.task = None if task is None else checked(task, (num_envs, 4))

    def reset(self, *, seed=None, options=None):
        VectorEnv.reset(self, seed=seed)
        options = self._set(options, (self.num_envs, 4), seed)
        return super().reset(options=options)


class Family(NamedTuple):
    """What an agent knows of a family of tasks."""

    name: str                   # for `gymnasium.make`
    tasks: Callable             # (numpy Generator, n) -> n tasks
    horizon: int                # steps of an episode, at most
    scale: tuple                # what the numbers of a state are divided by
    n_action: int
    discrete: bool
    ended: Callable             # states [..., S] -> whether the episode is over there


def fallen(state):
    """Whether a cart is off its track, or its pole has fallen: CartPole's own bounds."""
    return (abs(state[..., 0]) > 2.4) | (abs(state[..., 2]) > math.radians(12))


def never(state):
    return state[..., 0] != state[..., 0]


FAMILIES = {"navigator": Family("course/Navigator-v0", navigator_tasks, 20, (0.3, 0.3), 2, False, never),
            "cart": Family("course/CartPole-v0", cartpole_tasks, 100, (1.0, 1.0, 0.1, 1.0), 2, True, fallen)}

# so that `import course_files.acting` is all that gymnasium.make needs
for name, single, many, steps in (("Navigator", NavigatorEnv, NavigatorVectorEnv, 20),
                                  ("CartPole", HiddenCartPole, HiddenCartPoleVectorEnv, 100)):
    if f"course/{name}-v0" not in gymnasium.registry:
        gymnasium.register(f"course/{name}-v0", entry_point=single, vector_entry_point=many, max_episode_steps=steps)
