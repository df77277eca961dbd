"""How many run at once, and that one client never takes all places."""

import asyncio

import pytest
from anyio import create_task_group, run, sleep

from app import turns
from app.client import Client
from app.errors import Busy
from app.turns import LightTurns, Shared, Shares, Turns


def test_as_many_run_at_once_as_there_are_places_and_one_of_each_client():
    seen: list[set[str]] = []

    async def main() -> None:
        places, now = Turns(at_once=2, waiting=20), set()

        async def work(name: str) -> None:
            async with places.take(Client(name[0])):
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

        async def try_in_vain(address: str) -> None:
            with pytest.raises(Busy):
                async with places.take(Client(address)):
                    pass

        async with places.take(Client("a")), create_task_group() as tasks:
            tasks.start_soon(try_in_vain, "a")
            tasks.start_soon(try_in_vain, "b")
        async with places.take(Client("b")):  # the place was returned
            assert not places.wanted

    run(main)


async def settle() -> None:
    """Until each task that was started works, or waits for a place."""
    for _ in range(10):
        await sleep(0)


async def refusals(places: Turns, clients: list[Client]) -> list[Client]:
    """Those that are refused of these, which come one after the other while the first one works."""
    refused: list[Client] = []

    async def work(client: Client) -> None:
        try:
            async with places.take(client):
                await sleep(0.05)
        except Busy:
            refused.append(client)

    async with create_task_group() as tasks:
        for client in clients:
            tasks.start_soon(work, client)
            await settle()
        assert places.wanted
    return refused


def test_one_client_may_take_half_of_the_waiting_places():
    a, b = Client("a"), Client("b")
    refused = asyncio.run(refusals(Turns(at_once=1, waiting=4), [a] * 6 + [b] * 4))
    assert refused.count(a) == 3  # one runs, two wait
    assert refused.count(b) == 2  # two more wait, four in all


def test_visits_of_one_address_take_no_more_together_and_each_takes_half_of_that():
    made_up = [Client("a", f"visit {number}") for number in range(8)]
    one, other = Client("b", "visit"), Client("b", "another visit")
    refused = asyncio.run(refusals(Turns(at_once=1, waiting=8), [*made_up, *[one] * 3, *[other] * 3]))
    assert refused == [*made_up[5:], one, other]


def test_places_go_to_addresses_in_turn():
    began: list[str] = []

    async def main() -> None:
        places = Turns(at_once=2, waiting=64)

        async def work(client: Client) -> None:
            async with places.take(client):
                began.append(client.address)
                await sleep(0.01)

        async with create_task_group() as tasks:
            for visit in range(20):
                tasks.start_soon(work, Client("many", f"visit {visit}"))
            await settle()
            for visit in range(2):
                tasks.start_soon(work, Client("one", f"visit {visit}"))

    run(main)
    assert began[:2] == ["many", "many"]  # an address alone may use all places
    assert [place for place, address in enumerate(began) if address == "one"] in ([3, 4], [3, 5])


def test_cancelling_returns_the_place():
    async def main() -> None:
        places = Turns(at_once=1, waiting=4)
        async with create_task_group() as tasks:

            async def hold() -> None:
                async with places.take(Client("a")):
                    await sleep(60)

            tasks.start_soon(hold)
            await sleep(0.01)
            tasks.cancel_scope.cancel()
        async with places.take(Client("a")):
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


# --- shared figures ---------------------------------------------------------------------------------


def test_figures_are_counted_once_at_a_time_and_kept_for_a_while(monkeypatch):
    monkeypatch.setattr(turns, "KEPT_S", 0.1)
    numbers = iter(range(10))

    async def count() -> int:
        await asyncio.sleep(0.01)
        return next(numbers)

    async def main() -> None:
        shared = Shared()
        assert await asyncio.gather(*[shared.get("a", count) for _ in range(5)]) == [0] * 5
        assert await shared.get("a", count) == 0
        assert await shared.get("b", count) == 1
        assert await shared.get("a", count, latest=True) == 2
        assert await shared.get("a", count) == 2
        await asyncio.sleep(0.15)
        assert await shared.get("a", count) == 3

    asyncio.run(main())


def test_who_waits_too_long_for_figures_is_refused_and_the_next_one_has_them(monkeypatch):
    monkeypatch.setattr(turns, "ANSWER_S", 0.05)

    async def count() -> int:
        await asyncio.sleep(0.08)
        return 7

    async def main() -> None:
        shared = Shared()
        with pytest.raises(Busy):
            await shared.get("a", count)
        assert await shared.get("a", count) == 7

    asyncio.run(main())


def test_figures_that_could_not_be_counted_are_not_kept():
    async def fail() -> int:
        raise Busy

    async def count() -> int:
        return 7

    async def main() -> None:
        shared = Shared()
        with pytest.raises(Busy):
            await shared.get("a", fail)
        await asyncio.sleep(0.01)
        assert await shared.get("a", count) == 7

    asyncio.run(main())
