"""Request bodies of clients: bounded in bytes and in time."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

BODY_TIMEOUT_S: Final = 10.0
"""How long a body may take to arrive: what a client says is short."""

PROTOBUF_TYPE: Final = "application/octet-stream"
"""How a body says that it is Protobuf; any other type is JSON."""


def is_protobuf(request: web.Request) -> bool:
    """Whether the body says so; aiohttp says it of one that says nothing, too."""
    return request.content_type == PROTOBUF_TYPE and "Content-Type" in request.headers


class Refusal(Exception):
    """The request is refused: a status, and a constant text for whoever reads the answer."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text

    def answer(self, headers: Mapping[str, str]) -> web.Response:
        """As an answer with these headers."""
        return web.Response(status=self.status, text=f"{self.text}\n", headers=headers)


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """The whole body. Raises Refusal for one that is too long or takes too long, or that breaks."""
    too_long = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request's body is too long.")
    if (request.content_length or 0) > max_bytes:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while piece := await request.content.readany():
                body += piece
                if len(body) > max_bytes:
                    raise too_long
    except TimeoutError:
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT, "The request's body took too long.") from None
    except (web.RequestPayloadError, HttpProcessingError, OSError):
        # Badly encoded, or its sender went: then nobody reads the answer.
        raise Refusal(HTTPStatus.BAD_REQUEST, "The request's body is not well-formed.") from None
    return bytes(body)
