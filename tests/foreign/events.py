"""A third-party client: PyPI's `python-socketio`. Prints "ok" and exits with 0 if
the server behaves as specified.

    python3 tests/foreign/events.py http://127.0.0.1:8080 polling,websocket
"""

import queue
import sys
import time

import socketio

URL, TRANSPORTS = sys.argv[1], sys.argv[2].split(",")
DEADLINE_S = 20


class Client:
    def __init__(self, auth=None):
        self.events = {}
        self.auth = auth
        self.socket = socketio.Client()
        self.socket.on("*", self.received)
        for name in ("disconnect", "connect_error"):
            self.socket.on(name, lambda *args, name=name: self.received(name, *args))

    def connect(self):
        auth = self.auth
        self.socket.connect(URL, auth=auth, transports=TRANSPORTS, wait_timeout=DEADLINE_S)
        return self

    def received(self, name, *args):
        self.events.setdefault(name, queue.Queue()).put(args)

    def next(self, name):
        args = self.events.setdefault(name, queue.Queue()).get(timeout=DEADLINE_S)
        return args[0] if args else None

    def request(self, name, data):
        return self.socket.call(name, data, timeout=DEADLINE_S)


one = Client({"user": "1:12345"}).connect()
assert one.next("idyou") == {}
welcome = one.next("welcome")
assert welcome["user"] == "1:12345", welcome

two = Client().connect()
assert two.next("idyou") == {}
assert two.request("publish", {"channel": "a", "data": 1})["error"]["code"] == "not_identified"
assert two.request("idme", {"user": "1:2345"})["user"] == "1:2345"

one.socket.emit("subscribe", ["1:2345", "1:789"])
assert one.next("userchange") == {"1:2345": "online", "1:789": "offline"}
assert two.request("status", "busy") == {}
assert one.next("userchange") == {"1:2345": "busy"}

joined = one.request("joingame", {"channel": "CStrike", "self": "1:12345", "invite": ["1:2345"]})
assert list(joined["members"]) == ["1:12345"], joined
assert two.next("invite") == {"channel": "CStrike", "from": "1:12345"}
assert len(two.request("joingame", {"channel": "CStrike", "self": "1:2345"})["members"]) == 2
action = {"timestamp": 10223232, "from": "1:2345", "data": {"strike_one": "1:12345"}}
two.socket.emit("game", {"channel": "CStrike", "actions": [action]})
for client in (one, two):
    assert client.next("game")["actions"][0]["data"] == {"strike_one": "1:12345"}
assert one.request("dance", {})["error"]["code"] == "unknown_command"

for client in (one, two):
    assert client.request("joinchannel", {"channel": "chat/lobby"})["channel"] == "chat/lobby"
payload = bytes([0, 1, 2, 253, 254, 255])
assert two.request("publish", {"channel": "chat/lobby", "data": {"bytes": payload}})["offset"] == 1
for client in (one, two):
    assert client.next("message")["data"] == {"bytes": payload}

refused = Client({"user": "nobody"})
try:
    refused.connect()
    raise AssertionError("the connection was not refused")
except socketio.exceptions.ConnectionError:
    assert refused.next("connect_error")["data"]["code"] == "invalid_id"

# A disconnected session is resumed with the messages published meanwhile.
three = Client().connect()
session = three.request("idme", "1:3456")["session"]
three.request("joinchannel", {"channel": "news"})
three.auth = {"session": session, "received": 1}
three.socket.disconnect()
three.next("disconnect")
two.request("publish", {"channel": "news", "data": "meanwhile"})
three.connect()
assert three.next("welcome")["resumed"] is True
assert three.next("message")["data"] == "meanwhile"

two.socket.emit("bye")
two.next("disconnect")
time.sleep(0.2)
assert not two.socket.connected
for client in (one, three):
    client.socket.disconnect()
print("ok", flush=True)
