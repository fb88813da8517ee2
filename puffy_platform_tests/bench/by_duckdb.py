"""The same core steps in DuckDB SQL over the raw files: sessions, and first and last touch. Written on its own, it is
also what the platform's sessions and attribution are compared with, row for row."""

import json
import sys
from pathlib import Path

import duckdb

__all__ = ["SESSIONS", "TOUCHES", "open_events"]

EVENTS = """
create temp table events as
select distinct client_id, event_name, event_data, user_agent, page_url, referrer, timestamp,
       strptime(timestamp, '%Y-%m-%dT%H:%M:%S.%gZ') as ts
from read_csv('{files}', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"')
"""
# A pause of more than 30 minutes starts a session. At midnight a running one is cut if its client did not pause on
# the whole day before.
SESSIONS = """
create temp table sessions as
with marked as (
    select client_id, ts, ts::date as day, event_name, event_data,
           ts - lag(ts) over client > interval 30 minutes or lag(ts) over client is null as paused
    from events where client_id is not null and client_id <> ''
    window client as (partition by client_id order by ts)
), client_days as (
    select client_id, day, min(ts) as first_ts, bool_or(paused) as paused_today from marked group by all
), cuts as (
    select today.client_id, today.first_ts as ts
    from client_days today join client_days before
      on before.client_id = today.client_id and before.day = today.day - 1
    where not before.paused_today
), started as (
    select marked.*, paused or (cuts.ts is not null) as starts
    from marked left join (select distinct * from cuts) cuts
      on cuts.client_id = marked.client_id and cuts.ts = marked.ts
), numbered as (
    select *, sum(starts::int) over (partition by client_id order by ts range unbounded preceding) as number
    from started
)
select client_id, number, min(ts) as started_at, max(ts) as ended_at, count(*) as events,
       coalesce(sum(case when event_name = 'checkout_completed'
                    then round((event_data::json ->> 'revenue')::decimal(18, 4) * 100)::bigint end), 0) as revenue_cents
from numbered group by client_id, number
"""
TOUCHES = """
with orders as (
    select event_data::json ->> 'transaction_id' as transaction_id, client_id, ts as converted_at
    from events where event_name = 'checkout_completed'
    qualify row_number() over (partition by event_data::json ->> 'transaction_id' order by ts) = 1
)
select transaction_id, min(started_at) as first_at, max(started_at) as last_at, count(*) as touchpoints
from orders join sessions using (client_id)
where started_at <= converted_at and started_at >= converted_at - interval 7 days
group by transaction_id
"""


def open_events(landing: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the temporary tables `events` (each once) and `sessions`."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(EVENTS.format(files=landing / "*.csv"))
    connection.execute(SESSIONS)
    return connection


def main(landing: Path) -> None:
    with open_events(landing) as connection:
        touches = connection.sql(TOUCHES).pl().height
        sessions = connection.sql("select count(*) as n from sessions").pl()["n"].item()
    print(json.dumps({"sessions": sessions, "orders": touches}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
