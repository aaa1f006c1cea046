"""Writes and reads files of messages, each behind its length, with the `protobuf` package.

interop.py write DESCRIPTORS MESSAGE EVENTS.jsonl OUT.pb
interop.py check DESCRIPTORS MESSAGE EVENTS.jsonl FILE.pb|FILE.jsonl   (whether the file has the same events)
"""

import json
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.internal.decoder import _DecodeVarint32
from google.protobuf.internal.encoder import _VarintBytes

what, descriptors, name, events, path = sys.argv[1:]
files = descriptor_pb2.FileDescriptorSet.FromString(open(descriptors, "rb").read())
pool = descriptor_pool.DescriptorPool()
for file in files.file:
    pool.Add(file)
message_class = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def of_json(path):
    with open(path, encoding="utf-8") as lines:
        return [json_format.ParseDict(json.loads(line), message_class(), descriptor_pool=pool) for line in lines]


def of_binary(path):
    found, at, data = [], 0, open(path, "rb").read()
    while at < len(data):
        length, at = _DecodeVarint32(data, at)
        found.append(message_class.FromString(data[at : at + length]))
        at += length
    return found


if what == "write":
    with open(path, "wb") as out:
        for message in of_json(events):
            data = message.SerializeToString()
            out.write(_VarintBytes(len(data)) + data)
else:
    expected = of_json(events)
    found = of_json(path) if path.endswith(".jsonl") else of_binary(path)
    assert len(found) == len(expected), f"{len(found)} events, not {len(expected)}"
    for i, (theirs, ours) in enumerate(zip(expected, found)):
        assert theirs == ours, f"event {i}:\n{theirs}\nnot\n{ours}"
