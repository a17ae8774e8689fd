"""What is answered to calls of methods that there are not."""

from time import perf_counter
from typing import NoReturn

import grpc

from countermand.core.knobs import PublicKnobs
from countermand.rpc.guard.handlers import Handler, answering_once
from countermand.rpc.guard.open_calls import Context
from countermand.rpc.guard.peers import network_of
from countermand.rpc.public.turns import Turns
from countermand.telemetry.measures import OTHER, Measures


def unknown_method(knobs: PublicKnobs, measures: Measures) -> Handler:
    """Returns the handler of all of them. It answers as gRPC itself does, but not more often."""
    measure = measures.of_method(OTHER)
    turns = Turns(knobs.max_answers_per_second, knobs.max_waiting)

    async def handle(context: Context) -> NoReturn:
        measure.ended("UNIMPLEMENTED", perf_counter())
        await turns.wait(network_of(context))
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")

    return answering_once(handle)
