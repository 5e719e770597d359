"""Settings: each variable read, each wrong value named, no secret shown; and what a file sets."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.config_file import DEFAULT_MODELS, ModelTable
from app.errors import SettingsError
from app.main import wire
from app.observe.traffic import Traffic
from app.settings import Settings, TrustedList

SECRET = "hunter2-hunter2-hunter2-hunter2!"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours is set, and the working directory is empty."""
    for field in Settings.model_fields.values():
        if field.alias:
            monkeypatch.delenv(field.alias, raising=False)
    monkeypatch.chdir(tmp_path)


def opened(value: Any) -> Any:
    """A value with its secrets opened."""
    if isinstance(value, tuple):
        return tuple(opened(item) for item in value)
    return value.get_secret_value() if isinstance(value, SecretStr) else value


READ: list[tuple[str, str, str, Any]] = [
    ("LOREGATE_HOST", "::1", "host", "::1"),
    ("LOREGATE_PORT", "9000", "port", 9000),
    ("LOREGATE_WORKERS", "4", "workers", 4),
    ("LOREGATE_REPLICAS", "3", "replicas", 3),
    ("LOREGATE_CONNECTIONS", "500", "connections", 500),
    ("LOREGATE_CONNECTIONS_PER_ADDRESS", "50", "connections_per_address", 50),
    ("LOREGATE_SOCKETS_PER_USER", "7", "sockets_per_user", 7),
    (
        "LOREGATE_TRUSTED_PROXIES",
        "10.0.0.1, fd00::/8",
        "trusted_proxies",
        ("10.0.0.1", "fd00::/8"),
    ),
    ("LOREGATE_DATA_DIR", "kept", "data_dir", Path("kept")),
    ("OPENAI_API_KEY", SECRET, "openai_api_key", SECRET),
    (
        "OPENAI_BASE_URL",
        "http://localhost:11434/v1",
        "openai_base_url",
        "http://localhost:11434/v1",
    ),
    ("LOREGATE_KEY", SECRET, "key", SECRET),
    ("REDIS_URL", "redis://:pw@host", "redis_url", "redis://:pw@host"),
    ("DATABASE_URL", "sqlite+aiosqlite:///x", "database_url", "sqlite+aiosqlite:///x"),
    ("LOREGATE_JWT_SECRET", "one, two", "jwt_secret", ("one", "two")),
    ("LOREGATE_JWT_PUBLIC_KEY", "a.pem,b.pem", "jwt_public_key", ("a.pem", "b.pem")),
    ("LOREGATE_JWT_JWKS_URL", "https://auth/jwks", "jwt_jwks_url", "https://auth/jwks"),
    ("LOREGATE_JWT_PRIVATE_KEY", "key.pem", "jwt_private_key", "key.pem"),
    ("LOREGATE_JWT_ALGORITHMS", "RS256,EdDSA", "jwt_algorithms", ("RS256", "EdDSA")),
    ("LOREGATE_JWT_ISSUER", "auth", "jwt_issuer", "auth"),
    ("LOREGATE_JWT_AUDIENCE", "lore", "jwt_audience", "lore"),
    ("LOREGATE_TOKEN_LIFETIME", "7200", "token_lifetime", 7200.0),
    (
        "LOREGATE_FALLBACK",
        "gpt-3.5-turbo > storyteller",
        "fallback",
        ("gpt-3.5-turbo", "storyteller"),
    ),
    ("LOREGATE_MODEL_TIMEOUT", "7.5", "model_timeout", 7.5),
    ("LOREGATE_FIRST_TOKEN_TIMEOUT", "2.5", "first_token_timeout", 2.5),
    ("LOREGATE_STALL_TIMEOUT", "1.5", "stall_timeout", 1.5),
    ("LOREGATE_CONNECT_TIMEOUT", "1", "connect_timeout", 1.0),
    ("LOREGATE_CACHE_TTL", "0", "cache_ttl", 0.0),
    ("LOREGATE_EVENT_RETENTION", "3600", "event_retention", 3600.0),
    ("LOREGATE_EVENT_PARTITIONS", "8", "event_partitions", 8),
    ("LOREGATE_EVENT_BYTES", "5000000", "event_bytes", 5_000_000),
    ("LOREGATE_CACHE_BYTES", "5000000", "cache_bytes", 5_000_000),
    ("LOREGATE_ALLOWED_HOSTS", "a,*.b", "allowed_hosts", ("a", "*.b")),
    ("LOREGATE_METRICS_ADDRESS", "0.0.0.0:9100", "metrics_address", "0.0.0.0:9100"),
    ("LOREGATE_CORS_ORIGINS", "https://a,https://b", "cors_origins", ("https://a", "https://b")),
    ("LOREGATE_INTROSPECTION", "on", "introspection", True),
    ("LOREGATE_GRAPHIQL", "1", "graphiql", True),
    ("LOREGATE_CONSOLE", "1", "console", True),
    ("LOREGATE_DOCUMENTS", "log:a:b.json", "documents", TrustedList("log", "a:b.json")),
    ("LOREGATE_MAX_COST", "500", "max_cost", 500),
    ("LOREGATE_COMPILED_DOCUMENTS", "0", "compiled_documents", False),
    ("LOREGATE_ANONYMOUS_LIMIT", "0", "anonymous_limit", 0),
    ("LOREGATE_LOG_LEVEL", "WARNING", "log_level", "warning"),
    ("LOREGATE_LOG_FORMAT", "json", "log_format", "json"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4318", "otlp_endpoint", "http://otel:4318"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "https://otel/spans",
        "otlp_traces_endpoint",
        "https://otel/spans",
    ),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "otlp_protocol", "http/protobuf"),
    ("OTEL_TRACES_EXPORTER", "none", "traces_exporter", "none"),
    ("OTEL_SDK_DISABLED", "true", "otel_disabled", True),
    ("LOREGATE_TRACE_TEXTS", "on", "trace_texts", True),
    ("LOREGATE_CALLER_TRACES", "2.5", "caller_traces", 2.5),
]


