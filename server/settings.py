"""The server's settings: one TOML file, frozen records, unknown keys refused.

Nothing is read at import. The environment carries secrets only, in variables
that the file names.
"""

import ipaddress
import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

PROJECT = Path(__file__).resolve().parents[1]


class SettingsError(Exception):
    """The settings cannot be used; the message names file, key and cure."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(_Record):
    """Address, database and limits of the process."""

    address: str = "127.0.0.1:50051"
    database: Path = Path("data/league.duckdb")
    grace_s: float = Field(default=30.0, ge=0, le=3600)
    max_playing_runs: int = Field(default=4, ge=1, le=1000)
    max_waiting_runs: int = Field(default=200, ge=1, le=100_000)
    max_open_streams: int = Field(default=2000, ge=1, le=1_000_000)


class ModelSettings(_Record):
    """What is known of one model of a provider; prices are US dollars a million tokens."""

    stream: bool | None = None
    prompt_usd_per_million: float | None = Field(default=None, ge=0)
    cached_usd_per_million: float | None = Field(default=None, ge=0)
    completion_usd_per_million: float | None = Field(default=None, ge=0)


class ProviderSettings(_Record):
    """An endpoint that serves models.

    Attributes:
        kind: `openai` for any endpoint with that chat API, `local` for the
            models that this machine serves.
        base_url: Address of the API, up to and with `/v1`.
        api_key_env: Environment variable that holds the key; empty if the
            endpoint needs none.
        max_concurrent_calls: Calls under way at once.
        requests_per_minute: Limit; none if unset.
        tokens_per_minute: Limit, prompt and completion together; none if unset.
        stream: Whether replies are streamed, so that a stall is seen at once.
        timeout_s: Seconds that one call may take in all.
        stall_s: Seconds without a byte after which a streamed call is given up.
        max_retries: Attempts beyond the first where a retry may help.
        backoff_s: Seconds before the first retry, at most; twice as many before
            each further one, up to a minute.
        bounded_schemas: The endpoint takes bounds of strings and numbers in a
            JSON schema.
        models: What is known of single models, by name.
    """

    kind: Literal["openai", "local"] = "openai"
    base_url: str = ""
    api_key_env: str = ""
    max_concurrent_calls: int = Field(default=16, ge=1, le=2000)
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    stream: bool = True
    timeout_s: float = Field(default=600.0, gt=0)
    stall_s: float = Field(default=180.0, gt=0)
    max_retries: int = Field(default=5, ge=0, le=20)
    backoff_s: float = Field(default=1.0, ge=0, le=60)
    bounded_schemas: bool = False
    models: dict[str, ModelSettings] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_address(self) -> Self:
        if self.kind == "openai" and not self.base_url.startswith(("http://", "https://")):
            raise ValueError("base_url must be an http:// or https:// address")
        if "@" in self.base_url or "?" in self.base_url:
            raise ValueError("base_url must hold no secret; name a variable in api_key_env")
        return self


class LocalSettings(_Record):
    """How the models that this machine serves are had."""

    cache: Path = Path("~/.cache/llm-crowdsourced")
    hub: str = "https://huggingface.co"
    threads: int = Field(default=1, ge=1, le=256)


class SandboxSettings(_Record):
    """How programs are run, and the most that a request may ask for.

    Attributes:
        enabled: Whether programs are run at all.
        docker_host: Address of the Docker daemon; empty for the environment's default.
        image: Image of the containers; empty for that of this version of the program.
        concurrency: Programs that run at once; 0 for one a core.
        pool_size: Containers kept ready; as many as run at once if unset.
        max_waiting: Programs that may wait before more are refused.
        runtime: Runtime of the containers; empty for the daemon's default.
        max_cpu_s: CPU seconds of a case.
        max_wall_s: Seconds of a case by the clock.
        max_memory_mib: Memory of a case.
        max_output_mib: What a case may print.
        max_processes: Processes and threads of a case.
    """

    enabled: bool = True
    docker_host: str = ""
    image: str = ""
    concurrency: int = Field(default=0, ge=0, le=1000)
    pool_size: int | None = Field(default=None, ge=0, le=1000)
    max_waiting: int = Field(default=256, ge=0, le=100_000)
    runtime: Literal["", "runsc"] = ""
    max_cpu_s: float = Field(default=60.0, gt=0, le=3600)
    max_wall_s: float = Field(default=300.0, gt=0, le=3600)
    max_memory_mib: int = Field(default=2048, ge=16, le=1 << 20)
    # A case's result travels in one message.
    max_output_mib: int = Field(default=16, ge=1, le=16)
    # A container has room for so many, and no setting gives it more.
    max_processes: int = Field(default=256, ge=1, le=256)


class TlsSettings(_Record):
    """Files of the server's certificate chain and key, PEM."""

    certificate: Path
    key: Path


class AuthSettings(_Record):
    """Variable that holds the tokens that clients may use, separated by commas."""

    tokens_env: str


class Settings(_Record):
    """All of it."""

    server: ServerSettings = ServerSettings()
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    local: LocalSettings = LocalSettings()
    sandbox: SandboxSettings = SandboxSettings()
    tls: TlsSettings | None = None
    auth: AuthSettings | None = None


def load_settings(path: Path | None = None) -> Settings:
    """Reads the settings.

    Args:
        path: The file; the one that comes with the server if `None`.

    Raises:
        SettingsError: The file cannot be read, or a key is wrong or unknown.
    """
    name = str(path) if path is not None else "server/settings.toml"
    try:
        if path is None:
            text = resources.files("server").joinpath("settings.toml").read_text("utf-8")
        else:
            text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name} cannot be read: {error}") from error
    try:
        return Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name} is not valid TOML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()
        )
        raise SettingsError(f"{name}: {problems}") from error


def resolve(path: Path) -> Path:
    """Returns the path, taken from the project's folder if it is not absolute."""
    path = path.expanduser()
    return path if path.is_absolute() else PROJECT / path


def is_loopback(address: str) -> bool:
    """Says whether a `HOST:PORT` can be reached from this machine alone."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tokens(settings: Settings) -> frozenset[str]:
    """Returns the tokens that clients may use; empty if none are asked for.

    Raises:
        SettingsError: The variable that the settings name holds none.
    """
    if settings.auth is None:
        return frozenset()
    value = os.environ.get(settings.auth.tokens_env, "")
    found = frozenset(part.strip() for part in value.split(",") if part.strip())
    if not found:
        raise SettingsError(
            f"auth.tokens_env names {settings.auth.tokens_env}, which holds no token: "
            f"export {settings.auth.tokens_env}=TOKEN[,TOKEN...]"
        )
    return found


def check_address(settings: Settings) -> None:
    """Refuses to listen to other machines without encryption and tokens.

    Raises:
        SettingsError: The address is not loopback, and [tls] or [auth] is missing.
    """
    address = settings.server.address
    if is_loopback(address):
        return
    missing = [name for name in ("tls", "auth") if getattr(settings, name) is None]
    if missing:
        raise SettingsError(
            f"server.address {address} can be reached by other machines, which needs "
            f"[{'] and ['.join(missing)}] in the settings; or listen on 127.0.0.1"
        )
