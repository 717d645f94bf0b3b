"""TLS on the one port: every transport of the SDKs, the server API, and who forgot to use it."""

import asyncio
import ssl
from collections.abc import Iterator

import aiohttp
import pytest

from tests.end_to_end.conftest import OpenSdk
from tests.support.certificates import Certificate, make_certificate
from tests.support.configuration import API_KEY
from tests.support.processes import HubProcess
from tests.support.raw_socket import HANDSHAKE, open_raw, read_all
from tests.support.sdks import all_but
from tests.support.stream_client import KINDS, Kind, open_stream
from tests.support.tokens import connection_token


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of its own."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[HubProcess]:
    """A hub that speaks TLS only."""
    tls = {"tls_certificate": str(certificate.certificate), "tls_key": str(certificate.key)}
    hub = HubProcess(tmp_path_factory.mktemp("hub"), {"server": tls})
    try:
        hub.start()
        yield hub
        assert hub.complaints() == []
    finally:
        hub.end()


# Java trusts no file of ours without a key store of its own.
@pytest.mark.parametrize("sdk_name", all_but("java"), indirect=True)
async def test_clients_connect_over_tls(
    hub: HubProcess, certificate: Certificate, open_sdk: OpenSdk, channel: str
) -> None:
    assert hub.websocket_url.startswith("wss://")
    token = connection_token("ann")
    sdk = await open_sdk(hub.websocket_url, token, (), certificate.certificate)
    await sdk.joined()
    await sdk.subscribed(channel)
    # More than one TLS record (16 KB) each way.
    await sdk.publish(channel, "x" * 50_000)
    assert await sdk.publications(channel, 1) == ["x" * 50_000]


async def test_the_server_api_is_there_over_tls(hub: HubProcess, certificate: Certificate) -> None:
    trust = ssl.create_default_context(cafile=certificate.certificate)
    timeout = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(
            f"{hub.api_url}/info", json={}, headers={"X-API-Key": API_KEY}, ssl=trust
        ) as response,
    ):
        assert response.status == 200
        assert "result" in await response.json()
    # aiohttp closes TLS connections a turn of the loop later.
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", KINDS)
async def test_streams_flow_over_tls(
    hub: HubProcess, certificate: Certificate, kind: Kind, channel: str
) -> None:
    trust = ssl.create_default_context(cafile=certificate.certificate)
    async with open_stream(hub.url, kind, connection_token("ann"), trust=trust) as ann:
        await ann.command("subscribe", channel=channel)
        # More than one TLS record (16 KB) each way.
        await ann.command("publish", channel=channel, data="x" * 50_000)
        assert (await ann.push("pub", channel))["data"] == "x" * 50_000
    await asyncio.sleep(0.05)


def test_who_speaks_plainly_is_dropped(hub: HubProcess) -> None:
    with open_raw(hub.port) as connection:
        connection.sendall(HANDSHAKE)
        assert b"HTTP/1.1 101" not in read_all(connection)
