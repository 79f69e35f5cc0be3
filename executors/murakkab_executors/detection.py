"""driver: objects in images - people and cats by their faces, with the cascade files in OpenCV's wheel. Nothing is downloaded."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any, Final, NamedTuple

from murakkab.catalog import Quote
from murakkab.errors import ExecutorError
from murakkab.ports import Call
from murakkab.steps import spend
from murakkab.values import File
from murakkab_executors import capabilities
from murakkab_executors.capabilities import Box, Detection
from murakkab_executors.function import Knob, executor

_FACES: Final = ("frontalface_default", "frontalface_alt", "frontalface_alt2")
#: Two boxes that share more than this of their area show the same face.
_SAME: Final = 0.5
#: How many of the three face models must agree. One alone sees faces in clouds.
_AGREEING: Final = 2
#: The angles at which a cat is looked for, in degrees, likeliest first: the model knows upright heads only, and cats tilt theirs.
_TURNS: Final = (0.0, 5.0, -5.0, 10.0, -10.0, 15.0, -15.0, 20.0, -20.0)
#: Angles in between, worth a look only where the first ones found something.
_MORE_TURNS: Final = (2.5, -2.5, 7.5, -7.5, 12.5, -12.5, 17.5, -17.5)
_NEEDED_TURNS: Final = 4
#: The score of what one model sees in one look.
_ONE_LOOK: Final = 0.5

Rectangle = tuple[float, float, float, float]  # left, top, width, height
_Look = Callable[[Any], tuple[float, Rectangle] | None]


class _Vote(NamedTuple):
    """Something seen at `box` by a voter: the number of a model, or an angle. `weight` counts the detections behind it."""

    voter: float
    weight: int
    box: Rectangle


@executor(
    capabilities.object_detection,
    name="opencv-cascades",
    effect="pure",
    extra="video",
    quote=Quote(seconds=5.0, quality=0.833, source="measured"),
)
def opencv_cascades(
    images: list[File],
    *,
    call: Call,
    agreement: Annotated[float, Knob("share of the images in which a thing must be seen to count", low=0.0, high=1.0)] = 0.5,
    face_neighbours: Annotated[int, Knob("detections behind every face; more is stricter", low=3, high=20)] = 8,
    cat_strength: Annotated[int, Knob("detections behind every cat; more is stricter", low=12, high=100)] = 36,
) -> list[Detection]:
    """Find people and cats that face the camera (labels `person` and `cat`); nothing else, and at most one of each per image.

    The images are taken for pictures of one scene: what only a few of them seem to show is left out, because cascades err now and then.
    Three face models must agree, and a cat is looked for at several angles. Measured on 5 images of 480 x 320.
    """
    spend(units=len(images))
    return [
        *_agreed("person", lambda picture: _face(picture, face_neighbours), images, agreement, call=call),
        *_agreed("cat", lambda picture: _cat(picture, cat_strength), images, agreement, call=call),
    ]


@executor(
    capabilities.object_detection,
    name="upright-cascades",
    effect="pure",
    extra="video",
    quote=Quote(seconds=0.5, quality=0.722, source="measured"),
)
def upright_cascades(
    images: list[File],
    *,
    call: Call,
    width: Annotated[int, Knob("pixels to which the images are scaled down", choices=(320, 160), trades=True)] = 320,
    agreement: Annotated[float, Knob("share of the images in which a thing must be seen to count", low=0.0, high=1.0)] = 0.5,
) -> list[Detection]:
    """Find people and cats as `opencv-cascades` does, by one model each and with the head upright only: quick, and more often wrong.

    Measured on 5 images of 480 x 320.
    """
    spend(units=len(images))
    return [
        *_agreed("person", lambda picture: _upright_face(picture, width), images, agreement, call=call),
        *_agreed("cat", lambda picture: _upright_cat(picture, width), images, agreement, call=call),
    ]


def _agreed(label: str, look: _Look, images: Sequence[File], agreement: float, *, call: Call) -> list[Detection]:
    """Return where *label* is seen, or nothing where too few images show it. Stops once they can no longer be enough."""
    found: list[Detection] = []
    for number, image in enumerate(images, start=1):
        picture = _grey(image, call)
        best = look(picture)
        if best is not None:
            found.append(Detection(label, round(best[0], 3), _inside(best[1], picture), image))
        if len(found) + len(images) - number < agreement * len(images):
            return []
    return found


def _grey(image: File, call: Call) -> Any:
    import cv2
    import numpy as np

    cv2.setNumThreads(1)  # a task takes one core, and with one the boxes come in the same order every time
    content = call.artifacts.get({"uri": image.uri})
    # Of no bytes OpenCV makes an error of its own.
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE) if content else None
    if picture is None:
        hint = "give JPEG, PNG or WebP"
        raise ExecutorError(f"{image.uri} is not an image that OpenCV can read", hint=hint, reason="bad-media", retryable=False)
    return picture


def _inside(box: Rectangle, picture: Any) -> Box:
    """Return the part of *box* that lies in the picture: a face at its edge is found in the border added to it."""
    rows, columns = picture.shape
    left, top = max(0, round(box[0])), max(0, round(box[1]))
    right, bottom = min(columns, round(box[0] + box[2])), min(rows, round(box[1] + box[3]))
    return Box(left, top, max(0, right - left), max(0, bottom - top))


def _face(picture: Any, neighbours: int) -> tuple[float, Rectangle] | None:
    """Return score and box of the face that most models agree on."""
    import cv2

    scale = min(1.0, 640 / max(picture.shape))
    small = cv2.equalizeHist(_scaled(picture, scale))
    least = max(24, min(small.shape) // 12)
    votes: list[_Vote] = []
    for number, name in enumerate(_FACES, start=1):
        if number == len(_FACES) and not votes:  # one alone is not enough
            return None
        boxes = _model(name).detectMultiScale(small, 1.08, neighbours, minSize=(least, least))
        votes += (_Vote(number, 1, (float(x), float(y), float(w), float(h))) for x, y, w, h in boxes)
    groups = [group for group in _groups(votes) if len(_voters(group)) >= _AGREEING]
    if not groups:
        return None
    best = max(groups, key=lambda group: len(_voters(group)))
    return len(_voters(best)) / len(_FACES), _mean((vote.box for vote in best), scale)


def _upright_face(picture: Any, width: int) -> tuple[float, Rectangle] | None:
    """Return score and box of the largest face that one model sees."""
    import cv2

    scale = min(1.0, width / max(picture.shape))
    small = cv2.equalizeHist(_scaled(picture, scale))
    least = max(24, min(small.shape) // 8)
    boxes = _model("frontalface_alt2").detectMultiScale(small, 1.2, 5, minSize=(least, least))
    return _largest(boxes, scale)


def _upright_cat(picture: Any, width: int) -> tuple[float, Rectangle] | None:
    """Return score and box of the largest cat's face that is upright."""
    scale = min(1.0, width / max(picture.shape))
    boxes = [vote.box for vote in _cats_at(_scaled(picture, scale), 0.0)]
    return _largest(boxes, scale)


