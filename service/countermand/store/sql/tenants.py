"""Which namespaces a batch reads and changes."""

from countermand.core.changes import Saves
from countermand.core.rows import Wanted


def tenants_of_wanted(wanted: Wanted) -> set[int]:
    """Returns the namespaces of all that a batch wants by its id; what it looks for has none."""
    found = set(wanted.namespaces)
    for ids in (
        wanted.tasks,
        wanted.ending,
        wanted.carts,
        wanted.agents,
        wanted.cancellations,
        wanted.early_cancels,
        wanted.request_ids,
    ):
        found.update([namespace for namespace, _ in ids])
    for targets in (wanted.holders, wanted.snapshots, wanted.members, wanted.subgroups):
        found.update([target.namespace for target in targets])
    webhooks = wanted.webhooks
    if webhooks is not None:
        found |= webhooks.endpoints
        found.update([namespace for namespace, *_ in webhooks.deliveries])
        found.update([namespace for namespace, _ in webhooks.notices])
        if webhooks.stale is not None:
            found.add(webhooks.stale.namespace)
    return found


def tenants_of_saves(saves: Saves) -> set[int]:
    """Returns the namespaces of what a batch saves that it may not have wanted by its id: what it
    came upon and removes."""
    return {one.namespace for one in saves.gone}
