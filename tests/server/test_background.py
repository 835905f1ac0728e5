"""A server inside a Python test, and what it says when it can't start."""

from __future__ import annotations

import socket

import pytest

from harness.problems import InputError, OutsideError
from harness.server.background import ServerSaidError, running_server
from harness.server.serving import ServerOptions
from tests.server.client import event, post


def test_servers_run_side_by_side_and_end() -> None:
    with running_server() as one, running_server(ServerOptions(id_merge="original", token="T")) as two:
        assert one.url != two.url
        post(one.url, "/track", [event(time=...)])
        assert one.wait(events=1)["reached"]
        assert (len(one.events()), len(two.events())) == (1, 0)
        assert (one.token, two.token) == (None, "T")
    with pytest.raises(OSError, match="refused"):
        post(one.url, "/track", [event()])


def test_every_page_of_a_long_list_is_read() -> None:
    with running_server() as server:
        for batch in range(6):
            rows = [event(time=..., S_insert_id=f"{batch}-{at}") for at in range(2_000)]
            post(server.url, "/track", rows)
        post(server.url, "/track", [event(time="x")] * 3)
        assert [row["index"] for row in server.events()] == list(range(12_003))
        assert len(server.rejected()) == 3


def test_an_error_of_a_route_fails_a_test_with_what_was_said() -> None:
    with running_server() as server, pytest.raises(ServerSaidError, match="no accepted event carried the id 'nobody'"):
        server.explain("nobody")


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(OutsideError, match=f"can't listen on 127.0.0.1 port {port}"),
            running_server(ServerOptions(port=port)),
        ):
            pass


def test_options_that_make_no_sense_are_told_before_anything_runs() -> None:
    with pytest.raises(InputError, match="--fail"), running_server(ServerOptions(fail="x")):
        pass
