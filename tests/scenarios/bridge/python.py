"""PyPI's `python-socketio`, for the scenarios: each connection to the port that
it prints is a client in a process of its own, which is forked because a Python
that has read the library is slow to start. It ends with its standard input.

The lines are those of node.mjs, but that a client says `{"pid"}` first and is
paused by a signal. It is the AsyncClient: the other gives each message a thread of
its own, and so no order.
"""

import asyncio
import gc
import json
import os
import select
import signal
import socket
import sys

import socketio

TRANSPORTS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "both": ["polling", "websocket"],
}
DEADLINE_S = 20


async def serve(line):
    reader, writer = await asyncio.open_connection(sock=line, limit=2**24)

    def say(**value):
        writer.write(json.dumps(value).encode() + b"\n")

    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    refusals = []

    def refuse(told=None):
        # Said as soon as it is known: connect() ends the connection before it
        # raises, and may wait for the server's next ping with that.
        refusals.append(told)
        data = told.get("data") if isinstance(told, dict) else None
        say(refused=data or {"message": f"{told}"})

    client.on("*", lambda command, data=None: say(command=command, data=data))
    client.on("connect_error", refuse)
    client.on("disconnect", lambda reason: say(closed=reason))
    say(pid=os.getpid())
    try:
        async for text in reader:
            told = json.loads(text)
            if "url" in told:
                await connect(client, told, refusals, say)
            elif "close" in told:
                await client.disconnect()
            else:
                await emit(client, told, say)
    except ConnectionError:
        pass
    # Whoever hangs up has killed the client: not another byte of it is sent.
    os.kill(os.getpid(), signal.SIGKILL)


async def connect(client, told, refusals, say):
    try:
        await client.connect(
            told["url"],
            auth=told.get("auth"),
            transports=TRANSPORTS[told["way"]],
            wait_timeout=DEADLINE_S,
        )
        say(open=client.transport())
    except socketio.exceptions.ConnectionError as error:
        if not refusals:
            say(refused={"message": f"{error}"})


async def emit(client, told, say):
    callback = None
    if "id" in told:

        def callback(data=None):
            say(id=told["id"], data=data)

    try:
        await client.emit(told["command"], told["data"], callback=callback)
    except socketio.exceptions.BadNamespaceError:
        pass  # It is closed, and has said so.


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    gc.freeze()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        line, _ = listener.accept()
        # Nobody waits for the end of a child: its number stays its own, and a
        # signal to it never meets another process.
        if os.fork() == 0:
            listener.close()
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asyncio.run(serve(line))
            os._exit(0)
        line.close()


main()
