"""PyPI's `python-socketio`, for the scenarios: each connection to the port that
it prints is a client in a process of its own, which is forked because Python loads
the library slowly. It ends with its standard input.

The lines are those of node.mjs, except that a client writes `{"pid"}` first and is
paused by a signal. It uses the AsyncClient: the other client handles each message
in a thread of its own, without an order.
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
    "upgrade": ["polling", "websocket"],
}
DEADLINE_S = 20

async def serve(line):
    reader, writer = await asyncio.open_connection(sock=line, limit=2**24)

    def write(**value):
        writer.write(json.dumps(value).encode() + b"\n")

    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    refusals = []

    def refuse(error=None):
        # Written at once: connect() closes the connection before it raises, which
        # may take until the server's next ping.
        refusals.append(error)
        data = error.get("data") if isinstance(error, dict) else None
        write(refused=data or {"message": f"{error}"})

    client.on("*", lambda command, data=None: write(command=command, data=data))
    client.on("connect_error", refuse)
    client.on("disconnect", lambda reason: write(closed=reason))
    write(pid=os.getpid())
    try:
        async for text in reader:
            message = json.loads(text)
            if "url" in message:
                await connect(client, message, refusals, write)
            elif "close" in message:
                await client.disconnect()
            else:
                await emit(client, message, write)
    except ConnectionError:
        pass
    # When the connection to this program ends, the client sends nothing more.
    os.kill(os.getpid(), signal.SIGKILL)

async def connect(client, message, refusals, write):
    try:
        await client.connect(
            message["url"],
            auth=message.get("auth"),
            transports=TRANSPORTS[message["mode"]],
            wait_timeout=DEADLINE_S,
        )
        write(open=client.transport())
    except socketio.exceptions.ConnectionError as error:
        if not refusals:
            write(refused={"message": f"{error}"})

async def emit(client, message, write):
    callback = None
    if "id" in message:

        def callback(data=None):
            write(id=message["id"], data=data)

    try:
        await client.emit(message["command"], message["data"], callback=callback)
    except socketio.exceptions.BadNamespaceError:
        pass  # It is closed, and has reported that.

def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    gc.freeze()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        line, _ = listener.accept()
        # Children are not reaped: their ids are not used again, so that a signal
        # never reaches another process.
        if os.fork() == 0:
            listener.close()
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asyncio.run(serve(line))
            os._exit(0)
        line.close()

main()
