"""Commands and replies in Protobuf, by the Python SDK's own module: nothing here is the hub's."""

from collections.abc import Iterator
from typing import Any

from centrifuge.protocol import client_pb2  # type: ignore[import-untyped]
from google.protobuf.message import Message

Document = dict[str, Any]


def varint(number: int) -> bytes:
    """A number in as many bytes as it takes."""
    encoded = b""
    while number > 127:
        encoded += bytes((number % 128 + 128,))
        number //= 128
    return encoded + bytes((number,))


def delimited(*messages: bytes) -> bytes:
    """Messages, each behind its length."""
    return b"".join(varint(len(message)) + message for message in messages)


def command(id: int = 0, **methods: Any) -> bytes:
    """One command, without its length; a method is a dictionary of its fields."""
    message: bytes = client_pb2.Command(id=id, **methods).SerializeToString()
    return message


def frame(id: int = 0, **methods: Any) -> bytes:
    """A frame of one command."""
    return delimited(command(id, **methods))


def messages(data: bytes) -> Iterator[bytes]:
    """The messages of a frame. Raises ValueError where it is cut off."""
    at = 0
    while at < len(data):
        length = shift = 0
        while True:
            if at == len(data):
                raise ValueError("a length is cut off")
            byte = data[at]
            at += 1
            length += byte % 128 << shift
            shift += 7
            if byte < 128:
                break
        if at + length > len(data):
            raise ValueError("a message is cut off")
        yield data[at : at + length]
        at += length


def replies(data: bytes) -> list[Document]:
    """What a frame says, each reply like one in JSON but with payloads as bytes."""
    return [document(client_pb2.Reply.FromString(message)) for message in messages(data)]


def document(message: Message) -> Document:
    """The fields of a message that are not zero, and those of the messages in it."""
    return {field.name: _value(field, value) for field, value in message.ListFields()}


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {key: _plain(value[key]) for key in value}
    return [_plain(item) for item in value] if field.is_repeated else _plain(value)


def _plain(value: Any) -> Any:
    return document(value) if isinstance(value, Message) else value
