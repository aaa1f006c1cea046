"""Avro by its reference library for Python: writes containers for the runner to read, and reads those that it wrote.

    avro.py write FOLDER    one container for each codec, with all types, and what their events are as JSON Lines
    avro.py read FOLDER     the events of the containers `out*.avro` in it as JSON Lines
    avro.py cases FOLDER    the inputs of the run cases `avro_*`, below the folder of the cases
"""

import base64
import datetime
import decimal
import io
import json
import os
import struct
import sys
import uuid

import fastavro

UTC = datetime.timezone.utc

ALL = {
    "type": "record", "name": "Everything", "namespace": "test", "fields": [
        {"name": "n", "type": "long"},
        {"name": "i", "type": "int"},
        {"name": "f", "type": "float"},
        {"name": "d", "type": "double"},
        {"name": "b", "type": "boolean"},
        {"name": "s", "type": "string"},
        {"name": "raw", "type": "bytes"},
        {"name": "fixed", "type": {"type": "fixed", "name": "Four", "size": 4}},
        {"name": "color", "type": {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN"]}},
        {"name": "maybe", "type": ["null", "string"], "default": None},
        {"name": "either", "type": ["long", "string", {"type": "array", "items": "long"}]},
        {"name": "list", "type": {"type": "array", "items": {"type": "record", "name": "Item", "fields": [
            {"name": "sku", "type": "string"}, {"name": "count", "type": "int"}]}}},
        {"name": "tags", "type": {"type": "map", "values": ["null", "double"]}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4}},
        {"name": "small", "type": {"type": "fixed", "name": "Small", "size": 5, "logicalType": "decimal",
                                   "precision": 9, "scale": 2}},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "clock_us", "type": {"type": "long", "logicalType": "time-micros"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "at_us", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "next", "type": ["null", "Everything"], "default": None},
    ],
}


def everything(n, depth=1):
    when = datetime.datetime(2026, 1, 31, 12, 30, 15, 250_000, tzinfo=UTC) + datetime.timedelta(seconds=n)
    return {
        "n": n, "i": -n, "f": n + 0.5, "d": n / 8, "b": n % 2 == 0, "s": f"text {n} \u00fc\n", "raw": bytes([n % 256, 255, 0]),
        "fixed": struct.pack(">I", n), "color": "RED" if n % 3 else "GREEN", "maybe": None if n % 2 else "here",
        "either": [n, str(n), [n, n]][n % 3], "list": [{"sku": f"a{i}", "count": i} for i in range(n % 4)],
        "tags": {"x": n / 2, "none": None}, "price": decimal.Decimal(n) / 8 - 1, "small": decimal.Decimal(-n) / 4,
        "id": str(uuid.UUID(int=n)), "day": when.date(), "clock": when.time(), "clock_us": when.time(),
        "at": when, "at_us": when, "next": everything(n, depth - 1) if depth else None,
    }


def plain(value, ty, names):
    """An event as the runner has it in JSON."""
    if isinstance(ty, str) and ty in names:
        ty = names[ty]
    if isinstance(ty, list):
        if value is None:
            return None
        index = 0 if isinstance(value, bool) else next(
            i for i, branch in enumerate(ty) if branch != "null" and fits(value, branch, names))
        return plain(value, ty[index], names)
    kind, logical = (ty, None) if isinstance(ty, str) else (ty["type"], ty.get("logicalType"))
    if kind == "record":
        return {field["name"]: plain(value[field["name"]], field["type"], names) for field in ty["fields"]}
    if kind == "array":
        return [plain(item, ty["items"], names) for item in value]
    if kind == "map":
        return {key: plain(item, ty["values"], names) for key, item in value.items()}
    if logical == "decimal":
        return {"decimal": f"{value:.{ty['scale']}f}"}
    if logical == "date":
        return (value - datetime.date(1970, 1, 1)).days
    if logical and logical.startswith("time-"):
        micros = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
        return micros if logical == "time-micros" else micros // 1000
    if logical and logical.startswith("timestamp-"):
        micros = (value - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(microseconds=1)
        return micros if logical == "timestamp-micros" else micros // 1000
    if kind in ("bytes", "fixed"):
        return base64.b64encode(value).decode()
    return str(value) if logical == "uuid" else value


def fits(value, ty, names):
    ty = names.get(ty, ty) if isinstance(ty, str) else ty
    kind = ty if isinstance(ty, str) else ty["type"]
    return {"long": int, "double": float, "string": str, "array": list, "record": dict}.get(kind, object) is type(value)


def named(schema):
    names = {}

    def look(ty):
        if isinstance(ty, list):
            return [look(branch) for branch in ty]
        if isinstance(ty, dict):
            if "name" in ty:
                names[ty["name"]] = names[f"{schema.get('namespace')}.{ty['name']}"] = ty
            for field in ty.get("fields", []):
                look(field["type"])
            for key in ("items", "values", "type"):
                if isinstance(ty.get(key), (dict, list)):
                    look(ty[key])
    look(schema)
    return names


def line(event, schema):
    text = json.dumps(plain(event, schema, named(schema)), separators=(",", ":"), ensure_ascii=False)
    # Decimals are numbers, to the digit.
    while '{"decimal":"' in text:
        before, _, rest = text.partition('{"decimal":"')
        number, _, after = rest.partition('"}')
        text = before + number + after
    return text + "\n"


def container(schema, events, codec="null", sync=b"fixed 16 bytes..", interval=300):
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), events, codec=codec, sync_marker=sync, sync_interval=interval)
    return out.getvalue()


