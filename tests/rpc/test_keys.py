"""KeyService, and what a key opens."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.v1 import key_service_pb2 as k
from countermand.v1 import task_service_pb2
from tests.support.caller import SCOPES, Stubs, new_caller, new_id
from tests.support.refusals import refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


def from_now(seconds: float) -> Timestamp:
    time = Timestamp()
    time.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return time


async def create(admin, **fields):
    fields = {
        "tenant": f"t-{new_id()}",
        "environment": "sandbox",
        "scopes": ["tasks:read"],
        **fields,
    }
    return await admin.keys.CreateKey(k.CreateKeyRequest(**fields))


async def all_keys(admin, page_size=0):
    """Returns all keys, without their last use: listing them is one of the admin's own."""
    keys, token, pages = [], "", 0
    while not pages or token:
        page = await admin.keys.ListKeys(k.ListKeysRequest(page_size=page_size, page_token=token))
        keys += page.keys
        token = page.next_page_token
        pages += 1
    for key in keys:
        key.ClearField("last_use_time")
    return keys


async def list_with(shared, *metadata):
    async with grpc.aio.insecure_channel(shared.address) as channel:
        request = task_service_pb2.ListTasksRequest()
        return await Stubs(channel).tasks.ListTasks(request, metadata=metadata)


async def test_a_new_key_is_answered_with_its_secret_and_works(shared, admin):
    made = await create(admin, tenant="Shop_1.eu:a-b", environment="production")
    assert made.key.key_id in made.secret
    assert made.secret.startswith("cmd_production_")
    assert (made.key.tenant, made.key.environment) == ("Shop_1.eu:a-b", "production")
    assert list(made.key.scopes) == ["tasks:read"]
    assert abs(made.key.create_time.ToSeconds() - datetime.now(UTC).timestamp()) < 60
    assert not made.key.HasField("expire_time")
    assert not made.key.HasField("revoke_time")
    await list_with(shared, ("x-api-key", made.secret))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_key_may_also_come_as_a_bearer(shared, admin, scheme):
    made = await create(admin)
    await list_with(shared, ("authorization", f"{scheme} {made.secret}"))
    await refused(list_with(shared, ("authorization", f"Basic {made.secret}")), "API_KEY_MISSING")


async def test_a_key_that_is_sent_twice_counts_once_and_two_different_ones_are_none(shared, admin):
    one, other = [(await create(admin)).secret for _ in range(2)]
    await list_with(shared, ("x-api-key", one), ("x-api-key", one))
    for pair in ((one, other), (other, one), (one, "cmd_made_up"), ("cmd_made_up", one)):
        both = [("x-api-key", secret) for secret in pair]
        await refused(list_with(shared, *both), "API_KEY_INVALID")


async def test_x_api_key_stands_before_an_authorization_that_a_mesh_added(shared, admin):
    key = ("x-api-key", (await create(admin)).secret)
    mesh = ("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.")
    for metadata in ((key, mesh), (mesh, key), (mesh, key, mesh)):
        await list_with(shared, *metadata)
    wrong = ("x-api-key", "cmd_made_up")
    bearer = ("authorization", f"Bearer {key[1]}")
    for metadata in ((wrong, bearer), (bearer, wrong)):
        await refused(list_with(shared, *metadata), "API_KEY_INVALID")


async def test_the_secret_is_nowhere_to_be_read_again(shared, admin):
    made = await create(admin)
    secret = made.secret.rpartition("_")[2].encode()
    for file in shared.folder.iterdir():
        content = file.read_bytes()
        assert made.secret.encode() not in content
        assert secret not in content
        assert bytes.fromhex(secret.decode()) not in content
    assert not any(made.secret in line for line in shared.log)
    assert not any(made.secret in str(key) for key in await all_keys(admin))


async def test_keys_are_listed_newest_first_in_pages(admin):
    made = [(await create(admin)).key for _ in range(5)]
    listed = await all_keys(admin)
    assert [key.key_id for key in listed[:5]] == [key.key_id for key in reversed(made)]
    assert await all_keys(admin, page_size=2) == listed
    assert await all_keys(admin, page_size=5000) == listed


