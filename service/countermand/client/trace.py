"""The caller's trace: it goes along with each call, if the program uses OpenTelemetry."""

import sys

from countermand.client.channels import Metadata

_PROPAGATION = "opentelemetry.trace"
"""Who has not imported it has no trace that could go along, so it is never imported for that."""

_NAMES = ("traceparent", "tracestate")


def with_trace(metadata: Metadata) -> Metadata:
    """Returns the metadata with the trace context of the caller, unless it names one itself."""
    if _PROPAGATION not in sys.modules or any(key in _NAMES for key, _ in metadata):
        return metadata
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return (*metadata, *((name, carrier[name]) for name in _NAMES if carrier.get(name)))
