"""Rows of those who call: agents, and the keys of all."""

import json
from typing import Any

from countermand.core.records import Agent, Key


def read_agent(row: list[Any]) -> Agent:
    """Returns the agent of a row."""
    return Agent(*row)


def write_agent(agent: Agent) -> tuple[Any, ...]:
    """Returns the row of an agent."""
    return (agent.namespace, agent.agent_id, agent.lease_duration, agent.lease_expire_time)


def read_key(row: list[Any]) -> Key:
    """Returns the key of a `{key}` row."""
    key_id, tenant, environment, scopes, secret_hash, created, expires, revoked, namespace = row
    return Key(
        key_id=key_id,
        tenant=tenant,
        environment=environment,
        scopes=tuple(json.loads(scopes)),
        secret_hash=bytes.fromhex(secret_hash),
        create_time=created,
        expire_time=expires,
        revoke_time=revoked,
        namespace=namespace,
    )


def write_key(key: Key) -> tuple[Any, ...]:
    """Returns the parameters that save a key."""
    return (
        key.key_id,
        key.tenant,
        key.environment,
        json.dumps(key.scopes),
        key.secret_hash,
        key.create_time,
        key.expire_time,
        key.revoke_time,
    )
