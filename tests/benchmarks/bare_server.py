"""The peer of `server_speed`: a bare Starlette handler on the same uvicorn, which decodes a body and answers.

`python -m tests.benchmarks.bare_server` prints its address like `harness serve`.
"""

from __future__ import annotations

import gzip
import json
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def track(request: Request) -> Response:
    """Decode the JSON of a body, and answer 1."""
    json.loads(await request.body())
    return Response(b"1", media_type="text/plain")


async def import_(request: Request) -> Response:
    """Unpack a body, decode its JSON, and answer how many events it holds."""
    rows = json.loads(gzip.decompress(await request.body()))
    return Response(json.dumps({"code": 200, "num_records_imported": len(rows), "status": "OK"}).encode())


def main() -> None:
    """Serve on a free port until killed."""
    app = Starlette(routes=[Route("/track", track, methods=["POST"]), Route("/import", import_, methods=["POST"])])
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
