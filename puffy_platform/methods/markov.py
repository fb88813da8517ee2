"""Markov chain attribution, exact: the removal effect of each channel, for chains of order 1 to 4.

Anderl, Becker, von Wangenheim and Schumann, "Mapping the customer journey: Lessons learned from graph-based online
attribution modeling" (2016). Solved as an absorbing chain; nothing is simulated.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from puffy_platform.methods.journeys import HIGHEST_ORDER, Counts, Floats, Ints, Journeys, credit_frame

__all__ = ["MarkovChain", "removal_effects"]

# Up to so many states all samples are solved at once by dense inverses; above, one after the other by iteration.
DENSE_STATES = 64
# Iteration ends when no more than this part of any journey is still under way, so that no result can change by more.
STILL_UNDER_WAY = 1e-15
# A chain that turns in circles longer than this is solved by elimination.
MOST_ITERATIONS = 2_000


def removal_effects(paths: pl.DataFrame, order: int = 1) -> pl.DataFrame:
    """channel, removal_effect, orders, share; rows as of `Journeys.from_frame`. See `MarkovChain`."""
    journeys = Journeys.from_frame(paths)
    chain = MarkovChain(journeys, order)
    converted = journeys.converted[:, None]
    counts = converted + journeys.lost[:, None]
    effects = pl.DataFrame({"channel": journeys.channels, "removal_effect": chain.effects(counts, converted)[:, 0]})
    credited = credit_frame(journeys.channels, chain.credit(counts, converted)[:, 0])
    return credited.join(effects, on="channel", maintain_order="left").select(
        "channel", "removal_effect", "orders", "share"
    )


class MarkovChain:
    """A walker who goes on as the journeys did, remembering the last `order` touchpoints.

    The walker starts with nothing, and from every state goes on to the next touchpoint, to a conversion or to null
    with the frequencies seen. A channel is removed by sending every step to it to null; its removal effect is the
    part of the conversions that is then lost. Since removal loses exactly the walks through the channel, this is
    the part of the converting walks that touch it. Orders are credited in proportion to the effects.

    States are the last touchpoints that occur, so cycles (a channel again) are ordinary. At most four.
    """

    def __init__(self, journeys: Journeys, order: int) -> None:
        if not 1 <= order <= HIGHEST_ORDER:
            raise ValueError(f"order {order}: a chain remembers 1 to {HIGHEST_ORDER} touchpoints")
        reached = _states_after_steps(journeys, order)
        is_first = np.zeros(len(reached), dtype=np.bool_)
        is_first[journeys.starts] = True
        left = np.where(is_first, 0, np.roll(reached, 1))
        states, codes = np.unique(np.concatenate([[0], left, reached]), return_inverse=True)
        steps = len(reached)
        left, reached = codes[1 : steps + 1], codes[steps + 1 :]
        edges, edge_of_step = np.unique(left * len(states) + reached, return_inverse=True)

        self._from, self._to = edges // len(states), edges % len(states)
        self._channels, self._states = len(journeys.channels), len(states)
        # The newest touchpoint of a state, -1 for the start.
        self._newest = states % (self._channels + 1) - 1
        walks = np.ones(steps)
        shape = (len(edges), journeys.paths)
        edge = np.arange(len(edges))
        self._leaving = sparse.csr_array((np.ones(len(edges)), (self._from, edge)), shape=(len(states), len(edges)))
        self._walked = sparse.csr_array((walks, (edge_of_step, journeys.path_of_step)), shape=shape)
        last = reached[journeys.starts + journeys.lengths - 1] if journeys.paths else reached
        shape = (len(states), journeys.paths)
        self._ended = sparse.csr_array((np.ones(journeys.paths), (last, np.arange(journeys.paths))), shape=shape)

    def credit(self, counts: Counts, value: Counts) -> Floats:
        """The total of `value` (orders, or their money) by removal effect; `counts` are journeys, converted or not.

        A row a path and a column a sample. 0 throughout where nothing is lost by any removal.
        """
        effects = self.effects(counts, value)
        total = effects.sum(axis=0)
        share = np.divide(effects, total, out=np.zeros(effects.shape), where=total > 0)
        return np.asarray(share * value.sum(axis=0), dtype=np.float64)

    def effects(self, counts: Counts, value: Counts) -> Floats:
        """The removal effect of each channel (row) in each sample (column): 0 to 1 of what is converted."""
        walked, ended, brought = self._walked @ counts, self._ended @ counts, self._ended @ value
        visits = ended + self._leaving @ walked
        chance = np.divide(walked, visits[self._from], out=np.zeros(walked.shape), where=visits[self._from] > 0)
        reward = np.divide(brought, visits, out=np.zeros(visits.shape), where=visits > 0)
        total = value.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
        lost = self._lost_densely(chance, reward) if self._states <= DENSE_STATES else self._lost(chance, reward)
        return np.asarray(np.divide(lost, total, out=np.zeros(lost.shape), where=total > 0), dtype=np.float64)

    def _lost_densely(self, chance: Floats, reward: Floats) -> Floats:
        """What is not converted without each channel, all samples at once.

        With N = (I - Q)^-1, y = N's row of the start (expected visits) and v = N r (what comes after a state), the
        walks through the states C bring y_C (N_CC)^-1 v_C: the chance of ever entering C at each of its states,
        times what comes after. It is the Schur complement of removing C from the chain.
        """
        samples = chance.shape[1]
        chain = np.zeros((samples, self._states, self._states))
        chain[:, self._from, self._to] = -chance.T
        chain[:, np.arange(self._states), np.arange(self._states)] += 1.0
        visits = np.linalg.inv(chain)
        after = visits @ reward.T[:, :, None]
        lost = np.empty((self._channels, samples))
        for channel in range(self._channels):
            own = np.flatnonzero(self._newest == channel)
            entering = np.linalg.solve(visits[:, own[:, None], own], after[:, own])
            lost[channel] = np.einsum("sc,scx->s", visits[:, 0, own], entering)
        return lost

    def _lost(self, chance: Floats, reward: Floats) -> Floats:
        """The same for many states: the fixed point of v = Q v + r with and without each channel, sample by sample."""
        kept = self._newest[:, None] != np.arange(-2, self._channels)
        kept[:, :2] = True
        lost = np.empty((self._channels, chance.shape[1]))
        shape = (self._states, self._states)
        for sample in range(chance.shape[1]):
            chain = sparse.csr_array((chance[:, sample], (self._from, self._to)), shape=shape)
            start = _fixed_point(chain, reward[:, sample], kept)
            lost[:, sample] = start[0] - start[1:]
        return lost


def _fixed_point(chain: sparse.csr_array, reward: Floats, kept: NDArray[np.bool_]) -> Floats:
    """Expected reward from state 0 if only the kept states of a column may be entered; not for the first column.

    The first column counts down the walkers still under way: all that later steps can add is at most that part of
    the largest reward.
    """
    values = np.zeros(kept.shape)
    values[:, 0] = 1.0
    gain = np.where(kept, reward[:, None], 0.0)
    gain[:, 0] = 0.0
    for _ in range(MOST_ITERATIONS):
        values = (chain @ values) * kept + gain
        if values[:, 0].max(initial=0.0) <= STILL_UNDER_WAY:
            return np.asarray(values[0, 1:], dtype=np.float64)
    return np.array([_eliminated(chain, reward, column) for column in kept[:, 1:].T])


def _eliminated(chain: sparse.csr_array, reward: Floats, kept: NDArray[np.bool_]) -> float:
    """The same for one column by sparse elimination."""
    from scipy.sparse import linalg

    walkable = sparse.diags_array(kept.astype(np.float64)) @ chain
    identity = sparse.eye_array(chain.shape[0])
    return float(linalg.spsolve((identity - walkable).tocsc(), np.where(kept, reward, 0.0))[0])


def _states_after_steps(journeys: Journeys, order: int) -> Ints:
    """After each step, the newest `order` touchpoints as the digits of a number, the newest the lowest; 0 is none."""
    base = len(journeys.channels) + 1
    place = np.arange(len(journeys.steps)) - journeys.starts[journeys.path_of_step]
    state = np.zeros(len(journeys.steps), dtype=np.int64)
    for back in range(order):
        earlier = np.roll(journeys.steps, back) + 1
        state += np.where(place >= back, earlier, 0) * base**back
    return state
