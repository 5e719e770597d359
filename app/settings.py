"""Settings: everything that can be set, read once from the environment, and frozen.

A wrong value stops the start with a message that names the variable, what it was (unless it is a
secret), and what it may be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    create_model,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.config_file import (
    OPENAI_KEY,
    STORYTELLER,
    ConfigFile,
    ModelTable,
    Seconds,
    models,
    split_chain,
)
from app.errors import SettingsError


def _split(value: Any) -> Any:
    return [v.strip() for v in value.split(",") if v.strip()] if isinstance(value, str) else value


def _blank_is_unset(value: Any) -> Any:
    """`FOO=` in a compose file means that FOO is not set."""
    return None if value == "" else value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for written in value:
        try:
            ip_network(written)
        except ValueError as error:
            raise ValueError(f"addresses and networks are wanted: {error}") from None
    return value


def _metrics_address(value: Any) -> Any:
    if not isinstance(value, str) or value in ("", "open", "admin", "closed"):
        return value or None
    if ADDRESS.fullmatch(value) is None or int(value.rpartition(":")[2]) > 65_535:
        raise ValueError("open, admin or closed is wanted, or host:port")
    return value


def _http_url(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value or None
    if not value.startswith(("http://", "https://")):
        raise ValueError("http://HOST:PORT or https://HOST is wanted")
    return value


def _trusted_list(value: Any) -> Any:
    """`enforce:documents.json` as mode and place; a mode alone means a list in Redis."""
    if not isinstance(value, str):
        return value
    mode, _, where = value.strip().partition(":")
    if mode not in get_args(Mode) or (mode == "off" and where):
        raise ValueError("off, log or enforce is wanted; behind the last two also :redis or :FILE")
    return TrustedList(cast(Mode, mode), where.strip() or REDIS)


ADDRESS = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}")
Mode = Literal["off", "log", "enforce"]
REDIS = "redis"
SWITCHES = ("introspection", "graphiql", "console")  # on in `loregate dev`, off in production


@dataclass(frozen=True)
class TrustedList:
    """What becomes of documents that are not listed, and where the list is: `redis` or a path."""

    mode: Mode = "off"
    where: str = REDIS


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[Names, AfterValidator(_networks)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
Chain = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_chain)]
Switch = Annotated[bool | None, BeforeValidator(_blank_is_unset)]
OptionalText = Annotated[str | None, BeforeValidator(_blank_is_unset)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_blank_is_unset)]
OptionalURL = Annotated[str | None, BeforeValidator(_http_url)]
OptionalSeconds = Annotated[Seconds | None, BeforeValidator(_blank_is_unset)]


class Settings(BaseSettings):
    """The settings; `Settings.load()` makes them from the environment."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    host: str = Field("127.0.0.1", alias="LOREGATE_HOST")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8100, alias="LOREGATE_PORT")
    workers: Annotated[int, Field(ge=1, le=256)] = Field(1, alias="LOREGATE_WORKERS")
    replicas: Annotated[int, Field(ge=1, le=10_000)] = Field(1, alias="LOREGATE_REPLICAS")
    # Of one process, its WebSockets included.
    connections: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10_000, alias="LOREGATE_CONNECTIONS"
    )
    connections_per_address: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, alias="LOREGATE_CONNECTIONS_PER_ADDRESS"
    )
    sockets_per_user: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        100, alias="LOREGATE_SOCKETS_PER_USER"
    )
    trusted_proxies: Networks = Field((), alias="LOREGATE_TRUSTED_PROXIES")
    data_dir: Path = Field(Path(".loregate"), alias="LOREGATE_DATA_DIR")
    config: Path | None = Field(None, alias="LOREGATE_CONFIG")

    openai_api_key: OptionalSecret = Field(None, alias="OPENAI_API_KEY")
    openai_base_url: OptionalText = Field(None, alias="OPENAI_BASE_URL")
    key: Annotated[
        Annotated[SecretStr, Field(min_length=16)] | None, BeforeValidator(_blank_is_unset)
    ] = Field(None, alias="LOREGATE_KEY")
    redis_url: OptionalSecret = Field(None, alias="REDIS_URL")
    database_url: OptionalSecret = Field(None, alias="DATABASE_URL")

    jwt_secret: Secrets = Field((), alias="LOREGATE_JWT_SECRET")
    jwt_public_key: Names = Field((), alias="LOREGATE_JWT_PUBLIC_KEY")
    jwt_jwks_url: OptionalText = Field(None, alias="LOREGATE_JWT_JWKS_URL")
    jwt_private_key: OptionalSecret = Field(None, alias="LOREGATE_JWT_PRIVATE_KEY")
    jwt_algorithms: Annotated[
        tuple[Literal["HS256", "RS256", "ES256", "EdDSA"], ...], NoDecode, BeforeValidator(_split)
    ] = Field((), alias="LOREGATE_JWT_ALGORITHMS")
    jwt_issuer: OptionalText = Field(None, alias="LOREGATE_JWT_ISSUER")
    jwt_audience: OptionalText = Field(None, alias="LOREGATE_JWT_AUDIENCE")

    token_lifetime: Annotated[
        Annotated[float, Field(ge=60, le=31_536_000)] | None, BeforeValidator(_blank_is_unset)
    ] = Field(None, alias="LOREGATE_TOKEN_LIFETIME")

    fallback: Chain = Field(
        ("gpt-4-turbo", "gpt-3.5-turbo", STORYTELLER), alias="LOREGATE_FALLBACK"
    )
    # None: by the model's profile.
    model_timeout: OptionalSeconds = Field(None, alias="LOREGATE_MODEL_TIMEOUT")
    first_token_timeout: OptionalSeconds = Field(None, alias="LOREGATE_FIRST_TOKEN_TIMEOUT")
    stall_timeout: OptionalSeconds = Field(None, alias="LOREGATE_STALL_TIMEOUT")
    connect_timeout: Seconds = Field(3.0, alias="LOREGATE_CONNECT_TIMEOUT")

    cache_ttl: Annotated[float, Field(ge=0, le=2_592_000)] = Field(
        3600.0, alias="LOREGATE_CACHE_TTL"
    )
    event_retention: Annotated[float, Field(ge=60, le=31_536_000)] = Field(
        86_400.0, alias="LOREGATE_EVENT_RETENTION"
    )
    # Bytes of Redis; with transcripts, half as much as the cache, and what runs they fit 512 MB.
    event_bytes: Annotated[int, Field(ge=1_000_000)] = Field(
        128_000_000, alias="LOREGATE_EVENT_BYTES"
    )
    cache_bytes: Annotated[int, Field(ge=1_000_000)] = Field(
        128_000_000, alias="LOREGATE_CACHE_BYTES"
    )
    event_partitions: Annotated[int, Field(ge=1, le=64)] = Field(
        1, alias="LOREGATE_EVENT_PARTITIONS"
    )

    cors_origins: Names = Field((), alias="LOREGATE_CORS_ORIGINS")
    allowed_hosts: Names = Field((), alias="LOREGATE_ALLOWED_HOSTS")
    # open, admin (behind gateway:admin), closed, or a listener of its own at host:port.
    metrics_address: Annotated[str | None, BeforeValidator(_metrics_address)] = Field(
        None, alias="LOREGATE_METRICS_ADDRESS"
    )
    introspection: Switch = Field(None, alias="LOREGATE_INTROSPECTION")
    graphiql: Switch = Field(None, alias="LOREGATE_GRAPHIQL")
    console: Switch = Field(None, alias="LOREGATE_CONSOLE")

    documents: Annotated[TrustedList, NoDecode, BeforeValidator(_trusted_list)] = Field(
        TrustedList(), alias="LOREGATE_DOCUMENTS"
    )
    # Fifty root fields of the costliest operation, or a page of 50 contents with all that can
    # stand in them: 14,000 each.
    max_cost: Annotated[int, Field(ge=1, le=10_000_000)] = Field(20_000, alias="LOREGATE_MAX_COST")
    compiled_documents: bool = Field(True, alias="LOREGATE_COMPILED_DOCUMENTS")

    # Requests a minute from one address without a good token; 0: no bound.
    anonymous_limit: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        300, alias="LOREGATE_ANONYMOUS_LIMIT"
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", alias="LOREGATE_LOG_LEVEL"
    )
    log_format: Annotated[Literal["console", "json"] | None, BeforeValidator(_blank_is_unset)] = (
        Field(None, alias="LOREGATE_LOG_FORMAT")
    )

    # OpenTelemetry's own names; what else it has, its SDK reads from the environment itself.
    otlp_endpoint: OptionalURL = Field(None, alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    otlp_traces_endpoint: OptionalURL = Field(None, alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    otlp_protocol: Literal["http/protobuf", ""] = Field("", alias="OTEL_EXPORTER_OTLP_PROTOCOL")
    traces_exporter: Literal["otlp", "none", ""] = Field("", alias="OTEL_TRACES_EXPORTER")
    otel_disabled: bool = Field(False, alias="OTEL_SDK_DISABLED")
    trace_texts: bool = Field(False, alias="LOREGATE_TRACE_TEXTS")
    # Traces a second that one process records because their callers wish it.
    caller_traces: Annotated[float, Field(ge=0, le=1_000_000)] = Field(
        10.0, alias="LOREGATE_CALLER_TRACES"
    )

    file: ConfigFile = ConfigFile()
    model_keys: dict[str, SecretStr] = Field(default_factory=dict)  # by their variable's name
    _dev: bool = PrivateAttr(default=False)  # no field: the environment cannot set it

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @classmethod
    def load(cls, *, dev: bool = False, env_file: Path | None = None, **given: Any) -> Settings:
        """The settings from the environment; `given` overrides it by field name.

        Raises:
            SettingsError: naming each wrong variable, what it was, and what it may be.
        """
        try:
            found = cls(_env_file=env_file, **given)
        except ValidationError as error:
            raise SettingsError("\n".join(_explain(e, cls) for e in error.errors())) from None
        if found.metrics_address is None:
            found = found.model_copy(update={"metrics_address": "open" if dev else "closed"})
        switches = {name: dev for name in SWITCHES if getattr(found, name) is None}
        file = ConfigFile.read(found.config) if found.config else found.file
        _check_chain(found, file)
        found._dev = dev
        return found.model_copy(
            update={
                **switches,
                "file": file,
                "fallback": file.fallback or found.fallback,
                "model_keys": _keys(models(file.models), env_file),
            }
        )

    @property
    def dev(self) -> bool:
        """Whether they are those of `loregate dev`."""
        return self._dev

    @property
    def traces_endpoint(self) -> str | None:
        """Where spans are posted; None where traces are off."""
        if self.otel_disabled or self.traces_exporter == "none":
            return None
        base = f"{self.otlp_endpoint.removesuffix('/')}/v1/traces" if self.otlp_endpoint else None
        return self.otlp_traces_endpoint or base

    @property
    def models(self) -> tuple[ModelTable, ...]:
        """The default models, with the configured rows over them."""
        return models(self.file.models)

    @property
    def database(self) -> str:
        """The database's URL; SQLite in the data directory unless set."""
        if self.database_url:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.data_dir.absolute() / 'loregate.db'}"


def _keys(rows: tuple[ModelTable, ...], env_file: Path | None) -> dict[str, SecretStr]:
    """The models' keys from the variables that the models table names."""
    names = {m.key_name or OPENAI_KEY for m in rows}
    fields: Any = {name: (OptionalSecret, Field(None, alias=name)) for name in names}
    keys = create_model("Keys", __base__=_Keys, **fields)(_env_file=env_file)
    return {n: v for n in names if (v := getattr(keys, n)) is not None}


def _check_chain(found: Settings, file: ConfigFile) -> None:
    """Raises `SettingsError` for a chain that was given and names what is no model."""
    given = "fallback" in found.model_fields_set
    where, chain = "LOREGATE_FALLBACK", found.fallback if given else ()
    if file.fallback is not None:
        where, chain = f"{found.config}: fallback", file.fallback
    known = [*(m.name for m in models(file.models)), STORYTELLER]
    if unknown := [name for name in chain if name not in known]:
        raise SettingsError(f"{where} names {', '.join(unknown)}; it may be {', '.join(known)}")


class _Keys(BaseSettings):
    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)


def _explain(error: Any, settings: type[BaseSettings]) -> str:
    """One wrong variable in one line: its name, what it was unless secret, what it may be."""
    name = str(error["loc"][0])
    field = next((f for n, f in settings.model_fields.items() if name in (n, f.alias)), None)
    secret = field is not None and "Secret" in str(field.annotation)
    was = "" if secret else f" is {error['input']!r}:"
    said = error["msg"].removeprefix("Value error, ")
    return f"{field.alias if field and field.alias else name}{was} {said}"
