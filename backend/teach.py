"""Lessons for a network: changed copies of MNIST's training pictures, labelled by other networks.

    uv run python teach.py                                               # the teachers of the model that ships
    uv run python teach.py --teachers models/large-0 models/large-1      # or any folders that train.py wrote
    uv run python train.py --lessons models/lessons.pt                   # a student, of any --seed, learns from them

Only training pictures are labelled: give --held-out as train.py gets it, else it refuses the lessons.
"""

import argparse
import logging
from pathlib import Path

import torch

from training import cli
from training.augmentation import AUGMENTATIONS
from training.config import Config
from training.data import load_mnist, mnist_directory, split
from training.device import has_bfloat16, pick_device
from training.distillation import VIEWS, load_teacher, make_lessons

TEACHERS = Path("models/teachers")  # come with the project, their weights in half precision

log = logging.getLogger("teach")


def main() -> None:
    args = parse_arguments()
    cli.start_logging(log)
    device = pick_device(args.no_cuda)
    teachers = [load_teacher(folder).to(device, memory_format=torch.channels_last) for folder in args.teachers]
    train, _ = split(load_mnist(args.data, train=True), args.held_out)
    log.info("%d teachers label %d copies of %d pictures on %s", len(teachers), args.copies + 1, len(train), device)
    generator = torch.Generator(device=device).manual_seed(args.seed)
    lessons = make_lessons(
        train.images.to(device),
        teachers,
        args.copies,
        AUGMENTATIONS[args.augmentation],
        generator,
        args.views,
        has_bfloat16(device),
    )
    agreed = (lessons.logits[0].argmax(1).cpu() == train.labels).float().mean().item()
    log.info("the teachers agree with %.3f%% of MNIST's own labels", 100 * agreed)
    lessons.save(args.output)
    log.info("wrote %s: %.0f MB", args.output, args.output.stat().st_size / 1e6)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--teachers",
        type=Path,
        nargs="+",
        default=sorted(TEACHERS.glob("*/")),
        metavar="FOLDER",
        help=f"that train.py wrote; default: all those in {TEACHERS}",
    )
    parser.add_argument("--output", type=Path, default=Path("models/lessons.pt"), help="the lessons' file")
    parser.add_argument("--copies", type=cli.whole(1), default=7, help="changed copies of each picture")
    parser.add_argument(
        "--views",
        type=int,
        choices=range(1, len(VIEWS) + 1),
        default=3,
        help="slightly changed views of an unchanged picture; the answer is their mean",
    )
    parser.add_argument("--augmentation", choices=list(AUGMENTATIONS), default="ours", help="how copies are changed")
    parser.add_argument("--held-out", type=cli.whole(1), default=Config.held_out, help="of the 60,000, for validation")
    parser.add_argument("--data", type=Path, default=mnist_directory(), help="where MNIST is, or is downloaded to")
    parser.add_argument("--seed", type=cli.seed, default=0, help="of the copies' changes")
    parser.add_argument("--no-cuda", action="store_true", help="label on the CPU even where there is a GPU")
    args = parser.parse_args()
    if not args.teachers:
        parser.error(f"there are no teachers in {TEACHERS}: name some with --teachers")
    if missing := [str(f) for f in args.teachers if not (f / "card.json").exists()]:
        parser.error(f"no card.json in {', '.join(missing)}: a teacher is a folder that train.py wrote")
    if args.output.is_dir():
        parser.error(f"--output names the lessons' file, and {args.output} is a folder")
    cli.make_folder(args.output.parent)
    return args


if __name__ == "__main__":
    cli.run(main)
