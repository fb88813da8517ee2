"""What an analyst would write in pandas: read, drop duplicates, sessions, channels, first and last click."""

import json
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pandas as pd

SEARCH = ("google.", "bing.", "duckduckgo.", "yahoo.")
SOCIAL = ("facebook.", "instagram.", "tiktok.", "pinterest.", "youtube.", "reddit.")


def channel(row: pd.Series) -> str:
    query = parse_qs(urlparse(row["page_url"]).query)
    medium = query.get("utm_medium", [""])[0].lower()
    if "gclid" in query or "msclkid" in query:
        return "Paid Search"
    if "fbclid" in query or "ttclid" in query:
        return "Paid Social" if "paid" in medium else "Organic Social"
    if medium:
        return medium.title()
    host = urlparse(row["referrer"]).netloc if isinstance(row["referrer"], str) else ""
    if not host:
        return "Direct"
    if any(name in host for name in SEARCH):
        return "Organic Search"
    if any(name in host for name in SOCIAL):
        return "Organic Social"
    return "Internal" if "puffy" in host else "Referral"


def main(landing: Path) -> None:
    events = pd.concat([pd.read_csv(file) for file in sorted(landing.glob("*.csv"))]).drop_duplicates()
    events["timestamp"] = pd.to_datetime(events["timestamp"], utc=True)
    events = events.dropna(subset=["client_id"]).sort_values(["client_id", "timestamp"])
    pause = events.groupby("client_id")["timestamp"].diff()
    events["session"] = (pause.isna() | (pause > pd.Timedelta(minutes=30))).cumsum()
    sessions = events.groupby("session").agg(
        client_id=("client_id", "first"),
        started=("timestamp", "first"),
        ended=("timestamp", "last"),
        events=("event_name", "size"),
        page_url=("page_url", "first"),
        referrer=("referrer", "first"),
    )
    sessions["channel"] = sessions.apply(channel, axis=1)
    bought = events[events["event_name"] == "checkout_completed"].copy()
    bought["data"] = bought["event_data"].map(json.loads)
    bought["order"] = bought["data"].map(lambda data: data.get("transaction_id"))
    bought["revenue"] = bought["data"].map(lambda data: data.get("revenue"))
    bought = bought.drop_duplicates("order")
    touches = bought[["order", "client_id", "timestamp", "revenue"]].merge(sessions, on="client_id")
    age = touches["timestamp"] - touches["started"]
    touches = touches[(age >= pd.Timedelta(0)) & (age <= pd.Timedelta(days=7))].sort_values("started")
    for which in ("first", "last"):
        clicks = touches.groupby("order").agg(channel=("channel", which), revenue=("revenue", "first"))
        print(clicks.groupby("channel")["revenue"].sum())
    print(json.dumps({"sessions": len(sessions), "orders": len(bought)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
