"""The crawlers' share of the traffic: single hits, short crawls, and a few that never sleep.

They view pages and do nothing else.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from puffy_platform.demo.agents import BOT_AGENTS
from puffy_platform.demo.browsing import EVENT_NAMES, PAGE, client_ids
from puffy_platform.demo.journeys import DAY_MS, HOUR_MS
from puffy_platform.demo.model import ShopModel
from puffy_platform.demo.vocabulary import PAGES, SHOP

__all__ = ["crawl"]

HITS_PER_CRAWL = 5


def crawl(rng: np.random.Generator, model: ShopModel, count: int, days: int, first_day: dt.date) -> pl.DataFrame:
    """About `count` page views of crawlers: ts, client_id, page_url, user_agent, event_name.

    Most hits come with a client id of their own, as from crawlers without cookies; some are short crawls. The
    marathons pause less than any session timeout for days, through midnights.
    """
    # A very small shop has a shorter one.
    per_marathon = min(model.marathon_hours * HOUR_MS // model.marathon_pause_ms, count // 2)
    marathons = min(max(1, round(model.marathon_share * count / per_marathon)), days)
    crawls = round((count - marathons * per_marathon) * (1 - model.bot_new_id_each_hit) / HITS_PER_CRAWL)
    singles = max(0, count - marathons * per_marathon - crawls * HITS_PER_CRAWL)

    hits = np.concatenate([np.full(marathons, per_marathon), np.full(crawls, HITS_PER_CRAWL), np.ones(singles)]).astype(
        np.int64
    )
    bot = np.repeat(np.arange(len(hits)), hits)
    start = rng.integers(0, days * DAY_MS, len(hits))
    start[:marathons] = rng.integers(0, days * DAY_MS - model.marathon_hours * HOUR_MS, marathons)
    marathon = bot < marathons
    pause = np.where(
        marathon,
        rng.uniform(0.6, 1.4, len(bot)) * model.marathon_pause_ms,
        rng.exponential(120_000, len(bot)) + 1_000,
    ).astype(np.int64)
    pause[hits.cumsum() - hits] = 0
    passed = pause.cumsum()
    ts = start[bot] + passed - passed[hits.cumsum() - hits][bot]

    agent = rng.choice(len(BOT_AGENTS.texts), size=len(hits), p=BOT_AGENTS.probabilities)
    page = rng.integers(0, len(PAGES.texts), len(bot))
    return pl.DataFrame(
        {
            "ts": ts,
            "client_id": client_ids(rng, start, first_day).gather(pl.Series(bot)),
            "page_url": SHOP + pl.Series(PAGES.texts).gather(pl.Series(page)),
            "user_agent": pl.Series(BOT_AGENTS.texts).gather(pl.Series(agent[bot])),
        }
    ).with_columns(event_name=pl.lit(EVENT_NAMES[PAGE]))
