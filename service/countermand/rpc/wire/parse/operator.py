"""What operators ask."""

from typing import NamedTuple, Protocol

from countermand.core.ids import ENVIRONMENTS
from countermand.rpc.wire.form import Form


class _OfTenants(Protocol):
    tenant: str
    environment: str


class Chosen(NamedTuple):
    """Whose rows are asked for; an empty name stands for all."""

    tenant: str
    environment: str


def parse_chosen(form: Form, request: _OfTenants) -> Chosen:
    """Reads whose rows are asked for."""
    if request.environment not in ("", *ENVIRONMENTS):
        form.reject("environment", f"must be empty, or one of {', '.join(ENVIRONMENTS)}")
    return Chosen(form.optional_name("tenant", request.tenant) or "", request.environment)
