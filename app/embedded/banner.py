"""What `loregate dev` prints: where it is, a token, and requests ready to paste."""

from __future__ import annotations

GRAPHQL_BODY = """\
{{"query": "mutation Write($input: GenerateCharacterContentInput!) {{ \
generateCharacterContent(input: $input) {{ content {{ contentId text \
metadata {{ modelUsed degraded }} }} rateLimit {{ scope remaining }} }} }}", \
"variables": {{"input": {{"type": "BACKSTORY", "characterContext": {{"characterClass": \
"warlock", "characterRace": "tiefling", "characterLevel": 5}}}}}}}}"""

REST_BODY = """\
{{"type": "backstory", "character_context": {{"character_class": "warlock", \
"character_race": "tiefling", "character_level": 5}}, "theme": {{"tone": "ominous"}}}}"""

SUBSCRIBE = """\
{{"type":"subscribe","id":"1","payload":\
{{"query":"subscription {{ events {{ type cursor contentId }} }}"}}}}"""

# What stands at the address, and below which path; the console first, for it shows the rest.
CONSOLE = ("console", "/console", "write, watch it happen, see limits, models and events")
GRAPHQL = ("GraphQL", "/graphql", "")
GRAPHIQL = ("GraphQL", "/graphql", "GraphiQL in a browser, with an example for everything")
OTHERS = (
    ("REST", "/api/v2/docs", "every route, to read and to try"),
    ("health", "/health", ""),
)

STREAM = """
Its Valkey, for services that read the event stream:

export REDIS_URL={valkey}
"""

REQUESTS = """
A token with every permission, for a day:

export TOKEN={token}

GraphQL:

curl -s {url}/graphql -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -d '{graphql}'

REST:

curl -s {url}/api/v2/text/character -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' \\
  -d '{rest}'

Events, as they happen (websocat; any graphql-transport-ws client will do):

(printf '%s\\n' '{{"type":"connection_init","payload":{{"authorization":"'$TOKEN'"}}}}' \\
  '{subscribe}'; \\
  cat) | websocat --protocol graphql-transport-ws {socket}/graphql
"""

FAULTY = """
The models' answers are FAULTY ON PURPOSE (--faulty): about two in five are good; the others come
late, cut, wrong, refused or not at all, each kind some time. `metadata.attempts` of an answer says
which models were asked and how each attempt ended; the log names the fault that was served.
"""


def text(
    url: str,
    token: str | None,
    *,
    console: bool = True,
    graphiql: bool = True,
    valkey: str | None = None,
    faulty: bool = False,
) -> str:
    """The whole of it; without a token (somebody else signs them) only where it is.

    console, graphiql: whether these pages are on.
    valkey: the URL of the embedded server; None where another one is used, whose URL may be secret.
    """
    shown = _places(url, console=console, graphiql=graphiql) + (FAULTY if faulty else "")
    if token is not None:
        shown += REQUESTS.format(
            url=url,
            token=token,
            socket=url.replace("http", "ws", 1),
            graphql=GRAPHQL_BODY.format(),
            rest=REST_BODY.format(),
            subscribe=SUBSCRIBE.format(),
        )
    return shown + (STREAM.format(valkey=valkey) if valkey else "")


def _places(url: str, *, console: bool, graphiql: bool) -> str:
    places = [*([CONSOLE] if console else []), GRAPHIQL if graphiql else GRAPHQL, *OTHERS]
    width = max(len(url + path) for _, path, _ in places)
    lines = [f"  {name:<9} {url + path:<{width}}  {told}".rstrip() for name, path, told in places]
    return "\n".join(["", f"Loregate is at {url}", "", *lines, ""])
