"""One file over HTTP: resumed where it was cut, given up when nothing comes, never under its final name before it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from anatomy.errors import FetchError
from anatomy.progress.counting import counted
from anatomy.store.files import explained, sync
from anatomy.store.locks import try_lock

CHUNK = 1 << 16
"""Bytes at a time; of a connection that is cut, at most so many are lost."""
PAUSE = 1.0
"""Seconds between attempts."""
AGAIN = {408, 425, 429, 500, 502, 503, 504}
"""Answers that may be better next time."""


@dataclass(frozen=True)
class Request:
    """What is asked of a server.

    Attributes:
        address: of the file.
        headers: sent to this server alone, not to one it redirects to; may hold a token, so they are never shown.
        immutable: whether the address always means the same bytes, so that a cut download may be continued later.
        page: what a person opens to be let in.
        gated: whether the registry knows of a gate.
    """

    address: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    immutable: bool = True
    page: str = ""
    gated: bool = False


def download(
    request: Request, aside: Path, *, timeout: float, tries: int, say: Callable[[str], None] = lambda text: None
) -> dict[str, str]:
    """Fill the file ``aside``; what an earlier, cut attempt left there is continued.

    Args:
        timeout: seconds to wait for a connection, and for each next byte.
        tries: attempts; one that got further than before does not count.

    Returns:
        The headers of the first answer (of a hub: before any redirection), in lower case.

    Raises:
        FetchError: refused, not found, too slow, cut again and again; what has arrived is kept.
        StoreError: the disk cannot be written, or has no locks.
    """
    aside.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _filled(request, aside, timeout, tries, say)
    finally:
        if aside.is_file() and not aside.stat().st_size:
            aside.unlink()


def _filled(request: Request, aside: Path, timeout: float, tries: int, say: Callable[[str], None]) -> dict[str, str]:
    import requests

    held = try_lock(aside)
    if held is None:
        raise FetchError(
            found="another process is fetching it", expected="one at a time", where=str(aside), remedy="wait for the other one"
        )
    with held, explained(aside), open(aside, "ab") as file:
        if not request.immutable:
            _empty(file)
        left = tries
        while True:
            before, problem = file.tell(), None
            try:
                with requests.get(
                    request.address, stream=True, timeout=timeout, auth=_sender(request.headers), headers=_range(before)
                ) as answer:
                    if answer.status_code not in AGAIN:
                        _check(answer, request)
                        if _receive(answer, file):
                            return {name.lower(): value for name, value in (answer.history or [answer])[0].headers.items()}
                        problem = f"the connection ended after {file.tell()} bytes"
                    else:
                        problem = f"the server answered {answer.status_code} {answer.reason}"
            except requests.Timeout:
                problem = f"nothing came for {timeout:g} s"
            except requests.exceptions.ChunkedEncodingError:
                problem = "the connection was cut"
            except requests.ConnectionError as error:
                problem = "the connection was cut" if file.tell() > before else f"no connection ({_innermost(error)})"
            except requests.RequestException as error:
                raise FetchError(
                    found=f"{type(error).__name__}: {error}", expected="an address that can be asked", where=request.address
                ) from None
            file.flush()
            left = left if file.tell() > before else left - 1
            if left <= 0:
                raise _gave_up(problem, request, file.tell(), timeout)
            say(f"{problem}; trying again from byte {file.tell()}")
            time.sleep(PAUSE)


def _sender(headers: Mapping[str, str]) -> Callable[[Any], Any]:
    """Puts headers on the first request only: one that is redirected elsewhere goes without a token, whatever ~/.netrc says."""

    def send(prepared: Any) -> Any:
        prepared.headers.update(headers)
        return prepared

    return send


def _range(start: int) -> dict[str, str]:
    # A packed answer would have other bytes and another length than the file.
    return {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}


def _receive(answer: Any, file: BinaryIO) -> bool:
    """Append the answer; False where fewer bytes came than were promised."""
    if answer.status_code == 416:  # nothing is left to send, or what lies here is no beginning of it
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if total == str(file.tell()):
            return True
        _empty(file)
        return False
    if answer.status_code == 200 and file.tell():  # the server starts over
        _empty(file)
    promised = answer.headers.get("Content-Length")
    start = file.tell()
    total = int(promised) / 1e6 if promised is not None and promised.isdigit() else 0
    for chunk in counted(answer.iter_content(CHUNK), "MB fetched", total, lambda chunk: len(chunk) / 1e6):
        file.write(chunk)
    file.flush()
    sync(file.fileno())
    return promised is None or file.tell() - start == int(promised)


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _check(answer: Any, request: Request) -> None:
    status = answer.status_code
    if status < 400 or status == 416:
        return
    where = request.address
    if status in (401, 403):
        token = bool(request.headers)
        raise FetchError(
            found=f"{status} {answer.reason}" + (": the token given is not let in" if token else ": no token was given"),
            expected="access" if request.gated else "access: the registry calls this set open",
            where=where,
            remedy=f"accept the licence at {request.page or where} with your account"
            + (", and give a token of that account in HF_TOKEN" if token else ", then set HF_TOKEN to a token of it"),
        )
    if status == 404:
        raise FetchError(
            found="404 Not Found",
            expected="the file at this revision",
            where=where,
            remedy="check path and revision of its entry in the registry; a set may have been moved or withdrawn",
        )
    raise FetchError(found=f"{status} {answer.reason}", expected="the file", where=where)


def _gave_up(problem: str, request: Request, here: int, timeout: float) -> FetchError:
    return FetchError(
        found=problem,
        expected="the whole file",
        where=request.address,
        remedy=f"run the same command again: it goes on from byte {here}; raise data.timeout ({timeout:g} s) for a slow server, "
        "or put the file into the folder data.mirror",
    )


def _innermost(error: BaseException) -> str:
    """The reason under the wrappings of requests and urllib3."""
    while True:
        inner = getattr(error, "reason", None) or next((part for part in error.args if isinstance(part, BaseException)), None)
        if not isinstance(inner, BaseException):
            return str(error).rpartition(": ")[2]
        error = inner
