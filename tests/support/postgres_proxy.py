"""A way to PostgreSQL that counts the turns on it, cuts it where a test says, and freezes.

It reads the protocol as far as it must: which statements a client sends, and what is answered. It
lives on a thread of its own, so that tests may wait for the store in whatever way they like.
"""

import asyncio
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

CANCEL, SSL, GSS = 80877102, 80877103, 80877104
"""Codes of what a client may send first, beside the version of the protocol."""
CHUNK = 65536


class Cut(NamedTuple):
    """Where every connection is cut once: at the first statement that begins with a word."""

    word: str
    """Such as COMMIT."""
    where: str
    """`before`: the server does not get what the client sent with it. `in`: it gets it, and answers
    nobody. `after`: it answers, which the client does not get."""


class Proxy:
    """Listens on a port of 127.0.0.1, and hands all on to another."""

    def __init__(self, port: int) -> None:
        self.target = port
        """Where new connections go."""
        self.port = 0
        self.turns = 0
        """How often a client sent something and then had to wait for its answer."""
        self.statements: list[str] = []
        """What all clients had run, in order."""
        self.opened = 0
        """How many connections there were."""
        self.cancels = 0
        """How many of them asked to cancel what another runs."""
        self.delay = 0.0
        """Seconds that everything takes in each direction."""
        self.rewritten = (b"", b"")
        """What the server says, and what clients hear instead; it has the same length."""
        self.hints = ""
        """What becomes of notifications: `lost`, as behind a pooler of transactions; `late`, by
        half a second; `twice`; or `frozen`: who listens hears nothing at all, and is not told."""
        self.database = (b"", b"")
        """What database clients ask for, and which they get; both names have the same length."""
        self.cut: Cut | None = None
        """What is to be cut next; None again once it was."""
        self.cut_done = threading.Event()
        self._lines: set[_Line] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._refusing = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="proxy", daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._lines)

    def forget(self) -> None:
        """Counts from nothing again."""
        self._do(self._forget)

    @property
    def turns_of_writers(self) -> int:
        """The turns on those connections alone on which something was committed. A reader's thread
        ends what it read with a turn for which nobody waits: it may come at any time."""
        return sum(line.turns for line in self._lines if line.has_committed)

    def cut_at(self, word: str, where: str) -> None:
        """Cuts the connection on which the next statement comes that begins so; see Cut."""
        self.cut_done.clear()
        self.cut = Cut(word, where)

    def cut_all(self) -> None:
        """Cuts all connections as they are."""
        self._do(lambda: [line.close() for line in list(self._lines)])

    def refuse(self, refusing: bool = True) -> None:
        """Closes each new connection at once, from now on."""
        self._refusing = refusing

    def freeze(self) -> None:
        """Hands nothing on, and closes nothing, until `thaw`: nobody is told."""
        self._do(self._flowing.clear)

    def thaw(self) -> None:
        """Hands on what waited."""
        self._do(self._flowing.set)

    def _forget(self) -> None:
        self.turns = self.opened = self.cancels = 0
        self.statements.clear()
        for line in self._lines:
            line.turns, line.has_committed = 0, False

    def _do(self, what: Callable[[], object]) -> None:
        """Runs it on the thread of the proxy, and waits until it is done."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (what(), done.set()))
        done.wait()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._flowing.set()
        server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            self._loop.run_until_complete(self._end())
            self._loop.close()

    async def _end(self) -> None:
        """Closes all that is open, and waits for what it was that handed on."""
        self._flowing.set()
        for line in list(self._lines):
            line.close()
        if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(tasks)

    async def _accept(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        self.opened += 1
        if self._refusing:
            to_client.transport.abort()
            return
        try:
            from_server, to_server = await asyncio.open_connection(
                "127.0.0.1", self.target, limit=CHUNK
            )
        except OSError:
            to_client.transport.abort()
            return
        line = _Line(self, to_client, to_server)
        self._lines.add(line)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._hand_on(from_client, line.from_client, line.client_gone))
                both.create_task(self._hand_on(from_server, line.from_server, line.close))
        finally:
            self._lines.discard(line)
            line.close()

    async def _hand_on(
        self,
        reader: asyncio.StreamReader,
        take: Callable[[bytes], bool],
        end: Callable[[], None],
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._flowing.wait()
                if not take(data):
                    break
        end()


class _Line:
    """One connection through the proxy, and what is known of it."""

    def __init__(
        self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._sent = b""
        """What the client sent that is not yet a whole message."""
        self._answered = b""
        self._started = False
        self._refusals = 0
        """How many answers of a lone letter are on their way: no TLS, no GSS."""
        self._named: dict[bytes, str] = {}
        """Statements that were prepared."""
        self._burst: list[str] = []
        """With which words the statements begin that came since the last burst ended."""
        self._bursts: deque[bool] = deque()
        """For each burst that has not been answered, whether the client waits for its answer."""
        self.turns = 0
        """See Proxy.turns."""
        self.has_committed = False
        """Whether a transaction was committed on it."""
        self._listens = False
        """Whether it waits for notifications."""
        self._cutting: Cut | None = None
        """At what it is cut: it ends once the server has answered that."""

    def from_client(self, data: bytes) -> bool:
        """Hands on what the client sent. Returns whether the connection goes on."""
        asked, given = self._proxy.database
        if asked and not self._started:
            data = data.replace(b"database\0%b\0" % asked, b"database\0%b\0" % given)
        self._sent += data
        for kind, body in self._messages():
            statement = self._statement(kind, body)
            if statement is not None:
                self._proxy.statements.append(statement)
                self._burst.append(statement.partition(" ")[0].upper())
                self._listens |= statement.upper().startswith("LISTEN")
                self.has_committed |= statement.upper() == "COMMIT"
                if self._is_cut_at(statement) and self._cutting is None:
                    return self._cut_now(data)
            if kind in b"SQ":
                self._end_burst()
        self._server.write(data)
        return True

    def _end_burst(self) -> None:
        """Counts a turn, unless the client waits for another, or for nothing: as for a hint."""
        is_awaited = set(self._burst) != {"NOTIFY"}
        if is_awaited and not any(self._bursts):
            self._proxy.turns += 1
            self.turns += 1
        self._bursts.append(is_awaited)
        self._burst.clear()

    def _is_cut_at(self, statement: str) -> bool:
        cut = self._proxy.cut
        return cut is not None and statement.upper().startswith(cut.word.upper())

    def _is_cut_behind(self, tag: bytes) -> bool:
        cut = self._cutting
        return cut is not None and tag.upper().startswith(cut.word.upper().encode())

    def _cut_now(self, data: bytes) -> bool:
        """Cuts at the statement that just came. Returns whether the server still has to answer."""
        cut, self._proxy.cut = self._proxy.cut, None
        assert cut is not None
        if cut.where == "before":
            self.close()
            self._proxy.cut_done.set()
            return False
        self._server.write(data)
        self._cutting = cut
        if cut.where == "in":
            self._client.transport.abort()
            self._proxy.cut_done.set()
        return True

    def from_server(self, data: bytes) -> bool:
        """Hands on what the server answered. Returns whether the connection goes on."""
        self._answered += data
        forwarded = b""
        while self._refusals and self._answered:
            self._refusals -= 1
            forwarded += self._answered[:1]
            self._answered = self._answered[1:]
        while len(self._answered) >= 5:
            (length,) = struct.unpack_from("!I", self._answered, 1)
            if len(self._answered) <= length:
                break
            whole, body = self._answered[: length + 1], self._answered[5 : length + 1]
            kind = whole[:1]
            self._answered = self._answered[length + 1 :]
            forwarded += whole if kind != b"A" else self._hint(whole)
            if kind == b"Z" and self._bursts:
                self._bursts.popleft()
            if kind == b"C" and self._is_cut_behind(body):
                self.close()
                self._proxy.cut_done.set()
                return False
        if not self._client.is_closing():
            said, heard = self._proxy.rewritten
            self._forward(forwarded.replace(said, heard) if said else forwarded)
        return True

    def _forward(self, data: bytes) -> None:
        if not self._client.is_closing() and not (self._listens and self._proxy.hints == "frozen"):
            self._client.write(data)

    def _hint(self, notification: bytes) -> bytes:
        """Returns what the client hears of a notification just now."""
        what = self._proxy.hints
        if what == "late":
            asyncio.get_running_loop().call_later(0.5, self._forward, notification)
        return {"": 1, "twice": 2}.get(what, 0) * notification

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        """Takes the whole messages out of what the client sent."""
        while True:
            at = 1 if self._started else 0
            if len(self._sent) < at + 4:
                return
            (length,) = struct.unpack_from("!I", self._sent, at)
            if len(self._sent) < at + length:
                return
            kind, body = self._sent[:at], self._sent[at + 4 : at + length]
            self._sent = self._sent[at + length :]
            if self._started:
                yield kind, body
            else:
                self._begin(body)

    def _begin(self, body: bytes) -> None:
        (code,) = struct.unpack_from("!I", body)
        if code in (SSL, GSS):
            self._refusals += 1
        elif code == CANCEL:
            self._proxy.cancels += 1
        else:
            self._started = True

    def _statement(self, kind: bytes, body: bytes) -> str | None:
        """Returns what the server is to run by a message, if that is what it says."""
        if kind == b"Q":
            return body.rstrip(b"\0").decode()
        if kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self._named[name] = text.decode()
        elif kind == b"B":
            _, name, _ = body.split(b"\0", 2)
            return self._named.get(name, "")
        return None

    def client_gone(self) -> None:
        """Closes the other end, too, unless the server is to answer first what it got."""
        if self._cutting is None:
            self.close()

    def close(self) -> None:
        """Closes both of its ends, as somebody does who is gone."""
        for end in (self._client, self._server):
            if not end.transport.is_closing():
                end.transport.abort()


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """Gives a proxy before a port of this machine."""
    with Proxy(port) as proxy:
        yield proxy
