"""How to reach a server over TLS."""

import os
from dataclasses import dataclass
from typing import Any

import grpc

from trimtab.calls import CHANNEL_OPTIONS


def _read(path: str | os.PathLike[str] | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


@dataclass(frozen=True)
class Tls:
    """Files are PEM, read when a client is made. `Tls()` alone trusts the authorities that come with gRPC.

    ca: authorities to trust instead.
    certificate, key: what to show to servers that ask, the certificate with its chain.
    server_name: what the server's certificate must name, where that is not the host that is connected to.
    """

    ca: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    server_name: str = ""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate to show needs its key, and a key its certificate; one is missing")


def channels(grpc_module: Any, servers: list[str], tls: Tls | None) -> list[Any]:
    """A channel to each server, of `grpc` or `grpc.aio`."""
    if tls is None:
        return [grpc_module.insecure_channel(server, CHANNEL_OPTIONS) for server in servers]
    credentials = grpc.ssl_channel_credentials(_read(tls.ca), _read(tls.key), _read(tls.certificate))
    options: list[tuple[str, int | str]] = [*CHANNEL_OPTIONS]
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return [grpc_module.secure_channel(server, credentials, options) for server in servers]
