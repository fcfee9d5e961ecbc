"""From where the cloud can be reached, and whom its metadata server answers."""

import socket
import stat
from pathlib import Path

import pytest
import requests

_LISTEN = "0A"


def listening(pid):
    """The addresses on which a process listens, as /proc/net writes them: hexadecimal, port last."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = link.readlink() if link.is_symlink() else Path()
        inodes.add(str(target).removeprefix("socket:[").rstrip("]"))
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and (fields[3] == _LISTEN or table.startswith("udp")):
                found.append((table, fields[1]))
    return found


def other_addresses():
    """The machine's addresses that are not its loopback's."""
    found = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            found.add(probe.getsockname()[0])
        except OSError:
            pass
    return sorted(address for address in found if not address.startswith("127.") and address != "::1")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells who listens where")
def test_the_cloud_listens_on_the_loopback_alone(cloud_server):
    sockets = listening(cloud_server.pid)
    port = int(cloud_server.url.rsplit(":", 1)[1])
    assert ("tcp", f"0100007F:{port:04X}") in sockets
    assert {(table, address.partition(":")[0]) for table, address in sockets} == {("tcp", "0100007F")}


def test_no_other_address_of_the_machine_answers(cloud_server):
    port = int(cloud_server.url.rsplit(":", 1)[1])
    for address in [*other_addresses(), "::1"]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as outside:
            outside.settimeout(2)
            assert outside.connect_ex((address, port)) != 0, address


@pytest.mark.parametrize(
    "headers", [{}, {"metadata-flavor": "Other"}, {"metadata-flavor": "Google", "x-forwarded-for": "192.0.2.1"}]
)
def test_the_metadata_server_answers_no_forwarded_and_no_unmarked_request(cloud_server, headers):
    for secret in ("x", "..", "%2e%2e"):
        path = f"/_metadata/{secret}/computeMetadata/v1/instance/service-accounts/default/token"
        assert requests.get(f"{cloud_server.url}{path}", headers=headers, timeout=10).status_code in (400, 403, 404)


def test_a_metadata_address_that_nobody_was_given_has_no_token(cloud_server):
    for path in ("/computeMetadata/v1/instance/service-accounts/default/token", "/_metadata/guess/computeMetadata/v1/"):
        headers = {"metadata-flavor": "Google"}
        answer = requests.get(f"{cloud_server.url}{path}", headers=headers, timeout=10)
        assert answer.status_code in (400, 404)
        assert "access_token" not in answer.text


def test_what_the_cloud_keeps_is_readable_by_its_user_alone(cloud_server):
    cloud_server.json("POST", "/storage/v1/b?project=acme-reach", {"name": "acme-reach"})
    cloud_server.json("POST", "/upload/storage/v1/b/acme-reach/o?uploadType=media&name=a/b", data=b"x")
    assert stat.S_IMODE(cloud_server.root.stat().st_mode) == 0o700
    for name in ("operator-token", "token-key", "state.sqlite", "storage", "storage/acme-reach/a/b", "server.json"):
        mode = stat.S_IMODE((cloud_server.root / name).stat().st_mode)
        assert mode & 0o077 == 0, f"{name}: {mode:o}"