@pytest.mark.parametrize(("variable", "value", "field", "meant"), READ, ids=[r[0] for r in READ])
def test_a_variable_is_read_and_an_empty_one_is_unset(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str, meant: Any
) -> None:
    unset = getattr(Settings.load(), field)
    monkeypatch.setenv(variable, "")
    assert getattr(Settings.load(), field) == unset
    monkeypatch.setenv(variable, value)
    assert opened(getattr(Settings.load(), field)) == meant
    assert unset != meant


def test_every_variable_stands_in_this_table() -> None:
    variables = {f.alias for f in Settings.model_fields.values() if f.alias}
    assert variables - {"LOREGATE_CONFIG"} == {row[0] for row in READ}


def test_the_defaults_are_those_of_the_contract() -> None:
    found = Settings.load()
    assert (found.host, found.port, found.workers) == ("127.0.0.1", 8100, 1)
    assert found.fallback == ("gpt-4-turbo", "gpt-3.5-turbo", "storyteller")
    assert [(m.name, m.upstream_name) for m in found.models] == [
        ("gpt-4-turbo", "gpt-6.1-terra"),
        ("gpt-3.5-turbo", "gpt-6-luna"),
        *((name, name) for name in ("gpt-6.1-terra", "gpt-6-luna", "gpt-6-sol")),
    ]
    assert all(m.input_price and m.output_price and m.context_size for m in found.models)
    assert (found.model_timeout, found.first_token_timeout, found.connect_timeout) == (
        None,
        None,
        3,
    )
    assert (found.event_retention, found.event_partitions) == (86_400, 1)
    assert found.database == f"sqlite+aiosqlite:///{Path.cwd()}/.loregate/loregate.db"
    assert (found.cache_ttl, found.file.cache) == (3600, {})
    assert (found.introspection, found.graphiql, found.console) == (False, False, False)
    development = Settings.load(dev=True)
    assert (development.introspection, development.graphiql, development.console) == (True,) * 3


