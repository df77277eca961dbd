"""What lies in front of one visitor: a drawing, perhaps a picture file, and what they stored so far."""

import io
import time
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import streamlit as st
from PIL import Image, ImageOps

import api
from answers import Submission
from sketchpad import Sketchpad

SKETCH, UPLOAD = "Sketch", "Upload a picture"
NOT_A_DIGIT = "none"
UNDO_FOR_S = 10 * 60  # as long as the backend allows it
SHOWN_SIDE = 800  # pixels: what is sent to the browser of an uploaded picture
MAX_PIXELS = 40_000_000  # more is refused by the backend, too


@dataclass(frozen=True)
class Picture:
    """A picture, until it is labelled. Its key makes sure that it is stored once."""

    data: bytes
    content_type: str
    key: UUID = field(default_factory=uuid4)
    thumbnail: bytes | None = None  # WebP

    def copy(self) -> "Picture":
        """The same picture, to be stored anew."""
        return replace(self, key=uuid4())


def thumbnail(data: bytes) -> bytes | None:
    """As a browser can show it, upright and not too large; none where Pillow cannot read it."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    webp = io.BytesIO()
    upright.save(webp, "WEBP")
    return webp.getvalue()


@dataclass(frozen=True)
class Stored:
    """What was stored, with what it takes to undo that."""

    submission: Submission
    original: Sketchpad | Picture
    at: float = field(default_factory=time.monotonic)

    @property
    def can_be_taken_back(self) -> bool:
        return time.monotonic() - self.at < UNDO_FOR_S


@dataclass
class Desk:
    """One of these lives in each session. Its methods are the buttons' callbacks."""

    pad: Sketchpad = field(default_factory=Sketchpad)
    upload: Picture | None = None
    uploads: int = 0  # so far: the upload widget is emptied by giving it another key
    stored: list[Stored] = field(default_factory=list)
    sent: dict[UUID, str] = field(default_factory=dict)  # labels by key, while it is not known whether they arrived
    notice: tuple[str, UUID | None] | None = None  # with the key of the drawing that it is about

    def picture(self, mode: str) -> Picture | None:
        """What is to be read and labelled now."""
        if mode == UPLOAD:
            return self.upload
        return Picture(self.pad.png, "image/png", self.pad.key) if self.pad.png else None

    def take_file(self) -> None:
        """Take what was put into the upload widget, and empty the widget."""
        file = st.session_state.get(f"file-{self.uploads}")  # none: called again, for a file that was taken already
        if file:
            data = file.getvalue()
            self.upload = Picture(data, file.type, thumbnail=thumbnail(data))
            self.uploads += 1

    def drop_file(self) -> None:
        self.upload = None

    def store(self, mode: str, label: str) -> None:
        """Store what is on the desk and clear the desk; what cannot be stored stays where it is."""
        picture = self.picture(mode)
        if not picture:  # the second click of a double click
            return
        try:
            submission = self.send(picture, label)
        except api.BackendError as e:
            self.notice = f"{e} Nothing is lost: please press the digit again in a moment.", picture.key
            return
        # from here on no call into Streamlit, which might end this run halfway
        self.notice = None
        self.stored.append(Stored(submission, self.upload if mode == UPLOAD else self.pad))
        if mode == UPLOAD:
            self.upload = None
        else:
            self.pad = Sketchpad()

    def send(self, picture: Picture, label: str) -> Submission:
        first = self.sent.setdefault(picture.key, label)
        try:
            submission = api.store(picture.data, picture.content_type, label, picture.key)
        except api.Refused as e:
            if e.name != "KeyReused" or label == first:
                raise
            # the first click had arrived, only its answer was lost: it counts, the page says so, and it can be undone
            submission = api.store(picture.data, picture.content_type, first, picture.key)
        del self.sent[picture.key]
        return submission

    def take_back(self) -> None:
        """Take the last submission back, and put its drawing back where the desk is free."""
        if not self.stored:
            return
        last = self.stored[-1]
        self.notice = None
        try:
            api.take_back(last.submission.id, last.original.key)
        except api.Refused as e:
            if e.name != "SubmissionNotFound":  # if it is gone, that is what was asked for
                self.stored[-1] = replace(last, at=-UNDO_FOR_S)
                self.notice = "It is too late to take this one back.", None
                return
        except api.BackendError as e:
            self.notice = f"{e} It is still stored: please try again in a moment.", None
            return
        self.stored.pop()
        self.put_back(last.original)

    def put_back(self, original: Sketchpad | Picture) -> None:
        if isinstance(original, Picture):
            self.upload = self.upload or original.copy()
            st.session_state.mode = UPLOAD
        elif not self.pad.png:
            self.pad = original.copy()
            st.session_state.mode = SKETCH