def _largest(boxes: Iterable[Sequence[float]], scale: float) -> tuple[float, Rectangle] | None:
    """Return the largest box, in pixels of the picture before it was scaled; its score is that of one look of several."""
    best = max(boxes, key=lambda box: box[2] * box[3], default=None)
    return None if best is None else (_ONE_LOOK, _mean([(float(best[0]), float(best[1]), float(best[2]), float(best[3]))], scale))


def _scaled(picture: Any, scale: float) -> Any:
    import cv2

    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _cat(picture: Any, needed: int) -> tuple[float, Rectangle] | None:
    """Return score and box of a cat's face that is seen at several angles. The score is the share of the angles tried that see it."""
    scale = 320 / max(picture.shape)
    small = _scaled(picture, scale)
    votes: list[_Vote] = []
    left = [*_TURNS, *_MORE_TURNS]
    while left and (votes or left[0] in _TURNS):
        turn = _next_turn(left, votes)
        left.remove(turn)
        votes += _cats_at(small, turn)
        # More votes can only confirm it, so the first group that is strong enough decides.
        for group in _groups(votes):
            if len(_voters(group)) >= _NEEDED_TURNS and sum(vote.weight for vote in group) >= needed:
                tried = len(_TURNS) + len(_MORE_TURNS) - len(left)
                return len(_voters(group)) / tried, _mean((vote.box for vote in group), scale)
    return None


def _next_turn(left: Sequence[float], votes: Sequence[_Vote]) -> float:
    """Return the angle nearest to one that saw a cat; before there is any, the likeliest."""
    return min(left, key=lambda turn: min((abs(turn - vote.voter) for vote in votes), default=0.0))


def _cats_at(small: Any, turn: float) -> Iterator[_Vote]:
    """Yield the cat faces in the picture turned by *turn* degrees, a border added, with boxes in the unturned picture."""
    import cv2
    import numpy as np

    border = max(small.shape) // 4
    least = round(0.4 * min(small.shape))
    wide = cv2.copyMakeBorder(small, border, border, border, border, cv2.BORDER_REPLICATE)
    rows, columns = wide.shape
    there = cv2.getRotationMatrix2D((columns / 2, rows / 2), turn, 1.0)
    turned = cv2.warpAffine(wide, there, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
    model = _model("frontalcatface_extended")
    boxes, counts = model.detectMultiScale2(turned, scaleFactor=1.03, minNeighbors=3, minSize=(least, least))
    back = cv2.invertAffineTransform(there)
    for (x, y, w, h), count in zip(boxes, counts, strict=True):
        middle = back @ np.array([x + w / 2, y + h / 2, 1.0])
        yield _Vote(turn, int(count), (float(middle[0] - border - w / 2), float(middle[1] - border - h / 2), float(w), float(h)))


@functools.cache
def _path(name: str) -> str:
    import cv2.data

    return f"{cv2.data.haarcascades}haarcascade_{name}.xml"


def _model(name: str) -> Any:
    """Return a new model each time: one must not be used from two threads."""
    import cv2

    return cv2.CascadeClassifier(_path(name))


def _groups(votes: Sequence[_Vote]) -> list[list[_Vote]]:
    """Return for every vote the votes for the same place."""
    return [[other for other in votes if overlap(vote.box, other.box) > _SAME] for vote in votes]


def _voters(group: Sequence[_Vote]) -> set[float]:
    return {vote.voter for vote in group}


def _mean(boxes: Iterable[Rectangle], scale: float) -> Rectangle:
    """Return the mean of boxes, in pixels of the picture before it was scaled."""
    sides = [sum(side) / len(side) / scale for side in zip(*boxes, strict=True)]
    return sides[0], sides[1], sides[2], sides[3]


def overlap(one: Rectangle, two: Rectangle) -> float:
    """Return what two boxes share, as a part of what they cover together."""
    wide = min(one[0] + one[2], two[0] + two[2]) - max(one[0], two[0])
    high = min(one[1] + one[3], two[1] + two[3]) - max(one[1], two[1])
    if wide <= 0 or high <= 0:
        return 0.0
    shared = wide * high
    return shared / (one[2] * one[3] + two[2] * two[3] - shared)


EXECUTORS: Final = (opencv_cascades, upright_cascades)
