"""nginx with the configuration that is delivered, in front of a server of the tests."""

from __future__ import annotations

import contextlib
import datetime
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.waiting import until

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "proxy" / "nginx.conf"
NAME = "loregate.example.org"


@dataclass(frozen=True)
class Proxy:
    port: int
    certificate: Path
    log: Path

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def program() -> str:
    """nginx, or the test is skipped."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        pytest.skip("NO NGINX: its configuration is not tried; apt-get install nginx-light")
    return found


def configuration(directory: Path, upstream: int, port: int, plain_port: int) -> str:
    """The delivered one, with this machine's ports and places in it."""
    text = CONFIGURATION.read_text()
    for old, new in (
        (r"listen \[::\]:\d+[^;]*;", ""),
        (r"listen 443 ", f"listen 127.0.0.1:{port} "),
        (r"listen 80;", f"listen 127.0.0.1:{plain_port};"),
        (r"127\.0\.0\.1:8100", f"127.0.0.1:{upstream}"),
        (r"/etc/nginx/tls|/var/log/nginx|/run", str(directory)),
        (r"worker_processes auto;", "worker_processes 1; daemon off;"),
        (r"http \{", "http {" + "".join(
            f"\n    {kind}_temp_path {directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )),
    ):  # fmt: skip
        text, count = re.subn(old, new, text)
        assert count, f"{old} is not in the configuration"
    return text


@contextlib.asynccontextmanager
async def running(directory: Path, upstream: int) -> AsyncIterator[Proxy]:
    """In front of 127.0.0.1:`upstream`, once it listens."""
    nginx, port, plain_port = program(), _free_port(), _free_port()
    certificate = _certified(directory)
    file = directory / "nginx.conf"
    file.write_text(configuration(directory, upstream, port, plain_port))
    log = directory / "error.log"
    with (directory / "said").open("wb") as said:
        process = subprocess.Popen([nginx, "-e", log, "-c", file], stderr=said)
    try:
        await until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, (directory / "said").read_text()
        yield Proxy(port, certificate, directory / "loregate.log")
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _certified(directory: Path) -> Path:
    """A certificate for `NAME`, signed by itself, and its key beside it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "loregate.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    file = directory / "loregate.crt"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return file
