"""A conversation by PyPI's `python-socketio`. Prints "ok" and exits with 0 if all of
it is as expected.

    python3 tests/socketio/library/events.py http://127.0.0.1:8080 polling,websocket
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

    def ask(self, name, data):
        return self.socket.call(name, data, timeout=DEADLINE_S)

one = Client({"user": "1:12345"}).connect()
assert one.next("idyou") == {}
welcome = one.next("welcome")
assert welcome["user"] == "1:12345", welcome

two = Client().connect()
assert two.next("idyou") == {}
assert two.ask("publish", {"channel": "a", "data": 1})["error"]["code"] == "not_identified"
assert two.ask("idme", {"user": "1:2345"})["user"] == "1:2345"

one.socket.emit("subscribe", ["1:2345", "1:789"])
assert one.next("userchange") == {"1:2345": "online", "1:789": "offline"}
assert two.ask("status", "busy") == {}
assert one.next("userchange") == {"1:2345": "busy"}

joined = one.ask("joingame", {"channel": "CStrike", "self": "1:12345", "invite": ["1:2345"]})
assert list(joined["members"]) == ["1:12345"], joined
assert two.next("invite") == {"channel": "CStrike", "from": "1:12345"}
assert len(two.ask("joingame", {"channel": "CStrike", "self": "1:2345"})["members"]) == 2
action = {"timestamp": 10223232, "from": "1:2345", "data": {"strike_one": "1:12345"}}
two.socket.emit("game", {"channel": "CStrike", "actions": [action]})
for client in (one, two):
    assert client.next("game")["actions"][0]["data"] == {"strike_one": "1:12345"}
assert one.ask("dance", {})["error"]["code"] == "unknown_command"

for client in (one, two):
    assert client.ask("joinchannel", {"channel": "chat/lobby"})["channel"] == "chat/lobby"
payload = bytes([0, 1, 2, 253, 254, 255])
assert two.ask("publish", {"channel": "chat/lobby", "data": {"bytes": payload}})["offset"] == 1
for client in (one, two):
    assert client.next("message")["data"] == {"bytes": payload}

refused = Client({"user": "nobody"})
try:
    refused.connect()
    raise AssertionError("it must not connect")
except socketio.exceptions.ConnectionError:
    assert refused.next("connect_error")["data"]["code"] == "invalid_id"

# A disconnect and a resume: the client gets the messages that it missed.
three = Client().connect()
session = three.ask("idme", "1:3456")["session"]
three.ask("joinchannel", {"channel": "news"})
three.auth = {"session": session, "received": 1}
three.socket.disconnect()
three.next("disconnect")
two.ask("publish", {"channel": "news", "data": "meanwhile"})
three.connect()
assert three.next("welcome")["resumed"] is True
assert three.next("message")["data"] == "meanwhile"

two.socket.emit("bye")
two.next("disconnect")
# Measures time: the client must not reconnect within it.
time.sleep(0.2)
assert not two.socket.connected
for client in (one, three):
    client.socket.disconnect()
print("ok", flush=True)
