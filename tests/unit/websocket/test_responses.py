"""What is answered to an opening handshake, read back by the library as a client would."""

import pytest
from websockets.client import ClientProtocol
from websockets.http11 import Response
from websockets.uri import parse_uri

from realtime.websocket.responses import accept_response, refuse_response
from tests.unit.websocket.browser_head import ACCEPT, KEY


def as_client(data: bytes) -> Response:
    """The response in `data`, which must be nothing but one response."""
    client = ClientProtocol(parse_uri("ws://localhost/"))
    client.send_request(client.connect())
    client.receive_data(data)
    if b" 101 " not in data:
        client.receive_eof()
    (response,) = client.events_received()
    assert isinstance(response, Response)
    return response


def test_the_key_of_rfc_6455_1_3_gets_its_answer() -> None:
    """4.2.2."""
    response = as_client(accept_response(KEY, None))
    assert response.status_code == 101
    assert dict(response.headers.raw_items()) == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": ACCEPT,
    }


def test_the_chosen_subprotocol_is_named() -> None:
    response = as_client(accept_response(KEY, "centrifuge-json"))
    assert response.headers["Sec-WebSocket-Protocol"] == "centrifuge-json"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 414, 426, 431, 500, 503, 505])
def test_a_refusal_is_a_whole_plain_text_response(status: int) -> None:
    response = as_client(refuse_response(status, "Not möglich."))
    assert response.status_code == status
    assert response.body == "Not möglich.\n".encode()
    assert response.headers["Content-Length"] == str(len(response.body))
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "close" in response.headers["Connection"]


def test_426_names_what_is_spoken_here() -> None:
    """RFC 6455, 4.4; RFC 9110, 7.8 and 15.5.22."""
    headers = as_client(refuse_response(426, "No.")).headers
    assert headers["Sec-WebSocket-Version"] == "13"
    assert headers["Upgrade"] == "websocket"
    assert headers["Connection"] == "Upgrade, close"


def test_405_names_the_method_that_is_served() -> None:
    """RFC 9110, 15.5.6."""
    assert as_client(refuse_response(405, "No.")).headers["Allow"] == "GET"
