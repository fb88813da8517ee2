"""A share in two variants as a Bayesian would sum it up: the chance that B is better, and what choosing wrong costs.

Beta-binomial with independent uniform priors. Not corrected for looking often, and no substitute for a plan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, betaln

from puffy_platform.methods.experiments.moments import Moments

__all__ = ["Belief", "belief", "chance_greater"]

PRIOR = 1.0  # successes and failures seen before anything was seen: the uniform prior
NODES, WEIGHTS = np.polynomial.legendre.leggauss(400)
REACH = 30.0  # standard deviations of a posterior beyond which nothing is left


@dataclass(frozen=True)
class Belief:
    """`chance_better`: that the treatment's share is the greater one. `loss_if_chosen`, `loss_if_kept`: by how much, on
    average, the share is smaller than it could be, when one takes the treatment, or stays with control."""

    chance_better: float
    loss_if_chosen: float
    loss_if_kept: float


def belief(control: Moments, treatment: Moments) -> Belief:
    """Of a share. The losses follow from chance_greater, because x times a beta density is a multiple of another one.

    E[max(A - B, 0)] = E[A] P(A+ > B) - E[B] P(A > B+), where + has seen one more success.
    Source: the closed forms of Stucchio (2015), Bayesian A/B testing at VWO.
    """
    a, b = ((PRIOR + float(moments.y), PRIOR + float(moments.clients - moments.y)) for moments in (control, treatment))
    mean_a, mean_b = a[0] / sum(a), b[0] / sum(b)
    a_more, b_more = (a[0] + 1, a[1]), (b[0] + 1, b[1])
    return Belief(
        chance_better=chance_greater(b, a),
        loss_if_chosen=max(0.0, mean_a * chance_greater(a_more, b) - mean_b * chance_greater(a, b_more)),
        loss_if_kept=max(0.0, mean_b * chance_greater(b_more, a) - mean_a * chance_greater(b, a_more)),
    )


def chance_greater(first: tuple[float, float], second: tuple[float, float]) -> float:
    """P(X > Y) for independent X ~ Beta(first), Y ~ Beta(second): the density of X times P(Y < x), integrated by Gauss
    and Legendre's rule where X has any mass."""
    alpha, beta = first
    mean = alpha / (alpha + beta)
    deviation = math.sqrt(mean * (1 - mean) / (alpha + beta + 1))
    low, high = max(0.0, mean - REACH * deviation), min(1.0, mean + REACH * deviation)
    x = low + (high - low) * (NODES + 1) / 2
    density = np.exp((alpha - 1) * np.log(x) + (beta - 1) * np.log1p(-x) - betaln(alpha, beta))
    return float(np.clip((WEIGHTS * density * betainc(*second, x)).sum() * (high - low) / 2, 0, 1))
