"""The page on a socket of this machine: who may ask for it, how much may be sent, and what is left behind.

It answers on the loopback interface unless it is told otherwise, sets a cookie by which a browser finds its own takes
again, and loads nothing from any other host: fonts are the system's, scripts and styles ours or Gradio's own.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # Gradio asks its makers for its newest version otherwise

import fastapi
import gradio as gr
import uvicorn
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import FileResponse, PlainTextResponse, Response

from flowmusic.errors import UsageError
from flowmusic.page import layout, parts, shelf
from flowmusic.page.acts import COOKIE, TAKES_AT, Acts
from flowmusic.page.choices import Choices
from flowmusic.page.making import Models
from flowmusic.page.shelf import Shelves

MOST_UPLOAD = 200 << 20
"""Bytes of one file: half an hour of stereo in WAV."""
MOST_BODY = MOST_UPLOAD + (1 << 20)
"""Bytes of one request."""
A_YEAR_S = 365 * 24 * 3600
LOOPBACK = ("127.0.0.1", "localhost", "::1")
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "Menlo", "Consolas", "monospace"]


@dataclass(frozen=True)
class Settings:
    """How the page is started.

    Args:
        shelves: whose takes are where.
        choices: models, adapters and pseudowords that are offered.
        device: where models run.
        host: the interface that is listened on.
        cache: a folder for uploads and files on their way to a browser, which is emptied at the end.
    """

    shelves: Shelves
    choices: Choices
    device: str
    host: str
    cache: Path


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens on an address; port 0 takes any that is free.  Raises: UsageError where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(128)
    except OSError as error:
        made.close()
        raise UsageError(
            f"--host {host} --port {port}: nothing can listen there ({error.strerror or error}); "
            "give another --port, or --port 0 for any that is free"
        ) from None
    return made


class Bounded:
    """An ASGI application that refuses requests of more than :data:`MOST_BODY` bytes, as soon as that is known."""

    def __init__(self, app: Any, most: int = MOST_BODY) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit() or int(told) > self.most:
            await PlainTextResponse(f"at most {self.most} bytes are taken", status_code=413)(scope, receive, send)
            return
        got = 0

        async def counted() -> Any:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            # A body whose length was not told ends here, and its reader finds it broken off.
            return {"type": "http.disconnect"} if got > self.most else message

        await self.app(scope, counted, send)


def application(settings: Settings) -> fastapi.FastAPI:
    """The page and the takes that are heard on it."""
    # Gradio imports it at the first event, within the loop that answers: seconds in which nobody is answered.
    import matplotlib.pyplot  # noqa: F401

    os.environ["GRADIO_TEMP_DIR"] = str(settings.cache)
    acts = Acts(settings.shelves, settings.choices, Models(settings.device), settings.cache)
    app = fastapi.FastAPI(title="flowmusic", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.acts = acts

    @app.middleware("http")
    async def remembered(request: fastapi.Request, answer: Callable[[Any], Awaitable[Response]]) -> Response:
        response = await answer(request)
        if request.url.path == "/" and not shelf.is_owner(request.cookies.get(COOKIE)):
            response.set_cookie(COOKIE, shelf.new_owner(), max_age=A_YEAR_S, httponly=True, samesite="strict")
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    app.add_middleware(Bounded)
    if settings.host in LOOPBACK:
        # A page elsewhere whose name is made to lead here is not let in.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])

    @app.get(TAKES_AT + "/{name}")
    def heard(name: str, request: fastapi.Request) -> Response:
        try:
            take = settings.shelves.of(request.cookies.get(COOKIE) or "").take(name)
        except UsageError as error:
            return PlainTextResponse(str(error), status_code=404)
        return FileResponse(take.audio)

    shown = str(settings.shelves.base) if settings.host in LOOPBACK else settings.shelves.base.name
    kept = shown if settings.shelves.shared else f"{shown}, a folder for each browser"
    page = layout.build(acts, kept)
    theme = gr.themes.Default(primary_hue="indigo", neutral_hue="slate", radius_size="lg", font=FONTS, font_mono=MONO)
    return gr.mount_gradio_app(
        app, page, path="/", server_name=settings.host, footer_links=[], theme=theme, css=parts.style(),
        head=parts.head(),
        max_file_size=MOST_UPLOAD, show_error=True, ssr_mode=False, pwa=False, mcp_server=False,
        enable_monitoring=False,
        # A browser would keep all that was ever asked and answered, and write all of it anew while a job goes on.
        run_history=False,
    )  # fmt: skip


def serve(settings: Settings, listening: socket.socket, told: Callable[[str], object]) -> None:
    """Answer until the process is interrupted; ``told`` is given the address once.  Removes the cache at the end."""
    host, port = listening.getsockname()[:2]
    place = f"[{host}]" if ":" in host else host
    try:
        app = application(settings)
        told(f"http://{place}:{port}/")
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()
        shutil.rmtree(settings.cache, ignore_errors=True)


def new_cache() -> Path:
    """A folder that only this person reads."""
    return Path(tempfile.mkdtemp(prefix="flowmusic-page-"))
