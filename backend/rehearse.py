"""Rehearses the loop with people who are not there: the writers of a UNIPEN file such as UCI's pendigits.

    uv run python rehearse.py measure pendigits-orig-tra.txt      # how well the last 10 writers are read
    uv run python rehearse.py submit pendigits-orig-tra.txt       # the first 20 submit what they wrote; it is approved
    uv run python retrain.py --promote
    uv run python rehearse.py measure pendigits-orig-tra.txt      # the last 10 again, who have not submitted anything
    uv run python rehearse.py submit pendigits-orig-tra.txt --rest     # now they do, which may decide a race

The file is looked for in the current folder, then in STROKES_DIR, to which training downloads it.
Talks to the running server alone, as the page does. Approving wants ADMIN_TOKEN, from the environment or .env.
`--wrong-labels 0.05` makes that share of the labels wrong, as visitors' labels are.
"""

import argparse
import itertools
import uuid
from collections.abc import Iterator

import numpy as np
import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from app.config import get_settings
from app.imaging import to_png
from training import cli
from training.settings import Settings
from training.unipen import PENS, Sample, draw_strokes, read_unipen
from training.writers import existing_or_known

SIZES = (0.35, 0.85)  # of the canvas, at random
VISITS = uuid.UUID("5b0c8a54-3f4e-4a1c-9d6b-0d8f5c1f2e77")  # whole writers are held out, the same in every run
AT_ONCE = 200  # submissions approved by one call
# the server limits how much one client may submit, and says when to continue
WHEN_TOLD = Retry(connect=0, read=0, other=0, status=20, status_forcelist=[429], allowed_methods=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["submit", "measure"])
    parser.add_argument("file", type=existing_or_known, help="UNIPEN, with writers' names; here or in STROKES_DIR")
    parser.add_argument("--url", default=_backend(), help="default: %(default)s")
    parser.add_argument(
        "--learn-from", type=cli.whole(0), default=20, metavar="N", help="writers who submit; the rest are measured"
    )
    parser.add_argument("--rest", action="store_true", help="let the rest submit, once they have been measured")
    parser.add_argument("--wrong-labels", type=cli.share, default=0.0, metavar="SHARE", help="of what is submitted")
    parser.add_argument("--seed", type=cli.seed, default=0, help="for pens, sizes and which labels are wrong")
    args = parser.parse_args()
    submitting, measured = by_writer(read_unipen(args.file), args.learn_from)
    rng = np.random.default_rng(args.seed)
    session = requests.Session()
    session.mount(args.url, HTTPAdapter(max_retries=WHEN_TOLD))
    try:
        if args.action == "submit":
            submit(session, args.url, measured if args.rest else submitting, args.wrong_labels, rng)
        else:
            measure(session, args.url, measured, rng)
    except requests.ConnectionError as e:
        raise cli.Unusable(f"Nothing answers at {args.url}: ./up.sh starts the server, --url names another") from e
    except requests.RequestException as e:
        raise cli.Unusable(f"{args.url}: {cli.one_line(e)}") from e


def by_writer(samples: list[Sample], first: int) -> tuple[list[Sample], list[Sample]]:
    """(the digits of the `first` writers, those of the others)."""
    digits = [sample for sample in samples if sample.label.isdigit()]
    writers = list(dict.fromkeys(sample.writer for sample in digits))
    if len(writers) <= first:
        raise cli.Unusable(f"The file has {len(writers)} writers: too few, if {first} of them submit")
    chosen = set(writers[:first])
    return [s for s in digits if s.writer in chosen], [s for s in digits if s.writer not in chosen]


def submit(session: requests.Session, url: str, samples: list[Sample], wrong: float, rng: np.random.Generator) -> None:
    """Each digit once, with a random pen, and with its label or, for a share of them, another; then all are approved.

    Each writer is one visit.
    """
    token = get_settings().admin_token
    if token is None:
        raise cli.Unusable("ADMIN_TOKEN is not set: nobody could approve what is submitted")
    ids, lies = [], 0
    for sample in tqdm(samples, desc="submitting", unit="sketch", disable=None):
        label = int(sample.label)
        if rng.random() < wrong:
            label, lies = (label + int(rng.integers(1, 10))) % 10, lies + 1
        picture = to_png(draw_strokes(sample.strokes, pen=int(rng.choice(PENS)), share=rng.uniform(*SIZES)))
        fields = {"true_label": str(label), "visit": str(uuid.uuid5(VISITS, sample.writer))}
        form = {"files": {"file": ("sketch.png", picture, "image/png")}, "data": fields}
        reply = session.post(f"{url}/submissions", **form, headers={"Idempotency-Key": str(uuid.uuid4())})
        reply.raise_for_status()
        ids.append(reply.json()["id"])
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
    for some in _batches(ids):
        body = {"ids": some, "status": "approved"}
        session.patch(f"{url}/submissions", json=body, headers=headers).raise_for_status()
    print(f"{len(ids)} sketches submitted, {lies} of them with a wrong label, and approved")


def measure(session: requests.Session, url: str, samples: list[Sample], rng: np.random.Generator) -> None:
    """How many of the drawings, each digit with all pens, are read correctly."""
    right, models = [], set()
    for sample in tqdm(samples, desc="measuring", unit="digit", disable=None):
        for pen in PENS:
            picture = to_png(draw_strokes(sample.strokes, pen=pen, share=rng.uniform(*SIZES)))
            reply = session.post(f"{url}/predict", data=picture, headers={"Content-Type": "image/png"})
            if reply.status_code >= 500:
                reply.raise_for_status()
            said = reply.json()  # a refusal is a wrong answer
            right.append(str(said.get("digit")) == sample.label)
            models.add(said.get("model"))
    names = ", ".join(sorted(filter(None, models)))
    print(f"{np.mean(right):.2%} of {len(right)} drawings read right by {names}")


def _backend() -> str:
    """The one that up.sh or Compose started."""
    settings = Settings()
    return settings.backend_url or f"http://127.0.0.1:{settings.backend_port}"


def _batches(ids: list[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    return iter(lambda: list(itertools.islice(rest, AT_ONCE)), [])


if __name__ == "__main__":
    cli.run(main)
