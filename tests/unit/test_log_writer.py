"""The thread that writes the log: nothing waits for it, and what it leaves out is counted."""

import io
import os
import select
from collections.abc import Iterator
from typing import TextIO

import pytest

from countermand.telemetry.log_writer import LogWriter

MOST = 10_000


class Pipe:
    """A pipe that nobody reads but the test."""

    def __init__(self) -> None:
        self.read_end, write_end = os.pipe()
        self.stream: TextIO = os.fdopen(write_end, "w")

    def read(self, until: str) -> list[str]:
        """Reads lines up to the one that ends so."""
        found = b""
        while not found.endswith(f"{until}\n".encode()):
            found += os.read(self.read_end, 65_536)
        return found.decode().splitlines()

    def read_all(self) -> list[str]:
        """Reads what has been written, down to an empty pipe."""
        found = b""
        while select.select([self.read_end], [], [], 0.0)[0]:
            found += os.read(self.read_end, 65_536)
        return found.decode().splitlines()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.read_end)
    pipe.stream.close()


def writer(stream: TextIO, most: int = MOST) -> LogWriter:
    return LogWriter(stream, most, lambda count: f"left out {count}")


def test_lines_are_written_in_their_order(pipe: Pipe):
    log = writer(pipe.stream)
    lines = [f"line {number}" for number in range(500)]
    for line in lines:
        log.write(line)
    log.write("end")
    assert pipe.read("end") == [*lines, "end"]


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_what_is_left_out_is_counted(pipe: Pipe):
    log = writer(pipe.stream)
    lines = [f"{number:0100}" for number in range(3000)]  # 300 kB, of which a pipe takes 64
    for line in lines:
        log.write(line)
    log.flush(0.01)
    kept = []
    while not log.flush(0.05):
        kept += pipe.read_all()
    log.write("end")
    kept += pipe.read("end")
    gaps = [line.removeprefix("left out ") for line in kept if line.startswith("left out")]
    told = [line for line in kept if line.isdigit()]
    assert gaps
    assert told == sorted(set(told))
    assert len(told) + sum(map(int, gaps)) == len(lines)


def test_it_waits_for_a_moment_until_all_is_written(pipe: Pipe):
    log = writer(pipe.stream)
    log.write("line")
    log.flush(10)
    assert os.read(pipe.read_end, 100) == b"line\n"


def test_a_stream_that_takes_nothing_any_more_is_no_matter():
    read_end, write_end = os.pipe()
    stream = os.fdopen(write_end, "w")
    os.close(read_end)
    log = writer(stream)
    for _ in range(100):
        log.write("line")
        log.flush(10)
    stream.close()
    log.write("line")
    log.flush(10)


def test_a_stream_in_memory_takes_lines_too():
    stream = io.StringIO()
    log = writer(stream)
    log.write("line")
    log.flush(10)
    assert stream.getvalue() == "line\n"
