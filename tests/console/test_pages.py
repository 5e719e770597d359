"""Pages and their files as they are served: the headers, who gets a token, what is not there."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.console.assets import Asset
from app.console.pages import Pages
from tests.support import service
from tests.support.service import Service

PAGES = ("/console", "/graphql", "/api/v2/docs")
SESSION = "/console/session"
INDEX = "/console/static/console/index.html"
OURS = {"Sec-Fetch-Site": "same-origin"}
TAKES = {"gzip": True, "br, gzip;q=0.5": True, "gzip;q=0": False, "identity": False, "br": False}
LOOSENED = {"/graphql": {"'unsafe-inline'"}}  # of styles: GraphiQL's dialogs write one
# What would let text become a script or a style, or something be had from elsewhere.
LOOSE = ("*", "'unsafe-inline'", "'unsafe-eval'", "http:", "https:", "blob:")


@pytest.fixture
async def dev(tmp_path: Path, redis_url: str) -> AsyncIterator[Service]:
    given = service.settings(tmp_path, redis_url, dev=True)
    async with service.running(given, development_token=lambda: service.token("dev")) as found:
        yield found


async def status(found: Service, target: str) -> int:
    """Of a GET whose target goes out as it stands; a client would tidy it up."""
    address = urlsplit(found.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"GET {target} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode()
    )
    line = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    return int(line.split()[1])


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_may_load_and_ask_from_its_own_server_alone(dev: Service, path: str) -> None:
    answer = await dev.http.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(x.split(" ", 1) for x in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    loose = {x for value in policy.values() for x in value.split() if x in LOOSE}
    assert loose == LOOSENED.get(path, set())
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_has_a_token_in_it(dev: Service, path: str) -> None:
    answer = await dev.http.get(path, headers={"Accept": "text/html"})
    assert "eyJ" not in answer.text


async def test_every_file_is_served_under_the_same_headers_with_its_type(dev: Service) -> None:
    types = {"js": "text/javascript", "css": "text/css", "html": "text/html"}
    for path in Pages(console=True, graphiql=True).files:
        answer = await dev.http.get(path)
        assert answer.status_code == 200, path
        if kind := types.get(path.rpartition(".")[2]):
            assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


async def test_a_file_is_asked_about_by_its_etag(dev: Service) -> None:
    first = await dev.http.get(INDEX)
    assert first.headers["cache-control"] == "no-cache"
    again = await dev.http.get(INDEX, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = await dev.http.get(INDEX, headers={"If-None-Match": 'W/"other"'})
    assert (other.status_code, other.content) == (200, first.content)


async def test_head_is_get_without_the_body(dev: Service) -> None:
    for path in (*PAGES, INDEX):
        asked = {"Accept": "text/html"}
        got, head = [await dev.http.request(m, path, headers=asked) for m in ("GET", "HEAD")]
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length", "etag", "content-security-policy"):
            assert head.headers[name] == got.headers[name]


async def test_a_file_is_compressed_for_who_takes_gzip(tmp_path: Path) -> None:
    text = b"warlock and tiefling " * 100
    (tmp_path / "page.js").write_bytes(text)
    asset = Asset(tmp_path / "page.js")

    async def page(request: Request) -> Response:
        return await asset.response(request, {})

    app = Starlette(routes=[Route("/", page)])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as http:
        for header, packed in TAKES.items():
            async with http.stream("GET", "http://x/", headers={"Accept-Encoding": header}) as got:
                body = b"".join([part async for part in got.aiter_raw()])
            assert (got.headers.get("content-encoding") == "gzip") is packed, header
            assert (gzip.decompress(body) if packed else body) == text
            assert got.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "target",
    [
        "/console/static/../pages.py",
        "/console/static/%2e%2e/pages.py",
        "/console/static/console/../../pages.py",
        "/console/static/console/%2e%2e%2f%2e%2e%2fpages.py",
        "/console/static/console/..%5c..%5cpages.py",
        "/console/static//etc/passwd",
        "/console/static/%2fetc%2fpasswd",
        "/console/static/console/index.html%00.js",
        "/console/static/console",
        "/console/static/",
        "/console/static/console/nothing.js",
        "/console/index.html",
    ],
)
async def test_no_address_leads_out_of_the_table_of_files(dev: Service, target: str) -> None:
    assert await status(dev, INDEX) == 200
    assert await status(dev, target) == 404


async def test_a_page_of_dev_gets_a_token_that_works_and_is_kept_nowhere(dev: Service) -> None:
    answer = await dev.http.get(SESSION, headers=OURS)
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert found.keys() == {"dev", "token", "version"}
    assert found["dev"] is True
    headers = {"Authorization": f"Bearer {found['token']}"}
    body = {"query": "{ eventCursor }"}
    asked = await dev.http.post("/graphql", json=body, headers=headers)
    assert "errors" not in asked.json()


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
async def test_a_page_that_is_not_the_gateways_own_gets_no_token(
    dev: Service, site: str | None
) -> None:
    headers = {"Sec-Fetch-Site": site} if site else {}
    answer = await dev.http.get(SESSION, headers=headers)
    assert answer.status_code == 403
    assert "token" not in answer.json()


@pytest.mark.parametrize("name", ["localhost:8100", "127.0.0.1", "[::1]:8100"])
async def test_this_machines_names_get_a_token(dev: Service, name: str) -> None:
    answer = await dev.http.get(SESSION, headers={**OURS, "Host": name})
    assert answer.json()["token"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1.evil.example:8100"},
        {"Host": "localhost:8100@evil.example"},
    ],
)
async def test_who_comes_by_another_name_is_refused(dev: Service, headers: dict[str, str]) -> None:
    answer = await dev.http.get(SESSION, headers={**OURS, **headers})
    assert answer.status_code == 400
    assert "token" not in answer.json()


async def test_in_production_pages_are_off_and_nobody_gets_a_token(
    tmp_path: Path, redis_url: str
) -> None:
    given = service.settings(tmp_path, redis_url)
    async with service.running(given) as found:
        assert (await found.http.get("/console")).status_code == 404
        assert (await found.http.get(INDEX)).status_code == 404
        answer = await found.http.get(SESSION, headers=OURS)
        assert (answer.json()["dev"], answer.json()["token"]) == (False, None)


async def test_a_console_that_is_on_in_production_has_no_token(
    tmp_path: Path, redis_url: str
) -> None:
    given = service.settings(tmp_path, redis_url).model_copy(update={"console": True})
    async with service.running(given) as found:
        assert (await found.http.get("/console")).status_code == 200
        assert (await found.http.get(SESSION, headers=OURS)).json()["token"] is None


async def test_a_script_of_the_javascript_client_has_its_own_text() -> None:
    """The console uses the client's sources; none is copied."""
    client = Path(__file__).parents[2] / "clients" / "javascript" / "src"
    served = {n.rpartition("/")[2] for n in Pages(console=True).files if "/client/" in n}
    assert served == {p.name for p in client.glob("*.js")}