def put(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def write(folder):
    put(os.path.join(folder, "everything.avsc"), json.dumps(ALL).encode())
    lines = []
    for start, codec in enumerate(["null", "deflate", "snappy", "zstandard"]):
        events = [everything(n) for n in range(start * 100, start * 100 + 100)]
        put(os.path.join(folder, f"in-{start}-{codec}.avro"), container(ALL, events, codec, interval=2000))
        lines += [line(event, ALL) for event in events]
    put(os.path.join(folder, "expected.jsonl"), "".join(lines).encode())


def read(folder):
    for name in sorted(name for name in os.listdir(folder) if name.startswith("out") and name.endswith(".avro")):
        with open(os.path.join(folder, name), "rb") as file:
            reader = fastavro.reader(file)
            schema = json.loads(reader.metadata["avro.schema"])
            sys.stdout.write(f"{name} {reader.codec}\n")
            sys.stdout.writelines(line(event, schema) for event in reader)


def cases(folder):
    one = {"type": "record", "name": "Paid", "fields": [{"name": "id", "type": "string"}, {"name": "amount", "type": "int"}]}
    two = {"type": "record", "name": "Paid", "fields": [
        {"name": "amount", "type": "long"}, {"name": "id", "type": "string"},
        {"name": "currency", "type": "string", "default": "EUR"}]}
    first = [{"id": f"p{n}", "amount": n} for n in range(40)]
    second = [{"id": f"q{n}", "amount": 2 ** 40 + n, "currency": "USD"} for n in range(40)]
    base = os.path.join(folder, "avro_containers")
    put(os.path.join(base, "schemas", "1.avsc"), json.dumps(one, indent=2).encode() + b"\n")
    put(os.path.join(base, "schemas", "2.avsc"), json.dumps(two, indent=2).encode() + b"\n")
    put(os.path.join(base, "in-1.avro"), container(one, first, "deflate", interval=60))
    put(os.path.join(base, "in-2.avro"), container(two, second, "null", interval=60))
    base = os.path.join(folder, "avro_damaged")
    put(os.path.join(base, "paid.avsc"), json.dumps(one, indent=2).encode() + b"\n")
    good = container(one, first[:12], interval=30)
    marker = b"fixed 16 bytes.."
    blocks = good.split(marker)
    put(os.path.join(base, "in-1-cut.avro"), good[:-20])
    put(os.path.join(base, "in-2-magic.avro"), b"Obj\x02" + good[4:])
    put(os.path.join(base, "in-3-text.avro"), b'{"id":"p1","amount":1}\n')
    # A block of 2^60 events, and one that claims as many bytes.
    endless = bytes([0x80] * 8 + [0x20])
    damaged = [blocks[0], endless + blocks[1][1:], blocks[2], blocks[3][:1] + endless + blocks[3][2:]] + blocks[4:]
    put(os.path.join(base, "in-4-counts.avro"), marker.join(damaged))
    put(os.path.join(base, "in-5-noise.avro"), blocks[0] + marker + bytes((n * n * 7 + n) % 251 for n in range(500)))
    put(os.path.join(base, "in-6-good.avro"), good)


if __name__ == "__main__":
    {"write": write, "read": read, "cases": cases}[sys.argv[1]](sys.argv[2])