@pytest.mark.parametrize("token", ["x", "AAAA", "ü", "A" * 40])
async def test_a_page_token_of_another_list_is_refused(admin, caller, token):
    request = k.ListKeysRequest(page_token=token)
    refusal = await refused(admin.keys.ListKeys(request), "PAGE_TOKEN_INVALID")
    assert list(refusal.fields) == ["page_token"]
    for _ in range(2):
        await caller.create()
    page = await caller.tasks.ListTasks(task_service_pb2.ListTasksRequest(page_size=1))
    request = k.ListKeysRequest(page_token=page.next_page_token)
    await refused(admin.keys.ListKeys(request), "PAGE_TOKEN_INVALID")


async def test_a_revoked_key_is_refused_at_once_and_stays_listed(shared, admin):
    made = await create(admin)
    await list_with(shared, ("x-api-key", made.secret))
    request = k.RevokeKeyRequest(key_id=made.key.key_id)

    revoked = (await admin.keys.RevokeKey(request)).key

    await refused(list_with(shared, ("x-api-key", made.secret)), "API_KEY_INVALID")
    assert revoked.HasField("revoke_time")
    assert (await admin.keys.RevokeKey(request)).key == revoked  # a repeat changes nothing
    listed = {key.key_id: key.revoke_time for key in await all_keys(admin)}
    assert listed[revoked.key_id] == revoked.revoke_time


async def test_an_unknown_key_cannot_be_revoked(admin):
    request = k.RevokeKeyRequest(key_id="0123456789abcdef")
    refusal = await refused(admin.keys.RevokeKey(request), "KEY_NOT_FOUND")
    assert refusal.resource == ("key", "0123456789abcdef")


async def test_an_expiry_is_kept_and_may_not_be_in_the_past(admin):
    time = from_now(3600)
    made = await create(admin, expire_time=time)
    assert made.key.expire_time.ToMicroseconds() == time.ToMicroseconds()
    refusal = await refused(create(admin, expire_time=from_now(-1)), "INVALID_REQUEST")
    assert list(refusal.fields) == ["expire_time"]


async def test_limits_are_kept_and_by_default_there_are_none(admin):
    limits = k.KeyLimits(writes_per_second=1, watches_per_second=1_000_000, open_watches=3)
    made = await create(admin, limits=limits)
    plain = await create(admin, limits=k.KeyLimits(reads_per_second=0))
    assert made.key.limits == limits
    assert not plain.key.HasField("limits")
    assert (await all_keys(admin))[:2] == [plain.key, made.key]


@pytest.mark.parametrize("limit", k.KeyLimits.DESCRIPTOR.fields_by_name)
@pytest.mark.parametrize("number", [-1, 1_000_001, 2**31 - 1])
async def test_a_limit_that_cannot_be_is_refused(admin, limit, number):
    call = create(admin, limits=k.KeyLimits(**{limit: number}))
    refusal = await refused(call, "INVALID_REQUEST")
    assert refusal.fields == {f"limits.{limit}": "must be 0 to 1000000"}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"tenant": ""}, "tenant"),
        ({"tenant": "a b"}, "tenant"),
        ({"tenant": "x" * 129}, "tenant"),
        ({"environment": ""}, "environment"),
        ({"environment": "staging"}, "environment"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["tasks:everything"]}, "scopes"),
        ({"scopes": ["tasks:read", "tasks:read"]}, "scopes"),
    ],
)
async def test_a_key_that_cannot_be_is_refused(admin, fields, wrong):
    before = await all_keys(admin)
    refusal = await refused(create(admin, **fields), "INVALID_REQUEST")
    assert list(refusal.fields) == [wrong]
    assert await all_keys(admin) == before


async def test_every_scope_of_the_api_can_be_given(admin):
    made = await create(admin, scopes=SCOPES)
    assert tuple(made.key.scopes) == SCOPES


async def test_environments_of_one_tenant_see_nothing_of_each_other(shared, admin, caller):
    task = await caller.create()
    fields = {"tenant": caller.tenant, "environment": "production"}
    async with new_caller(shared, admin, **fields) as production:
        await refused(production.get(task.task_id), "TASK_NOT_FOUND")
        await refused(production.cancel(task.task_id), "TASK_NOT_FOUND")
        twin = await production.create(task_id=task.task_id)  # ids are unique in each only
        await production.cancel(twin.task_id)
    assert await caller.get(task.task_id) == task


async def test_keys_of_one_tenant_see_the_same(shared, admin, caller):
    task = await caller.create()
    async with new_caller(shared, admin, tenant=caller.tenant) as second:
        assert await second.get(task.task_id) == task
