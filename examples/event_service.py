"""A service that follows events and handles each once, though it is killed at any moment.

Here it keeps an index of what was written, in SQLite. An event's effect, its id and its place stand
in one transaction: after a restart the service goes on behind the last event that it has handled,
and an event that comes twice changes nothing. Where it was away for longer than the gateway keeps
events (a day), it says so and goes on with the oldest that there is.

Install, in Loregate's folder:
    pip install ./clients/python

Run (the index stands in events.db, in the folder that it is started in):
    LOREGATE_URL=http://127.0.0.1:8100 TOKEN=… python event_service.py
"""

from __future__ import annotations

import logging
import os
import sqlite3

from loregate_client import CursorExpired, Event, Loregate

TABLES = """
create table if not exists place (one integer primary key check (one = 1), cursor text not null);
create table if not exists texts (
    event_id text primary key, content_id text not null, type text not null, at text not null
);
"""


def token() -> str:
    """Yours: ask whoever signs them for a fresh one. It is called again at the token's end."""
    return os.environ["TOKEN"]


def keep_place(db: sqlite3.Connection, cursor: str) -> None:
    db.execute("insert or replace into place values (1, ?)", (cursor,))


def handle(db: sqlite3.Connection, event: Event) -> None:
    row = (event["id"], event["contentId"], event["type"], event["occurredAt"])
    with db:  # all of it, or nothing
        new = db.execute("insert or ignore into texts values (?, ?, ?, ?)", row).rowcount
        keep_place(db, event["cursor"])
    print(event["type"], event["contentId"], "" if new else "(again)", flush=True)


def begin(db: sqlite3.Connection, gate: Loregate) -> str:
    """The place to go on from; at the very first start, the log's end as it is now."""
    found = db.execute("select cursor from place").fetchone()
    if found is None:
        with db:
            keep_place(db, gate.event_cursor())
        return begin(db, gate)
    return str(found[0])


def follow(db: sqlite3.Connection, gate: Loregate) -> None:
    while True:
        try:
            for event in gate.events(after=begin(db, gate)):
                handle(db, event)
        except CursorExpired as expired:
            print("events were missed: going on with the oldest that there is", flush=True)
            with db:
                keep_place(db, expired.resume_after)


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("loregate_client").setLevel(logging.INFO)  # says where a stream was cut
    db = sqlite3.connect("events.db")
    db.executescript(TABLES)
    with Loregate(os.environ["LOREGATE_URL"], token) as gate:
        print("following events; Ctrl-C ends it", flush=True)
        follow(db, gate)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("ended")
