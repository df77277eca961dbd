"""How much evidence there is that one of two models is better: a test that stays valid however often one looks.

Only pictures that exactly one of the two reads right tell them apart. If the candidate is no better, it reads at most
half of those right, whatever came before. So imagine a gambler with a capital of 1 who bets on the candidate at even
odds, picture by picture: if the candidate is no better, the chance that the capital ever reaches 20 is at most 1 in 20,
however often one looks (Ville's inequality). A candidate whose capital reaches 20 is therefore better, with an error of
at most 5%.

The best stake depends on how much better the candidate is, which is unknown: the wealth here is the mean over all
stakes, from "hardly better" to "always right" (a mixture, Robbins 1970, "Statistical methods related to the law of the
iterated logarithm"; Ramdas, Grünwald, Vovk, Shafer 2023, "Game-theoretic statistics and safe anytime-valid inference",
4.3).

A caveat: the sketches of one visitor are alike, so they are worth less evidence than their number suggests.
"""

ENOUGH = 20  # 1 / 5%: the wealth at which one of the two is taken for better
MAX_WEALTH = 1e9  # larger values mean nothing more
TOO_MANY = 500  # such pictures without an outcome: the difference, if any, is small


def wealth(won: int, lost: int) -> float:
    """The capital of the gambler: 1 at the start; ENOUGH is proof; less than 1 speaks against the candidate.

    `won`: pictures that it alone read right; `lost`: that the champion alone read right. This is the mean, over q
    uniform from 1/2 to 1, of (2q)^won (2 - 2q)^lost: how much likelier the outcome is if it wins a share of q than if
    it wins half. Integrated, it is the sum of comb(won + lost + 1, heads) for `heads` from 0 to `won`, divided by
    (won + lost + 1) comb(won + lost, won).
    """
    tosses = won + lost
    term, total = (tosses + 1) / (lost + 1), 0.0  # comb(tosses + 1, heads) / comb(tosses, won), from heads = won
    for heads in range(won, -1, -1):
        total += term
        term *= heads / (tosses + 2 - heads)
    return min(total / (tosses + 1), MAX_WEALTH)


def outcome(won: int, lost: int) -> str:
    """`better`, `worse` or `undecided`."""
    if wealth(won, lost) >= ENOUGH:
        return "better"
    return "worse" if wealth(lost, won) >= ENOUGH else "undecided"
