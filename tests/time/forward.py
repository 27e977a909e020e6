"""A path with a delay: packets that go into a TUN device come out of it later.

    forward.py DEVICE NETWORK DELAY_MS JITTER_MS SEED

NETWORK is three numbers, as 10.231.0: its host 1 is this machine and host 2 is this
machine, far away. What is sent to host 2 comes back with both addresses exchanged,
so that it arrives at host 1 as if host 2 had sent it. Each direction is delayed by
DELAY_MS, at most JITTER_MS off, and keeps its order.

Prints "ready" once packets are taken. Ends with its standard input, and prints by how
many ms one packet in a hundred was later than it should be: how busy this machine was.
"""

import fcntl
import heapq
import os
import random
import select
import socket
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP = 1


def open_device(name, network):
    """The device, with host 1 of the network as its address."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name, IFF_TUN_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, address in [(SIOCSIFADDR, network + ".1"), (SIOCSIFNETMASK, "255.255.255.252")]:
            value = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, request, struct.pack("16s16s8x", name, value))
        flags = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH22x", name, 0))
        (flags,) = struct.unpack_from("H", flags, 16)
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name, flags | IFF_UP))
    return device


def main():
    name, network = sys.argv[1].encode(), sys.argv[2]
    delay_ms, jitter_ms, seed = (float(text) for text in sys.argv[3:6])
    device = open_device(name, network)
    chance = random.Random(seed)
    # (when, number, packet), the next first; the time of the last of each flow.
    waiting, last, number = [], {}, 0
    late = []
    print("ready", flush=True)
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            when, _, packet = heapq.heappop(waiting)
            os.write(device, packet)
            now = time.monotonic()
            late.append(now - when)
        timeout = max(0.0, waiting[0][0] - now) if waiting else None
        readable, _, _ = select.select([device, sys.stdin], [], [], timeout)
        if sys.stdin in readable:
            late.sort()
            worst = late[len(late) * 99 // 100] if late else 0.0
            print(f"{worst * 1_000:.3f}", flush=True)
            return
        if device not in readable:
            continue
        try:
            packet = os.read(device, 65_536)
        except BlockingIOError:
            continue
        if len(packet) < 24 or packet[0] >> 4 != 4:
            continue
        # Checksums are sums, in which the order of the addresses does not count.
        packet = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
        header = (packet[0] & 15) * 4
        flow = packet[header : header + 4]
        delay = (delay_ms + chance.uniform(-jitter_ms, jitter_ms)) / 1_000
        when = max(time.monotonic() + delay, last.get(flow, 0.0))
        last[flow] = when
        number += 1
        heapq.heappush(waiting, (when, number, packet))


main()
