"""Attacks on the network; nothing is ever sent to an address outside."""

import pytest

from sandbox.docker_runner import DockerRunner
from tests.support.attacks import attack

pytestmark = pytest.mark.docker


async def test_there_is_nothing_but_loopback(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
def lines(name):
    try:
        return open(name).read().splitlines()
    except FileNotFoundError:
        return []
say({"interfaces": sorted(os.listdir("/sys/class/net")),
     "listed": [line.split(":")[0].strip() for line in lines("/proc/net/dev")[2:]],
     "routes": lines("/proc/net/route")[1:],
     "routes6": [line.split()[-1] for line in lines("/proc/net/ipv6_route")],
     "neighbours": lines("/proc/net/arp")[1:]})
""",
    )
    said = outcome.said()
    assert said["interfaces"] == said["listed"] == ["lo"]
    assert said["routes"] == said["neighbours"] == []
    assert set(said["routes6"]) <= {"lo"}


async def test_names_do_not_resolve(runner: DockerRunner) -> None:
    """Whatever servers are named, a datagram to them has no way: connecting says so."""
    outcome = await attack(
        runner,
        """
import socket
servers = []
try:
    servers = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
except OSError:
    pass
try:
    found = socket.getaddrinfo("name.invalid", 80)
except socket.gaierror as error:
    found = error.errno
# Connecting a datagram socket sends nothing: it only looks for a route.
ways = {}
for family, address in ((2, "192.0.2.1"), (2, "172.17.0.1"), (10, "2001:db8::1"),
                        *((10 if ":" in server else 2, server) for server in servers)):
    ways[address] = attempt(socket.socket(family, socket.SOCK_DGRAM).connect, (address, 53))
say({"found": found, "ways": ways})
""",
    )
    said = outcome.said()
    assert said["found"] < 0
    # A server on loopback is nobody here: the name did not resolve.
    ways = {address: how for address, how in said["ways"].items() if address[:4] != "127."}
    assert len(ways) >= 3
    assert set(ways.values()) <= {"ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"}


async def test_only_plain_sockets_are_given(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
def get(family, kind, protocol):
    got = call(41, family, kind, protocol)
    if isinstance(got, int):
        os.close(got)
        return "done"
    return got
found = {}
# Packet, netlink, vsock, key, alg, bluetooth, tipc, can, xdp, kcm, rds, and all the others.
for family in range(64):
    if family not in (1, 2, 10):
        for kind in (1, 2, 3, 5):
            found[f"family {family} kind {kind}"] = get(family, kind, 0)
for family in (2, 10):
    for kind, protocol in ((3, 1), (3, 255), (3, 6), (3, 58), (10, 0), (2, 1), (2, 58), (1, 132),
                           (5, 132), (6, 33), (2, 136), (1, 262), (2, 115), (1, 256)):
        found[f"internet {family} kind {kind} protocol {protocol}"] = get(family, kind, protocol)
say([name for name, how in found.items() if how == "done"])
""",
    )
    assert outcome.said() == []


async def test_no_socket_of_the_host_is_there(runner: DockerRunner) -> None:
    """Neither Docker's, nor any other file that is a socket, nor an abstract name."""
    outcome = await attack(
        runner,
        """
import socket, stat
sockets = []
for path, names, files in os.walk("/"):
    if path == "/":
        names[:] = [name for name in names if name not in ("proc", "sys")]
    for name in files:
        try:
            if stat.S_ISSOCK(os.lstat(os.path.join(path, name)).st_mode):
                sockets.append(os.path.join(path, name))
        except OSError:
            pass
one = socket.socket(socket.AF_UNIX)
found = {name: attempt(one.connect, name) for name in (
    "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
    "/run/systemd/private", "/run/dbus/system_bus_socket", "\\0/containerd-shim")}
names = [line.split()[7:] for line in open("/proc/net/unix").read().splitlines()[1:]]
say({"sockets": sockets, "found": found, "names": [name for name in names if name]})
""",
    )
    said = outcome.said()
    assert said["sockets"] == said["names"] == []
    assert set(said["found"].values()) <= {"ENOENT", "ECONNREFUSED", "EACCES"}


async def test_loopback_is_its_own_and_ends_with_the_case(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
import socket
listens = socket.socket()
listens.bind(("127.0.0.1", 4242))
listens.listen()
used = [line for line in open("/proc/net/tcp").read().splitlines()[1:]]
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
say(len(used))
""",
        b"",
        b"",
    )
    assert [outcome.said(0), outcome.said(1)] == [1, 1]
