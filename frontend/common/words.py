"""Numbers in words."""


def plural(number: int, noun: str) -> str:
    """The noun for so many."""
    return noun if number == 1 else noun + ("es" if noun.endswith("ch") else "s")


def count(number: int, noun: str = "sketch") -> str:
    """`1 sketch`, `2,010 sketches`."""
    return f"{number:,} {plural(number, noun)}"


def percent(share: float) -> str:
    """A confidence, rounded, but never to 100%: no model is certain."""
    return f"{min(round(100 * share), 99)}%"
