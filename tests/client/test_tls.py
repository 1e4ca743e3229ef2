"""Encryption and tokens, against the real server."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.support.server_process import ended, server_process, settings_file, start_script


async def certificate(folder: Path) -> tuple[Path, Path]:
    """Returns a new certificate for 127.0.0.1, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not there to make a certificate")
    made, key = folder / "server.pem", folder / "server.key"
    process = await asyncio.create_subprocess_exec(
        openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-out", str(made), "-keyout", str(key),
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == 0
    return made, key


async def test_a_token_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, key = await certificate(tmp_path)
    settings = settings_file(tmp_path)
    settings.write_text(
        f'{settings.read_text()}\n[tls]\ncertificate = "{made}"\nkey = "{key}"\n'
        '[auth]\ntokens_env = "LEAGUE_TOKENS"\n'
    )
    monkeypatch.setenv("LEAGUE_TOKENS", "good")
    async with server_process(settings) as server:
        common = ("list", "--server", server.address)

        async def listing(*more: str, word: str) -> tuple[int | None, str]:
            process = await start_script(
                "runs", *common, *more, cwd=tmp_path, environment={"LLM_CROWDSOURCED_TOKEN": word}
            )
            done = await ended(process)
            assert "Traceback" not in done.err
            return done.status, done.err

        right, wrong, none, plain, missing = await asyncio.gather(
            listing("--ca", str(made), word="good"),
            listing("--ca", str(made), word="bad"),
            listing("--ca", str(made), word=""),
            listing(word="good"),
            listing("--ca", str(tmp_path / "none.pem"), word="good"),
        )

    assert right[0] == 0, right
    for status, err in (wrong, none):
        assert status == 1
        assert "export LLM_CROWDSOURCED_TOKEN=" in err
    assert plain[0] == 1
    assert f"No server answers at {server.address}" in plain[1]
    assert missing[0] == 2
    assert "none.pem cannot be read" in missing[1]
