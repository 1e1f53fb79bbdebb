"""The messages and methods of proto/, made at import from the descriptors that the build compiled.

There is no generated code: that of one protoc runs with some protobuf releases only, and its google/rpc clashes with the
same files of other packages. Descriptors are read by every release, and a pool of our own clashes with nobody.
"""

import pathlib
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Message = Any  # Classes made at run time have no static type.

_CONTRACT = pathlib.Path(__file__).with_name("contract.binpb")


def _load() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(_CONTRACT.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_pool = _load()


def _class_maker() -> Any:
    if hasattr(message_factory, "GetMessageClass"):  # protobuf 4.22 and later.
        return message_factory.GetMessageClass
    factory: Any = message_factory.MessageFactory(_pool)
    return factory.GetPrototype


_class_of = _class_maker()


def message(name: str) -> Message:
    """The class of a message by its full name, such as "trimtab.v1.Steering"."""
    return _class_of(_pool.FindMessageTypeByName(name))


def enum_name(sent: Message, field: str) -> str:
    """The value of an enum field, without its prefix and in lower case: "hit" for CACHE_OUTCOME_HIT."""
    values = sent.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    prefix = str(values[0].name).removesuffix("UNSPECIFIED")
    value = values.get(getattr(sent, field))
    return str(value.name).removeprefix(prefix).lower() if value else "unknown"


def enum_value(sent: Message, field: str, name: str) -> int:
    """The number of a value named as `enum_name` names it. ValueError for a name that is none."""
    values = sent.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    prefix = str(values[0].name).removesuffix("UNSPECIFIED")
    known = {str(value.name).removeprefix(prefix).lower(): int(number) for number, value in values.items() if number}
    if name in known:
        return known[name]
    raise ValueError(f"{field} is {name!r}; expected one of {', '.join(known)}")


class Method(NamedTuple):
    """One method of a service; `on` binds it to a channel of grpc or grpc.aio."""

    path: str
    request: Message
    response: Message
    streams: bool

    def on(self, channel: Any) -> Any:
        kind = channel.unary_stream if self.streams else channel.unary_unary
        return kind(
            self.path,
            request_serializer=self.request.SerializeToString,
            response_deserializer=self.response.FromString,
        )


def method(service: str, name: str, *, streams: bool = False) -> Method:
    found = _pool.FindServiceByName(service).methods_by_name[name]
    return Method(f"/{service}/{name}", _class_of(found.input_type), _class_of(found.output_type), streams)


SUMMARIZE = method("trimtab.v1.Summarizer", "Summarize")
STREAM_SUMMARIZE = method("trimtab.v1.Summarizer", "StreamSummarize", streams=True)
EXPLORE = method("trimtab.v1.Summarizer", "Explore", streams=True)
GET_MODEL_INFO = method("trimtab.v1.Summarizer", "GetModelInfo")
LIST_VERSIONS = method("trimtab.v1.Parameters", "ListVersions")
