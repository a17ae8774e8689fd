"""KeyService."""

from countermand.engine.clock import Clock
from countermand.engine.keyring import Keyring
from countermand.rpc.method import Call, needs
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.parse.keys import parse_create_key, parse_revoke_key, parse_rotate_key
from countermand.rpc.wire.render.keys import render_key
from countermand.rpc.wire.tokens import decode_id, encode_id
from countermand.v1 import key_service_pb2 as pb


class KeyService:
    """Manages API keys of every tenant."""

    SERVICE = pb.DESCRIPTOR.services_by_name["KeyService"]

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        self._keyring = keyring
        self._clock = clock

    @needs("keys:admin")
    async def create_key(self, call: Call, request: pb.CreateKeyRequest) -> pb.CreateKeyResponse:
        new = parse_create_key(request, self._clock.now())
        key, secret = await self._keyring.create(new, created_by=call.principal.key_id)
        return pb.CreateKeyResponse(key=render_key(key), secret=secret)

    @needs("keys:admin")
    async def list_keys(self, call: Call, request: pb.ListKeysRequest) -> pb.ListKeysResponse:
        form = Form()
        limit = form.page_size(request.page_size)
        form.check()
        keys = self._keyring.list()
        ids = [key.key_id for key in keys]
        last = decode_id(request.page_token, lambda id: id if id in ids else None, "keys")
        begin = 0 if last is None else ids.index(last) + 1
        page = keys[begin : begin + limit]
        following = page[-1].key_id if begin + limit < len(keys) else None
        return pb.ListKeysResponse(
            keys=map(render_key, page), next_page_token=encode_id(following, "keys")
        )

    @needs("keys:admin")
    async def revoke_key(self, call: Call, request: pb.RevokeKeyRequest) -> pb.RevokeKeyResponse:
        key = await self._keyring.revoke(parse_revoke_key(request), call.principal.key_id)
        return pb.RevokeKeyResponse(key=render_key(key))

    @needs("keys:admin")
    async def rotate_key(self, call: Call, request: pb.RotateKeyRequest) -> pb.RotateKeyResponse:
        key_id, overlap = parse_rotate_key(request)
        key, secret = await self._keyring.rotate(key_id, overlap, call.principal.key_id)
        return pb.RotateKeyResponse(key=render_key(key), secret=secret)
