"""How many run at once, and that one client never takes all places."""

import asyncio

import pytest
from anyio import create_task_group, run, sleep

from app import turns
from app.errors import Busy
from app.turns import LightTurns, Shares, Turns


def test_as_many_run_at_once_as_there_are_places_and_one_of_each_client():
    seen: list[set[str]] = []

    async def main() -> None:
        places, now = Turns(at_once=2, waiting=20), set()

        async def work(name: str) -> None:
            async with places.take(name[0]):
                now.add(name)
                seen.append(set(now))
                await sleep(0.01)
                now.remove(name)

        async with create_task_group() as tasks:
            for name in ("a1", "a2", "a3", "b1", "c1"):
                tasks.start_soon(work, name)

    run(main)
    assert len(seen) == 5
    assert max(map(len, seen)) == 2
    assert all(len({name[0] for name in names}) == len(names) for names in seen)


def test_waiting_too_long_raises_busy(monkeypatch):
    monkeypatch.setattr(turns, "WAIT_S", 0.05)

    async def main() -> None:
        places = Turns(at_once=1, waiting=4)

        async def try_in_vain(client: str) -> None:
            with pytest.raises(Busy):
                async with places.take(client):
                    pass

        async with places.take("a"), create_task_group() as tasks:
            tasks.start_soon(try_in_vain, "a")
            tasks.start_soon(try_in_vain, "b")
        async with places.take("b"):  # the place was returned
            assert not places.wanted

    run(main)


def test_one_client_may_take_half_of_the_waiting_places():
    async def main() -> None:
        places = Turns(at_once=1, waiting=4)
        refused: list[str] = []

        async def work(client: str) -> None:
            try:
                async with places.take(client):
                    await sleep(0.05)
            except Busy:
                refused.append(client)

        async with create_task_group() as tasks:
            for client in "aaaaaabbbb":
                tasks.start_soon(work, client)
                await sleep(0)
            await sleep(0)
            assert places.wanted

        assert refused.count("a") == 3  # one runs, two wait
        assert refused.count("b") == 2  # two more wait, four in all

    run(main)


def test_cancelling_returns_the_place():
    async def main() -> None:
        places = Turns(at_once=1, waiting=4)
        async with create_task_group() as tasks:

            async def hold() -> None:
                async with places.take("a"):
                    await sleep(60)

            tasks.start_soon(hold)
            await sleep(0.01)
            tasks.cancel_scope.cancel()
        async with places.take("a"):
            pass

    run(main)


# --- in the event loop ------------------------------------------------------------------------------


def test_of_two_clients_the_one_with_one_request_hardly_waits():
    done: list[str] = []

    async def main() -> None:
        turns = LightTurns()

        async def work(client: str) -> None:
            await turns.take(client)
            done.append(client)

        await asyncio.gather(*(work(client) for client in ["many"] * 50 + ["one"]))

    asyncio.run(main())
    assert done.index("one") == 1
    assert done.count("many") == 50


def test_who_gives_up_does_not_keep_the_turn():
    async def main() -> None:
        turns = LightTurns()
        await turns.take("a")
        waiting = asyncio.ensure_future(turns.take("a"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait_for(turns.take("a"), 1)

    asyncio.run(main())


def test_client_that_has_its_share_is_refused_and_others_are_not():
    shares = Shares(most=2)
    with shares.take("a"), shares.take("b"):
        with shares.take("a"), pytest.raises(Busy), shares.take("a"):
            pass
        with shares.take("a"):
            pass
