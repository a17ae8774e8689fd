"""Which commands may take long."""

from countermand.core import commands as c
from countermand.core.updates import UpdateCheckout

LARGE = (
    c.CreateGroup,
    c.CreateCheckout,
    c.CreateOrder,
    c.UpdateOrder,
    UpdateCheckout,
    c.CancelGroup,
    c.CancelCheckout,
    c.CancelOrder,
    c.ChangeCart,
    c.Purge,
)
"""What may touch 10,000 tasks, or removes rows, and so goes in a batch of its own."""
