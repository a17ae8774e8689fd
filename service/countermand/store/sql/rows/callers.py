"""Rows of those who call: agents, and the keys of all."""

import json
from typing import Any

from countermand.core.keys import Key, KeyLimits
from countermand.core.records import Agent


def read_agent(row: list[Any]) -> Agent:
    """Returns the agent of a row."""
    return Agent(*row)


def write_agent(agent: Agent) -> tuple[Any, ...]:
    """Returns the row of an agent."""
    return (
        agent.namespace,
        agent.agent_id,
        agent.lease_duration,
        agent.lease_expire_time,
        agent.lost_time,
    )


def read_key(row: list[Any]) -> Key:
    """Returns the key of a `{key}` row."""
    namespace, tenant, environment, key_id, scopes, secret_hash, *rest = row
    created, expires, revoked, used, successor, *limits, name, created_by, revoked_by = rest
    return Key(
        key_id=key_id,
        tenant=tenant,
        environment=environment,
        scopes=tuple(json.loads(scopes)),
        secret_hash=bytes.fromhex(secret_hash),
        create_time=created,
        expire_time=expires,
        revoke_time=revoked,
        last_use_time=used,
        successor_key_id=successor,
        limits=KeyLimits(*limits),
        namespace=namespace,
        name=name,
        created_by=created_by,
        revoked_by=revoked_by,
    )


def write_key(key: Key) -> tuple[Any, ...]:
    """Returns the row of a key."""
    return (
        key.tenant,
        key.environment,
        key.key_id,
        json.dumps(key.scopes),
        key.secret_hash,
        key.create_time,
        key.expire_time,
        key.revoke_time,
        key.last_use_time,
        key.successor_key_id,
        *key.limits,
        key.name,
        key.created_by,
        key.revoked_by,
    )
