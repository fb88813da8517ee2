"""Shapley value attribution, exact: the conversion-rate game and the sum game over the channel sets that occur.

Shapley, "A Value for n-Person Games" (1953); its use for channels, and the closed form of the sum game: Zhao, Mahboobi
and Bagheri, "Shapley Value Methods for Attribution Modeling in Online Advertising" (2018). Dividends: Harsanyi (1963).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from puffy_platform.methods.journeys import Counts, Floats, Ints, Journeys, credit_frame

__all__ = ["ConversionRateGame", "SumGame", "conversion_rate_game", "sum_game"]

MOST_CHANNELS = 62


def conversion_rate_game(paths: pl.DataFrame) -> pl.DataFrame:
    """channel, orders, share under the conversion-rate game; rows as of `Journeys.from_frame`. See the class."""
    journeys = Journeys.from_frame(paths)
    converted = journeys.converted[:, None]
    credited = ConversionRateGame(journeys).credit(converted + journeys.lost[:, None], converted)
    return credit_frame(journeys.channels, credited[:, 0])


def sum_game(paths: pl.DataFrame) -> pl.DataFrame:
    """channel, orders, share under the sum game; rows as of `Journeys.from_frame`. See the class."""
    journeys = Journeys.from_frame(paths)
    converted = journeys.converted[:, None]
    return credit_frame(journeys.channels, SumGame(journeys).credit(converted, converted)[:, 0])


class SumGame:
    """v(C) = the orders of journeys whose channels are all in C.

    Its Shapley value is an equal split of each order among the distinct channels of its path: the dividend of a
    set is what journeys of exactly that set brought, and a dividend is shared equally (Zhao et al. 2018). So that
    is what is computed. Journeys without conversion do not matter to it; it is never negative.
    """

    def __init__(self, journeys: Journeys) -> None:
        channel, path = _distinct_pairs(journeys)
        distinct = np.bincount(path, minlength=journeys.paths)
        shape = (len(journeys.channels), journeys.paths)
        self._split = sparse.csr_array((1.0 / distinct[path], (channel, path)), shape=shape)

    def credit(self, counts: Counts, value: Counts) -> Floats:
        """Each channel's part of `value`, a row a path and a column a sample. `counts` is not used here."""
        return np.asarray(self._split @ value, dtype=np.float64)


class ConversionRateGame:
    """v(C) = the orders to expect from the same journeys, had only the channels of C been there.

    A journey with the channels S is then one with S & C, and converts at the rate measured for journeys of exactly
    that set: v(C) = sum over S of n(S) r(S & C), with n(S) journeys of exactly S and r(S) the share of them that
    converted; r of no channel is 0. v(all) is all orders, so the values add up to them. A set that never occurs
    has no effect of its own: r there is what its subsets' dividends add up to. Values may be negative: a channel
    in whose presence fewer convert.

    Exact: with the dividends m of r (r(S) = sum of m(T), T within S; Moebius transform over the sets that occur)
    the value of channel j is the sum over T with j of m(T) / |T| times the journeys that hold all of T.
    """

    def __init__(self, journeys: Journeys) -> None:
        channels = len(journeys.channels)
        if channels > MOST_CHANNELS:
            raise ValueError(f"{channels} channels: at most {MOST_CHANNELS} can be told apart")
        bits = np.left_shift(np.int64(1), journeys.steps)
        masks = np.bitwise_or.reduceat(bits, journeys.starts) if journeys.paths else bits
        self._sets = _family(np.unique(masks), channels)
        shape = (len(self._sets.sets), journeys.paths)
        place = self._sets.place_of(masks)
        self._of_set = sparse.csr_array((np.ones(journeys.paths), (place, np.arange(journeys.paths))), shape=shape)
        has = (self._sets.sets >> np.arange(channels)[:, None]) & 1
        self._share = sparse.csr_array(has / np.maximum(self._sets.sizes, 1))

    def credit(self, counts: Counts, value: Counts) -> Floats:
        """Each channel's part of `value` (orders, or their money); `counts` are journeys, converted or not.

        A row a path and a column a sample; a path may be missing (0 journeys) in some samples.
        """
        journeys, brought = self._of_set @ counts, self._of_set @ value
        rate = np.divide(brought, journeys, out=np.zeros(journeys.shape), where=journeys > 0)
        dividend = np.zeros(journeys.shape)
        for number, layer in enumerate(self._sets.layers):
            own = rate[layer] - self._sets.inside(dividend, number)
            dividend[layer] = np.where(journeys[layer] > 0, own, 0.0)
        return np.asarray(self._share @ (dividend * self._sets.containing(journeys)), dtype=np.float64)


