"""Sends events with fluent-logger: send.py HOST PORT FIRST_ID COUNT."""

import sys

from fluent.sender import FluentSender

host, port, first, count = sys.argv[1], *map(int, sys.argv[2:])
sender = FluentSender("app", host=host, port=port, nanosecond_precision=True)
for number in range(first, first + count):
    if not sender.emit("web", {"id": number, "from": "fluent-logger", "ok": True, "took": 0.25}):
        sys.exit(f"not sent: {sender.last_error}")
sender.close()
