"""`loregate events`: what happens, as it happens, past restarts of the gateway."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import aclosing
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from app.cli_gateway import gateway
from app.terminal.client import GatewayClient, Opening
from app.terminal.failure import CommandFailed
from app.terminal.run import run
from app.terminal.screen import YELLOW, Screen

QUIET = 2.0  # s without an event behind which, without --follow, all that was there has been read
MAX_SEEN = 10_000  # ids; an event may come again, under its same id
CURSOR = "query { eventCursor }"
COMMON = ("type", "id", "user_id", "request_id", "source", "occurred_at", "content_id", "metadata")

cli = typer.Typer(add_completion=False)


@cli.command()
def events(
    follow: Annotated[
        bool, typer.Option("--follow", "-F", help="Go on for ever; so it is without --after.")
    ] = False,
    types: Annotated[
        str | None, typer.Option(help="Only these, such as content.generated,theme.analyzed.")
    ] = None,
    after: Annotated[
        str | None, typer.Option(help="The cursor behind which to begin: nothing is missed.")
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Everybody's; needs events:read-all.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="An event a line, with its cursor.")] = (
        False
    ),
) -> None:
    """Print what happens: one event a line; the last cursor stands on standard error at the end.

    With --after what happened since then, and, with --follow or without --after, what happens now.
    A gateway that restarts is waited for, and nothing is lost or told twice.

    Exit codes: 0 all was read, 130 Ctrl-C, else as `loregate write --help` has them.
    """
    screen = Screen(as_json=as_json)
    query = {"types": types or "", "all": str(everybody).lower()}
    run(screen, _events(screen, query, after, follow=follow or after is None))


async def _events(
    screen: Screen, query: Mapping[str, str], after: str | None, *, follow: bool
) -> int:
    listing = Listing(screen, after)
    async with gateway(screen.say) as client:
        try:
            while not await _listed(client, listing, query, follow=follow):
                pass  # the log was lost or has been cut: it goes on where something is left
        finally:
            if listing.known:
                screen.say(f"cursor {listing.cursor}")
    return 0


async def _listed(
    client: GatewayClient, listing: Listing, query: Mapping[str, str], *, follow: bool
) -> bool:
    """Whether it came to its end; else the cursor has expired, and another one is taken."""
    end = None if follow else await _end(client)

    def opening(cursor: str | None) -> Opening:
        known = {"after": cursor} if cursor else {}
        return Opening("GET", f"/api/v2/events?{urlencode({**query, **known})}")

    try:
        async with aclosing(client.stream(opening, after=listing.cursor)) as frames:
            while True:
                async with asyncio.timeout(None if follow else QUIET):
                    frame = await anext(frames)
                listing.take(frame.event, frame.id, frame.json())
                if end is not None and frame.id == end:
                    return True
    except TimeoutError:
        return True
    except CommandFailed as failure:
        if failure.code != "CURSOR_EXPIRED":
            raise
        listing.skip(failure.details["cursor"])
        return False


async def _end(client: GatewayClient) -> str | None:
    """The log's end now; None where only listed documents run, and quiet must do."""
    try:
        found: str = (await client.graphql(CURSOR))["eventCursor"]
    except CommandFailed as failure:
        if failure.code != "DOCUMENT_NOT_TRUSTED":
            raise
        return None
    return found


class Listing:
    """What was listed so far: `cursor` is where it goes on."""

    def __init__(self, screen: Screen, cursor: str | None) -> None:
        self._screen, self.cursor = screen, cursor
        self.known = False  # whether the gateway has said where it is
        self._seen: OrderedDict[str, None] = OrderedDict()

    def take(self, kind: str, cursor: str | None, event: Mapping[str, Any]) -> None:
        self.cursor, self.known = cursor or self.cursor, True
        if kind == "position" or event["id"] in self._seen:
            return
        self._seen[event["id"]] = None
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        if self._screen.as_json:
            self._screen.json_line({**event, "cursor": cursor})
        else:
            self._screen.line(_line(event))

    def skip(self, cursor: str) -> None:
        said = "events behind the cursor are no longer kept (CURSOR_EXPIRED); going on with the"
        self._screen.say(f"{said} oldest that is left", YELLOW)
        self.cursor = cursor


def _line(event: Mapping[str, Any]) -> str:
    """When, what, which content, and what is told of it."""
    told = (f"{k}={v}" for k, v in event.items() if k not in COMMON and v is not None)
    content = event.get("content_id") or ""
    return "  ".join([_time(event), f"{event['type']:<21}", content, *told]).rstrip()


def _time(event: Mapping[str, Any]) -> str:
    return str(event.get("occurred_at", ""))[:19]