class _Lattice:
    """All sets of a few channels, numbered by their bits: sums over subsets by the fast transform."""

    def __init__(self, channels: int) -> None:
        self.sets = np.arange(2**channels, dtype=np.int64)
        self.sizes = np.bitwise_count(self.sets).astype(np.int64)
        self.layers: list[Any] = [np.flatnonzero(self.sizes == size) for size in range(1, channels + 1)]
        self._channels = channels

    def place_of(self, sets: Ints) -> Ints:
        return sets

    def inside(self, values: Floats, layer: int) -> Floats:
        """Of each set of a layer, the sum over its strict subsets; the layer's own values are still 0."""
        sums = values.copy()
        for pairs in self._pairs(sums):
            pairs[:, 1] += pairs[:, 0]
        return np.asarray(sums[self.layers[layer]])

    def containing(self, values: Floats) -> Floats:
        """Of each set, the sum over itself and all that contain it."""
        sums = values.copy()
        for pairs in self._pairs(sums):
            pairs[:, 0] += pairs[:, 1]
        return sums

    def _pairs(self, values: Floats) -> Iterator[Floats]:
        """A view for each channel, in which [:, 0] is without it and [:, 1] the same with it."""
        for channel in range(self._channels):
            yield values.reshape(-1, 2, 2**channel * values.shape[1])


class _Family:
    """Some sets of many channels, in order of size: sums over those of their subsets that are among them."""

    def __init__(self, sets: Ints) -> None:
        order = np.argsort(np.bitwise_count(sets), kind="stable")
        self.sets = sets[order]
        self.sizes = np.bitwise_count(self.sets).astype(np.int64)
        edges = np.searchsorted(self.sizes, np.unique(self.sizes))
        self.layers: list[Any] = [slice(*ends) for ends in zip(edges, [*edges[1:], len(sets)], strict=True)]
        self._order, self._ascending = order, sets
        self._place_in_order = np.argsort(order)
        below = self._strict_subsets()
        self._below = [below[layer] for layer in self.layers]
        self._above = below.T.tocsr()

    def place_of(self, sets: Ints) -> Ints:
        return np.asarray(self._place_in_order[np.searchsorted(self._ascending, sets)])

    def inside(self, values: Floats, layer: int) -> Floats:
        return np.asarray(self._below[layer] @ values)

    def containing(self, values: Floats) -> Floats:
        return np.asarray(values + self._above @ values)

    def _strict_subsets(self) -> sparse.csr_array:
        """[set, other] = 1 where the other one is a strict subset.

        Per size, either all subsets are looked up or all smaller sets compared, whichever are fewer.
        """
        rows, columns = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        for layer in self.layers:
            sets, size, smaller = self.sets[layer], int(self.sizes[layer.start]), self.sets[: layer.start]
            if size < MOST_CHANNELS and 2**size <= len(smaller):
                chosen = (np.arange(2**size - 1) >> np.arange(size)[:, None]) & 1
                wanted = _bits(sets, size) @ chosen
                near = np.minimum(np.searchsorted(self._ascending, wanted), len(self.sets) - 1)
                row, found = np.nonzero(self._ascending[near] == wanted)
                column = self._place_in_order[near[row, found]]
            else:
                row, column = np.nonzero((smaller & ~sets[:, None]) == 0)
            rows.append(row + layer.start)
            columns.append(column)
        row, column = np.concatenate(rows), np.concatenate(columns)
        return sparse.csr_array((np.ones(len(row)), (row, column)), shape=(len(self.sets), len(self.sets)))


def _family(sets: Ints, channels: int) -> _Lattice | _Family:
    """All sets when nearly as many occur, else only those that do: whichever needs fewer additions."""
    sizes = np.sort(np.bitwise_count(sets).astype(np.int64))
    smaller = np.searchsorted(sizes, sizes)
    pairs = np.minimum(np.exp2(sizes), smaller).sum()
    return _Lattice(channels) if pairs > channels**2 * 2.0**channels else _Family(sets)


def _bits(sets: Ints, size: int) -> Ints:
    """The single bits of sets of a size, a row a set."""
    left, found = sets.copy(), np.empty((len(sets), size), dtype=np.int64)
    for place in range(size):
        found[:, place] = left & -left
        left &= left - 1
    return found


def _distinct_pairs(journeys: Journeys) -> tuple[Ints, Ints]:
    """Every (channel, path) once, however often the channel is on the path."""
    width = max(len(journeys.channels), 1)
    pairs = np.unique(journeys.path_of_step * width + journeys.steps)
    return pairs % width, pairs // width