WRONG = [
    ("LOREGATE_CONNECTIONS", "0", "greater than or equal to 1"),
    ("LOREGATE_TRUSTED_PROXIES", "proxy.example", "addresses and networks are wanted"),
    ("LOREGATE_TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
    ("LOREGATE_PORT", "http", "integer"),
    ("LOREGATE_PORT", "70000", "65535"),
    ("LOREGATE_WORKERS", "0", "greater than or equal to 1"),
    ("LOREGATE_REPLICAS", "-1", "greater than or equal to 1"),
    ("LOREGATE_JWT_ALGORITHMS", "none", "'HS256', 'RS256', 'ES256' or 'EdDSA'"),
    (
        "LOREGATE_FALLBACK",
        "gpt-9>storyteller",
        "gpt-6-luna, gpt-6-sol, storyteller",
    ),
    ("LOREGATE_MODEL_TIMEOUT", "0", "greater than 0"),
    ("LOREGATE_METRICS_ADDRESS", "nowhere", "open, admin or closed is wanted, or host:port"),
    ("LOREGATE_METRICS_ADDRESS", "a:70000", "host:port"),
    ("LOREGATE_TOKEN_LIFETIME", "5", "greater than or equal to 60"),
    ("LOREGATE_EVENT_RETENTION", "1", "greater than or equal to 60"),
    ("LOREGATE_EVENT_PARTITIONS", "65", "less than or equal to 64"),
    ("LOREGATE_INTROSPECTION", "maybe", "boolean"),
    ("LOREGATE_DOCUMENTS", "documents.json", "off, log or enforce is wanted"),
    ("LOREGATE_DOCUMENTS", "off:redis", "off, log or enforce is wanted"),
    ("LOREGATE_MAX_COST", "0", "greater than or equal to 1"),
    ("LOREGATE_COMPILED_DOCUMENTS", "maybe", "boolean"),
    ("LOREGATE_ANONYMOUS_LIMIT", "-1", "greater than or equal to 0"),
    ("LOREGATE_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
    ("LOREGATE_LOG_FORMAT", "xml", "'console' or 'json'"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel:4318", "http://HOST:PORT or https://HOST is wanted"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "'http/protobuf'"),
    ("LOREGATE_CALLER_TRACES", "-1", "greater than or equal to 0"),
]


@pytest.mark.parametrize(("variable", "value", "may"), WRONG)
def test_a_wrong_value_is_named_with_what_it_was_and_what_it_may_be(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, may: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    (line,) = str(refused.value).splitlines()
    assert line.startswith(variable)
    assert value.partition(">")[0] in line
    assert may in line


def test_traces_go_where_the_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp"""
    assert Settings.load().traces_endpoint is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4318/base/")
    assert Settings.load().traces_endpoint == "http://otel:4318/base/v1/traces"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other/as/it/is")
    assert Settings.load().traces_endpoint == "http://other/as/it/is"
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert Settings.load().traces_endpoint is None
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert Settings.load().traces_endpoint is None


def test_every_wrong_value_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in (("LOREGATE_PORT", "x"), ("LOREGATE_WORKERS", "0")):
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert len(str(refused.value).splitlines()) == 2


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, _, field, _ in READ:
        if "Secret" in str(Settings.model_fields[field].annotation):
            monkeypatch.setenv(variable, SECRET)
    found = Settings.load()
    for shown in (repr(found), str(found), str(found.model_dump()), found.model_dump_json()):
        assert SECRET not in shown
    assert opened(found.jwt_secret) == (SECRET,)
    monkeypatch.setenv("LOREGATE_PORT", "x")
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_a_dotenv_file_is_read_only_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"LOREGATE_PORT=9001\nOPENAI_API_KEY={SECRET}\nOTHER=1\n")
    assert Settings.load().port == 8100
    assert Settings.load().model_keys == {}
    found = Settings.load(dev=True, env_file=Path(".env"))
    assert found.port == 9001
    assert opened(found.model_keys["OPENAI_API_KEY"]) == SECRET
    monkeypatch.setenv("LOREGATE_PORT", "9002")
    assert Settings.load(env_file=Path(".env")).port == 9002, "the environment comes first"


# -- the file
def configured(tmp_path: Path, text: str, **given: Any) -> Settings:
    file = tmp_path / "loregate.toml"
    file.write_text(text)
    return Settings.load(config=file, **given)


def test_a_file_names_models_with_their_own_url_key_and_prices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LLAMA_KEY", SECRET)
    found = configured(
        tmp_path,
        """
        fallback = ["llama", "storyteller"]
        [[models]]
        name = "llama"
        url = "http://localhost:11434/v1"
        key_variable = "LLAMA_KEY"
        upstream = "llama3:70b"
        input_price = 0.1
        context_size = 8192
        max_tokens = 9000
        """,
    )
    assert found.fallback == ("llama", "storyteller")
    assert opened(found.model_keys["LLAMA_KEY"]) == SECRET
    assert SECRET not in repr(found)
    assert found.models == (
        *DEFAULT_MODELS,
        ModelTable(
            name="llama",
            url="http://localhost:11434/v1",
            key_variable="LLAMA_KEY",
            upstream="llama3:70b",
            input_price=0.1,
            context_size=8192,
            max_tokens=9000,
        ),
    )


def row(tmp_path: Path, name: str, text: str) -> ModelTable:
    found = configured(tmp_path, f"[[models]]\nname = '{name}'\n{text}")
    return next(m for m in found.models if m.name == name)


def test_a_row_goes_over_the_default_one_of_its_name(tmp_path: Path) -> None:
    found = row(tmp_path, "gpt-4-turbo", "max_tokens = 9000\noutput_price = 4")
    assert (found.upstream, found.max_tokens) == ("gpt-6.1-terra", 9000)
    assert (found.input_price, found.output_price) == (1, 4)


def test_a_row_for_another_model_has_none_of_the_defaults_prices(tmp_path: Path) -> None:
    elsewhere = row(tmp_path, "gpt-4-turbo", "url = 'http://localhost:11434/v1'")
    assert (elsewhere.input_price, elsewhere.context_size) == (None, None)
    other = row(tmp_path, "gpt-4-turbo", "upstream = 'gpt-7'\ninput_price = 3")
    assert (other.input_price, other.output_price) == (3, None)


def test_a_row_has_the_prices_of_a_known_upstream_that_it_names(tmp_path: Path) -> None:
    for name in ("gpt-4-turbo", "finest"):
        found = row(tmp_path, name, "upstream = 'gpt-6-sol'")
        assert (found.input_price, found.output_price) == (2, 10)


def test_openais_key_goes_to_no_other_address_unless_it_is_named(tmp_path: Path) -> None:
    url = "url = 'http://localhost:1/v1'"
    assert row(tmp_path, "here", url).key_name is None
    assert row(tmp_path, "here", f"{url}\nkey_variable = 'OPENAI_API_KEY'").key_name
    assert row(tmp_path, "there", "").key_name == "OPENAI_API_KEY"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits = ", "no TOML"),
        ("[[limits]]\ntarget = 'everything'\nmax = 1", "limits.0.target"),
        ("[[limits]]\ntarget = 'user'\nmax = 0", "limits.0.max"),
        ("[[limits]]\ntarget = 'user'\nmax = 5\nper = 'table'", "limits.0.per"),
        ("[tiers]\nfree = 0", "tiers.free"),
        ("[[models]]\nname = 'a b'", "models.0.name"),
        ("[[models]]\nname = 'a'\nprice = 3", "models.0.price"),
        ("[[models]]\nname = 'storyteller'", "models.0.name"),
        ("[[models]]\nname = 'a'\n[[models]]\nname = 'a'", "models"),
        ("fallback = ['nobody']", "nobody"),
        ("cache = 5", "cache"),
    ],
)
def test_a_wrong_file_is_named_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        configured(tmp_path, text)
    assert said in str(refused.value)
    assert "loregate.toml" in str(refused.value)


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOREGATE_CONFIG", "absent.toml")
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert str(refused.value).startswith("LOREGATE_CONFIG is 'absent.toml', which cannot be read")


def test_a_start_without_redis_or_keys_says_which_variable_is_missing() -> None:
    with pytest.raises(SettingsError, match="REDIS_URL"):
        wire(Settings.load(), Traffic())
    with pytest.raises(SettingsError, match="LOREGATE_JWT_SECRET"):
        wire(Settings.load(redis_url=SecretStr("unix:///nobody.sock")), Traffic())
