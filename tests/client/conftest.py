"""A fake server and a session with it."""

from collections.abc import AsyncIterator

import pytest

from client.connection import Target, connect
from client.interrupts import Interrupts
from client.session import Session
from tests.support.fake_service import FakeService, serving


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def session(service: FakeService) -> AsyncIterator[Session]:
    async with serving(service) as address:
        target = Target(server=address)
        async with connect(target) as connection:
            yield Session(connection=connection, target=target, interrupts=Interrupts())
