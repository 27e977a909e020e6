"""A bridge from the scenarios to PyPI's `python-socketio`. The program prints a
port; each connection to it controls one client in a separate process. The process
is forked, because importing the library is slow. The program exits at the end of
its standard input.

The lines are those of node.mjs, with two differences: a client sends `{"pid"}`
first, and it is paused by a signal. The bridge uses the AsyncClient, because the
other client handles each message in a separate thread, which loses the order.
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


async def serve(connection):
    reader, writer = await asyncio.open_connection(sock=connection, limit=2**24)

    def send(**value):
        writer.write(json.dumps(value).encode() + b"\n")

    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    refusals = []

    def refuse(error=None):
        # Reported immediately: before connect() raises, it closes the connection,
        # which may wait for the server's next ping.
        refusals.append(error)
        data = error.get("data") if isinstance(error, dict) else None
        send(refused=data or {"message": f"{error}"})

    client.on("*", lambda command, data=None: send(command=command, data=data))
    client.on("connect_error", refuse)
    client.on("disconnect", lambda reason: send(closed=reason))
    send(pid=os.getpid())
    try:
        async for text in reader:
            request = json.loads(text)
            if "url" in request:
                await connect(client, request, refusals, send)
            elif "close" in request:
                await client.disconnect()
            else:
                await emit(client, request, send)
    except ConnectionError:
        pass
    # The controlling connection has ended: no further byte is sent to the server.
    os.kill(os.getpid(), signal.SIGKILL)


async def connect(client, request, refusals, send):
    try:
        await client.connect(
            request["url"],
            auth=request.get("auth"),
            transports=TRANSPORTS[request["way"]],
            wait_timeout=DEADLINE_S,
        )
        send(open=client.transport())
    except socketio.exceptions.ConnectionError as error:
        if not refusals:
            send(refused={"message": f"{error}"})


async def emit(client, request, send):
    callback = None
    if "id" in request:

        def callback(data=None):
            send(id=request["id"], data=data)

    try:
        await client.emit(request["command"], request["data"], callback=callback)
    except socketio.exceptions.BadNamespaceError:
        pass  # The client is closed, which was reported.


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    gc.freeze()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        # The children are not reaped: their process ids are not reused, so a
        # signal cannot reach another process.
        if os.fork() == 0:
            listener.close()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asyncio.run(serve(connection))
            os._exit(0)
        connection.close()


main()
