"""Which version comes into force: measured on one holdout against both baselines and against each other.

Probabilities in, verdicts out; trains nothing and knows no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from puffy_platform.methods.churn.learners import BASELINES
from puffy_platform.methods.churn.measures import Bools, Estimate, Floats, auc_gain, brier

__all__ = ["STATUSES", "Status", "Verdict", "better", "decide"]

Status = Literal["promoted", "candidate", "rejected", "baseline", "not_enough_data"]
STATUSES = ("promoted", "candidate", "rejected", "baseline", "not_enough_data")
IN_WORDS = {"recency": "recency alone", "p_alive": "P(alive) of BG/NBD"}


@dataclass(frozen=True)
class Verdict:
    """promoted: in force; candidate: good enough, but not better than the one in force; rejected: a baseline is not
    beaten. `why` in words, `gains` in AUC over each baseline that there is."""

    status: Status
    why: str
    gains: Mapping[str, Estimate]


def better(mine: Floats, theirs: Floats, churned: Bools) -> bool:
    """Clearly higher AUC (the 95 % interval of the gain is above 0), and a Brier score that is not higher.

    What is only a little better on these customers may be worse on the next; then the simpler or older one stays.
    """
    return auc_gain(mine, theirs, churned).low > 0 and brier(mine, churned) <= brier(theirs, churned)


def decide(
    versions: Mapping[str, Floats],
    baselines: Mapping[str, Floats],
    missing: Mapping[str, str],
    churned: Bools,
) -> dict[str, Verdict]:
    """A verdict on each version, given the probabilities of each for the same customers, and who churned.

    `versions` in the order in which they may come into force: the oldest first, of one training the simpler first. A
    version is good enough when it is `better` than both baselines; a later one takes over when it is `better` than the
    one in force until then. `missing`: baselines that could not be fitted, and why. What is not there cannot be beaten.
    """
    verdicts, champion = {}, None
    for version, mine in versions.items():
        gains = {name: auc_gain(mine, theirs, churned) for name, theirs in baselines.items()}
        unbeaten = [
            f"{IN_WORDS[name]} could not be fitted ({missing[name]}), so it is not beaten"
            if name in missing
            else _not_beaten(IN_WORDS[name], gains[name], mine, baselines[name], churned)
            for name in BASELINES
            if name in missing or not better(mine, baselines[name], churned)
        ]
        if unbeaten:
            verdicts[version] = Verdict("rejected", "; ".join(unbeaten), gains)
            continue
        verdicts[version] = Verdict("candidate", "", gains)
        if champion is None or better(mine, versions[champion], churned):
            champion = version
    for version, verdict in verdicts.items():
        if version == champion:
            verdicts[version] = Verdict("promoted", "", verdict.gains)
        elif verdict.status == "candidate" and champion is not None:
            gain = auc_gain(versions[version], versions[champion], churned)
            why = f"beats both baselines, but is not clearly better than {champion} (AUC {_signed(gain)})"
            if list(versions).index(version) < list(versions).index(champion):
                why = f"{champion} is clearly better (AUC {_signed(gain)} against it)"
            verdicts[version] = Verdict("candidate", why, verdict.gains)
    return verdicts


def _not_beaten(name: str, gain: Estimate, mine: Floats, theirs: Floats, churned: Bools) -> str:
    if gain.low <= 0:
        return f"AUC not clearly above that of {name} ({_signed(gain)})"
    return f"Brier score {brier(mine, churned):.4f} above {brier(theirs, churned):.4f} of {name}"


def _signed(gain: Estimate) -> str:
    return f"{gain.value:+.3f}, {gain.low:+.3f} to {gain.high:+.3f}"
