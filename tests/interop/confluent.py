"""Events by the serializers of Confluent's client for Python, with the schema registry at URL.

    confluent.py write URL FOLDER    registers `trade.avsc`, `trade.json` and a message, and writes the events of `events.jsonl`, as `FORMAT HEX` a line
    confluent.py read URL FOLDER     such lines become JSON Lines
"""

import datetime
import decimal
import json
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient, topic_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

NAMING = {"subject.name.strategy": topic_subject_name_strategy}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MILLI = datetime.timedelta(milliseconds=1)


def context(form):
    return SerializationContext(f"trades.{form}", MessageField.VALUE)


def to_avro(event, _):
    return event | {"price": decimal.Decimal(str(event["price"])), "at": EPOCH + event["at"] * MILLI}


def of_avro(event, _):
    return event | {"price": float(event["price"]), "at": (event["at"] - EPOCH) // MILLI}


def message():
    """The class of the second message of `trade.proto`."""
    file = descriptor_pb2.FileDescriptorProto(name="trade.proto", package="test", syntax="proto3")
    file.message_type.add(name="Other")
    trade = file.message_type.add(name="Trade")
    for number, (name, kind, label) in enumerate([("id", 9, 1), ("amount", 1, 1), ("tags", 9, 3)], 1):
        trade.field.add(name=name, number=number, type=kind, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test.Trade"))


def write(registry, folder):
    avro = AvroSerializer(registry, open(f"{folder}/trade.avsc").read(), to_avro, NAMING)
    plain = JSONSerializer(open(f"{folder}/trade.json").read(), registry, conf=NAMING)
    trade = message()
    protobuf = ProtobufSerializer(trade, registry, NAMING)
    for line in open(f"{folder}/events.jsonl"):
        event = json.loads(line)
        print("avro", avro(event, context("avro")).hex())
        print("json", plain(event, context("json")).hex())
        told = json_format.ParseDict(event, trade(), ignore_unknown_fields=True)
        print("protobuf", protobuf(told, context("protobuf")).hex())


def read(registry, folder):
    avro = AvroDeserializer(registry, from_dict=of_avro)
    plain = JSONDeserializer(open(f"{folder}/trade.json").read(), schema_registry_client=registry)
    for line in sys.stdin:
        form, event = line.split()
        print(json.dumps({"avro": avro, "json": plain}[form](bytes.fromhex(event), context(form))))


{"write": write, "read": read}[sys.argv[1]](SchemaRegistryClient({"url": sys.argv[2]}), sys.argv[3])
