"""Records of all MessagePack types, written and read by another library than the daemon's.

all_types.py send HOST PORT: sends them as one PackedForward batch and waits for the acknowledgement.
all_types.py compare FILE: compares what a file output (format msgpack) wrote with what was sent.
"""

import io
import math
import socket
import struct
import sys

import msgpack


def values():
    yield None
    yield from (True, False)
    for bits in (0, 5, 7, 8, 15, 16, 31, 32, 63):
        yield from ((1 << bits) - 1, 1 << bits, -(1 << bits))
    yield from ((1 << 64) - 1, -(1 << 63))
    yield from (0.0, -0.0, 0.1, 1e300, -5e-324, math.inf, -math.inf, math.nan)
    for length in (0, 31, 32, 255, 256, 65535, 65536):
        yield "s" * length
        yield b"\xff" * length
        yield msgpack.ExtType(42, b"e" * length)
    for length in (1, 2, 4, 8, 16):
        yield msgpack.ExtType(5, b"e" * length)
    for length in (0, 15, 16, 65535, 65536):
        yield [1] * length
        yield {str(key): key for key in range(length)}
    yield {1: "integer key", b"bin": "binary key", None: "nil key", True: {"nested": [{}]}}
    yield "höhlenmalerei \u0000 \U0001f409"
    yield msgpack.Timestamp(1_700_000_000, 999_999_999)


def entries():
    pack = msgpack.Packer(use_single_float=False).pack
    times = (1_700_000_000, msgpack.ExtType(0, struct.pack(">II", 1_700_000_000, 999_999_999)))
    return b"".join(
        pack([times[number % 2], {"id": number, "value": value}])
        for number, value in enumerate(values())
    ) + msgpack.packb([1_700_000_000, {"single": 0.1}], use_single_float=True)


def send(host, port):
    message = msgpack.packb(["types", entries(), {"chunk": "all types"}])
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(message)
        unpacker = msgpack.Unpacker()
        for answer in iter(lambda: connection.recv(4096), b""):
            unpacker.feed(answer)
            for ack in unpacker:
                assert ack == {"ack": "all types"}, ack
                return
    sys.exit("no acknowledgement")


def compare(path):
    with open(path, "rb") as file:
        written = file.read()

    def read(data):
        return list(msgpack.Unpacker(io.BytesIO(data), strict_map_key=False))

    sent = entries()
    found, expected = read(written), read(sent)
    assert len(found) == len(expected), (len(found), len(expected))
    for got, wanted in zip(found, expected):
        assert repr(got) == repr(wanted), (repr(got)[:200], repr(wanted)[:200])
    assert written == sent, "the same values in other bytes"
    print(len(found))


{"send": send, "compare": compare}[sys.argv[1]](*sys.argv[2:])
