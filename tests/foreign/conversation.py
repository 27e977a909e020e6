"""A third-party client: PyPI's `websockets`, with JSON messages written by hand.
Prints "ok" and exits with 0 if the server behaves as specified.

    python3 tests/foreign/conversation.py ws://127.0.0.1:8080/ws
"""

import json
import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

URL = sys.argv[1]
DEADLINE_S = 20


def expect(client, command):
    message = json.loads(client.recv(timeout=DEADLINE_S))
    assert message["command"] == command, message
    return message["data"]


def identified(user):
    client = connect(URL, subprotocols=["turntable.v1.json"])
    assert client.subprotocol == "turntable.v1.json"
    assert client.recv(timeout=DEADLINE_S) == '{"command":"idyou","data":{}}'
    client.send('{"command": "idme", "data": {"user": "%s"}}' % user)
    assert expect(client, "welcome")["user"] == user
    return client


one = identified("1:12345")
one.send('{"command": "subscribe", "data": ["1:2345"]}')
assert expect(one, "userchange") == {"1:2345": "offline"}
two = identified("1:2345")
assert expect(one, "userchange") == {"1:2345": "online"}

two.send('{"command": "joinchannel", "data": {"channel": "chat/lobby"}}')
joined = expect(two, "joined")
assert joined["channel"] == "chat/lobby", joined
data = {"text": "Grüße, 世界 😀", "none": None, "deep": [1, 2.5, {"a": []}]}
one.send(json.dumps({"command": "publish", "data": {"channel": "chat/lobby", "data": data}, "id": 1}))
assert expect(one, "reply")["epoch"] == joined["epoch"]
message = expect(two, "message")
assert message["data"] == data and message["from"] == "1:12345", message

# An iterable is sent as a fragmented message.
one.send(['{"command": "sta', 'tus", "data": "bu', 'sy", "id": "f"}'])
expect(one, "reply")

one.send("{command: 'time'}")
assert expect(one, "error")["code"] == "bad_json"
assert one.ping().wait(DEADLINE_S)

two.send('{"command": "bye", "data": {}}')
try:
    two.recv(timeout=DEADLINE_S)
    raise AssertionError("received a message instead of a close")
except ConnectionClosed as closed:
    assert closed.rcvd.code == 1000, closed
assert expect(one, "userchange") == {"1:2345": "offline"}

one.send(b"\x00\x01")
try:
    one.recv(timeout=DEADLINE_S)
    raise AssertionError("received a message instead of a close")
except ConnectionClosed as closed:
    assert closed.rcvd.code == 1003, closed
print("ok")
