import itertools
import os
import re
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from PIL import Image

from compression.errors import Cancelled, CorruptFile, InvalidRecipe, RefusedFile, StorageFailed
from compression.models.brought import image_files
from compression.models.brought.image_files import Sized, decode_part, read_facts, take_in
from compression.models.brought.picture import fitted, pixels_of
from compression.models.brought.splitting import split
from compression.watch import SILENT, Watch
from tests.support import hostile_images as made
from tests.support.hostile_images import HOSTILE, IN_A_CHILD, ODD, classes, encoded, laid_out, npz, picture, zipped
from tests.support.watches import GIVEN_UP

REMEDY = re.compile(
    r"\b(add|bring|check|convert|get|give|have|leave|make|number|pack|put|remove|rename|save|shorten|transpose|unpack)\b",
    re.IGNORECASE,
)


@pytest.fixture
def in_this_process(monkeypatch):
    """Without limits, so that whatever is not foreseen is an error of the test."""

    def call(function, arguments, *, watch=SILENT, **limits):
        image_files._take_in(**arguments, watch=watch)

    monkeypatch.setattr(image_files, "guarded", call)


@pytest.fixture
def room(tmp_path):
    """A folder for what is brought, and one that is watched for anything else."""
    for name in ("brought", "kept"):
        (tmp_path / name).mkdir()
    return tmp_path


def everything(folder):
    return sorted((str(path), os.lstat(path).st_size) for path in folder.rglob("*"))


def refuse(room, make):
    source, kept = make(room / "brought"), room / "kept" / "images"
    before = everything(room)
    with pytest.raises(RefusedFile) as caught:
        take_in(source, kept)
    text = str(caught.value)
    assert everything(room) == before and not os.path.lexists("evil")
    assert text.endswith(".") and REMEDY.search(text) and len(text) < 700
    assert "Traceback" not in text and "\n" not in text and str(room) not in text
    return text


def taken(room, files, name="images", make=zipped):
    folder = room / "kept" / name
    return take_in(make(room / "brought", files), folder), folder


def decoded(folder, sized, start=0, stop=None):
    stop = sum(read_facts(folder).parts) if stop is None else stop
    out = np.zeros((stop - start, sized.channels, sized.height, sized.width), np.uint8)
    decode_part(folder, start, stop, sized, out)
    return out


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("words", HOSTILE)
def test_what_could_do_harm_or_is_no_good_is_refused_with_a_remedy(room, words, in_this_process):
    refuse(room, HOSTILE[words])


@pytest.mark.parametrize("words", IN_A_CHILD)
def test_it_is_refused_the_same_way_in_a_child_process(room, words):
    refuse(room, HOSTILE[words])


def changed(content, random):
    """Some bytes replaced, flipped or left out."""
    content = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 5))):
        at, length = random.randrange(len(content)), random.randrange(1, 9)
        new = random.choice((b"", bytes(length), b"\xff" * length, random.randbytes(length), bytes([content[at] ^ 1])))
        content[at : at + (length if new == b"" else len(new))] = new
    return bytes(content)


@pytest.mark.parametrize(
    "words",
    [
        *("deflated", "packed by bzip2", "packed by LZMA", "64-bit zip", "streamed zip", "npz, names"),
        *("progressive JPEG", "CMYK JPEG", "lossy WebP", "palette PNG", "16-bit PNG", "BMP", "npz, stored"),
    ],
)
def test_whatever_bytes_are_changed_it_is_taken_or_refused(room, words, in_this_process):
    source, random = ODD[words](room / "brought"), Random(words)
    content, refused = source.read_bytes(), 0
    for attempt in range(25):
        source.write_bytes(changed(content, random))
        try:
            take_in(source, room / "kept" / str(attempt))
        except RefusedFile:
            refused += 1
    assert refused > 10 and len(list((room / "kept").iterdir())) == 25 - refused


def test_there_are_many_of_both_kinds():
    assert len(HOSTILE) >= 250 and len(ODD) >= 50


@pytest.mark.parametrize("words", ODD)
def test_what_is_odd_but_good_is_taken(room, words, in_this_process):
    folder = room / "kept" / "images"
    facts = take_in(ODD[words](room / "brought"), folder)
    assert facts == read_facts(folder) and min(facts.parts) > 0
    labels = np.load(folder / "labels.npy") if facts.has_labels else None
    assert (folder / "labels.npy").exists() == facts.has_labels == bool(facts.classes)
    assert labels is None or (len(labels) == sum(facts.parts) and set(labels) == set(range(len(facts.classes))))
    assert decoded(folder, Sized(facts.channels, facts.height, facts.width)).std() > 10
    assert min(facts.mean) > 0 and max(facts.mean) < 1 and len(facts.mean) == len(facts.std) == facts.channels


@pytest.mark.parametrize(
    ("words", "channels"),
    [
        ("grey JPEG", 1),
        ("1-bit PNG", 1),
        ("16-bit PNG", 1),
        ("grey PNG with alpha", 1),
        ("npz, grey", 1),
        ("npz, one channel first", 1),
        ("grey and colour", 3),
        ("CMYK JPEG", 3),
        ("palette PNG", 3),
        ("npz, alpha first", 3),
        ("npz, colours first", 3),
    ],
)
def test_images_are_grey_if_all_are_stored_so(room, words, channels, in_this_process):
    assert take_in(ODD[words](room / "brought"), room / "kept" / "images").channels == channels


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("negative numbers as names", ("+1", "-1")),
        ("umlauts", ("Äpfel", "Öl")),
        ("decomposed names of macOS", ("birnen", "äpfel")),
        ("three wrapping folders", ("cat", "dog")),
        ("what systems leave behind", ("cat", "dog")),
        ("folders as entries, one of them empty", ("cat", "dog")),
        ("no classes", ()),
        ("npz, grey", ("0", "1", "2")),
        ("npz, names", ("cat", "dög", "🐱")),
    ],
)
def test_classes_have_the_names_of_their_folders_in_order(room, words, expected, in_this_process):
    assert take_in(ODD[words](room / "brought"), room / "kept" / "images").classes == expected


# --- the parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "parts"),
    [
        (classes(each=50), (64, 8, 8, 20)),
        (classes(each=50, above="train/") | classes(each=30, above="test/"), (81, 9, 10, 60)),
        (classes(each=50, above="train/") | classes(each=30, above="val/"), (81, 9, 10, 60)),
        (
            classes(each=50, above="train/") | classes(each=30, above="test/") | classes(each=10, above="valid/"),
            (90, 10, 20, 60),
        ),
        (classes(each=5), (6, 1, 1, 2)),
    ],
)
def test_official_parts_are_used_and_others_set_aside(room, files, parts, in_this_process):
    assert taken(room, files)[0].parts == parts


def test_images_are_where_their_folders_say(room, in_this_process):
    """Each image's colour says its split and its class."""

    def plain(split, kind, i):
        return encoded(image=Image.new("RGB", (4, 4), (split, kind, i)))

    files = {
        f"{name}/{'abc'[kind]}/{i}.png": plain(split, kind, i)
        for split, name in enumerate(("train", "val", "test"))
        for kind in range(3)
        for i in range(10)
    }
    facts, folder = taken(room, files)
    pixels = decoded(folder, Sized(3, 4, 4))[:, :, 0, 0]
    splits = np.repeat([0, 0, 1, 2], facts.parts)
    assert (pixels[:, 0] == splits).all() and (pixels[:, 1] == np.load(folder / "labels.npy")).all()
    assert len({tuple(pixel) for pixel in pixels}) == 90
    assert not (np.diff(pixels[: facts.parts[0], 1].astype(int)) >= 0).all()  # shuffled


def test_parts_are_disjoint_and_stratified():
    labels = np.repeat(np.arange(4), [400, 200, 100, 5])
    parts = split(labels)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(705))
    assert Counter(labels[parts["test"]]) == {0: 80, 1: 40, 2: 20, 3: 1}
    assert Counter(labels[parts["validation"]])[0] in (32, 33)
    assert all((split(labels)[part] == parts[part]).all() for part in parts)


def test_validation_and_calibration_do_not_grow_without_end():
    parts = split(np.arange(50_000) % 10)
    assert {part: len(index) for part, index in parts.items()} == {
        "train": 37_488,
        "calibration": 512,
        "validation": 2000,
        "test": 10_000,
    }


def test_every_class_keeps_an_image_to_train_on():
    labels = np.repeat(np.arange(30), 5)
    parts = split(labels)
    assert set(labels[parts["train"]]) == set(labels[parts["test"]]) == set(range(30))


# --- the same whatever the way -----------------------------------------------------------------------------------


def test_a_zip_file_and_a_folder_give_the_same_in_any_order(room, in_this_process):
    files = classes(("äpfel", "birnen"), 9)
    backwards = dict(reversed(files.items()))
    decomposed = {name.replace("ä", "a\u0308"): content for name, content in files.items()}
    found = [
        taken(room, files, "1"),
        taken(room, files, "2", laid_out),
        taken(room, backwards, "3"),
        taken(room, {f"Archive/{name}": content for name, content in decomposed.items()}, "4"),
    ]
    assert len({replace(facts, source="") for facts, _ in found}) == 1
    for name in ("images.bin", "offsets.npy", "labels.npy"):
        assert len({(folder / name).read_bytes() for _, folder in found}) == 1


def test_the_hash_changes_with_content_labels_and_names(room, in_this_process):
    files = classes()
    different = [
        files,
        files | {"cat/0.png": made.png(77)},
        files | {"cat/0.png": files["dog/0.png"], "dog/0.png": files["cat/0.png"]},
        classes(("cat", "emu")),
        files | {"cat/9.png": made.png(78)},
    ]
    assert len({taken(room, each, str(k))[0].sha256 for k, each in enumerate(different)}) == len(different)


def test_encoded_files_are_kept_as_they_were(room):
    files = classes()
    facts, folder = taken(room, files)
    offsets, content = np.load(folder / "offsets.npy"), (folder / "images.bin").read_bytes()
    kept = [content[start:stop] for start, stop in itertools.pairwise(offsets)]
    assert offsets.dtype == np.int64 and sorted(kept) == sorted(files.values())
    assert facts.bytes == len(content) == offsets[-1] and facts.source == "source.zip"
    assert sorted(path.name for path in folder.iterdir()) == ["facts.json", "images.bin", "labels.npy", "offsets.npy"]


@pytest.mark.parametrize("words", ["npz, colours last", "npz, colours first", "npz, Fortran order", "npz, grey"])
def test_arrays_are_kept_in_one_form(room, words):
    folder = room / "kept" / "images"
    facts = take_in(ODD[words](room / "brought"), folder)
    given = {
        "npz, colours last": made.images(24, 6, 5, 3),
        "npz, colours first": made.images(24, 3, 6, 5).transpose(0, 2, 3, 1),
        "npz, Fortran order": made.images(24, 6, 5, 3),
        "npz, grey": made.images()[..., None],
    }[words]
    kept, labels = np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy")
    place = {image.tobytes(): i for i, image in enumerate(given)}
    order = [place[image.tobytes()] for image in kept]
    assert kept.shape == given.shape and sorted(order) == list(range(24)) and (labels == made.LABELS[order]).all()
    assert facts.bytes == kept.nbytes and not list(folder.glob("spool*"))
    assert (decoded(folder, Sized(facts.channels, 6, 5)) == kept.transpose(0, 3, 1, 2)).all()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("npz, training and test", (38, 5, 5, 24)),
        ("npz, three parts", (21, 3, 24, 24)),
        ("npz, parts without labels", (18, 3, 3, 24)),
        ("npz, images and a part", (15, 2, 2, 5)),
    ],
)
def test_arrays_say_what_is_for_the_test(room, words, parts, in_this_process):
    assert take_in(ODD[words](room / "brought"), room / "kept" / "images").parts == parts


def test_images_and_labels_of_all_parts_keep_together(room, in_this_process):
    folder = room / "kept" / "images"
    labels = {part: np.arange(count) % 3 for part, count in (("train", 30), ("val", 9), ("test", 12))}
    light = {"train": 0, "val": 100, "test": 200}
    images = {part: np.tile((light[part] + labels[part]).astype(np.uint8)[:, None, None], (1, 4, 4)) for part in light}
    named = {f"{part}_images": images[part] for part in light} | {f"{part}_labels": labels[part] for part in light}
    facts = take_in(npz(**named)(room / "brought"), folder)
    kept, found = np.load(folder / "images.npy")[:, 0, 0, 0], np.load(folder / "labels.npy")
    assert facts.parts == (27, 3, 9, 12)
    assert (kept // 100 == np.repeat([0, 1, 2], [30, 9, 12])).all() and (kept % 100 == found).all()


def test_mean_and_deviation_are_those_of_training_images(room, in_this_process):
    facts, folder = taken(room, classes(each=30))
    train = decoded(folder, Sized(3, 5, 6), stop=facts.parts[0]) / 255
    assert np.allclose(facts.mean, train.mean(axis=(0, 2, 3)), atol=1e-4)
    assert np.allclose(facts.std, train.std(axis=(0, 2, 3)), atol=1e-4)


def test_the_most_common_size_is_told(room, in_this_process):
    files = classes() | {"cat/big.png": encoded(image=picture(size=(9, 8)))}
    facts, _ = taken(room, files)
    assert (facts.height, facts.width, facts.same_size) == (5, 6, False)
    assert taken(room, classes(), "same")[0].same_size


# --- pixels ------------------------------------------------------------------------------------------------------


def pixel(content):
    return pixels_of(content).getpixel((0, 0))


def test_transparent_parts_are_white():
    clear = Image.new("RGBA", (2, 2), (200, 0, 0, 0))
    half = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert pixel(encoded(image=clear)) == (255, 255, 255) and pixel(encoded(image=half)) == (127, 127, 127)
    assert pixel(encoded(image=Image.new("LA", (2, 2), (9, 0)))) == 255
    assert pixel(made.see_through(Image.new("RGB", (2, 2), (1, 2, 3)))) == (255, 255, 255)


def test_16_bits_are_cut_to_8():
    image = Image.fromarray(np.array([[0, 255, 256, 0x8000, 0xFFFF]], np.uint16))
    assert list(np.asarray(pixels_of(encoded(image=image)))[0]) == [0, 0, 1, 128, 255]


def test_ink_becomes_light():
    red = pixel(encoded("JPEG", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=100))
    assert red[0] > 240 and max(red[1:]) < 15


def test_images_are_turned_the_right_way_up():
    image = Image.new("RGB", (16, 8), "black")
    image.paste("white", (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right: what was left is on top
    turned = pixels_of(encoded("JPEG", image, exif=exif, quality=95)).convert("L")
    assert turned.size == (8, 16) and turned.getpixel((4, 2)) > 240 and turned.getpixel((4, 13)) < 15


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("size", [(40, 30), (30, 40), (37, 91), (20, 20), (300, 65)])
@pytest.mark.parametrize("resize", [None, 20, 25])
def test_sizes_are_as_torchvision_makes_them(interpolation, size, resize):
    from sample_models.vision import torchvision

    from_v1 = torchvision.transforms
    mode, image = from_v1.InterpolationMode(interpolation), picture(3, size)
    if resize is None:
        steps = [from_v1.Resize((17, 20), mode, antialias=True)]
    else:
        steps = [from_v1.Resize(resize, mode, antialias=True), from_v1.CenterCrop((17, 20))]
    expected = np.asarray(from_v1.Compose(steps)(image)).transpose(2, 0, 1)
    assert (fitted(image, Sized(3, 17, 20, resize, interpolation)) == expected).all()


def test_grey_is_made_of_colour_and_colour_of_grey():
    image = picture()
    assert (fitted(image, Sized(1, 5, 6))[0] == np.asarray(image.convert("L"))).all()
    assert (np.ptp(fitted(image.convert("L"), Sized(3, 5, 6)), axis=0) == 0).all()


@pytest.mark.parametrize("wrong", [{"resize": 19}, {"channels": 2}, {"height": 0}, {"interpolation": "lanczos"}])
def test_a_size_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidRecipe):
        Sized(**{"channels": 3, "height": 20, "width": 20} | wrong)


# --- what goes wrong around it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "make"),
    [("class_folders.MOST_IMAGES", zipped), ("archive.MOST_FILES", zipped), ("file_tree.MOST_FILES", laid_out)],
)
def test_there_is_an_end_to_how_many_are_taken(room, limit, make, monkeypatch, in_this_process):
    monkeypatch.setattr(f"compression.models.brought.{limit}", 11)
    assert "11" in refuse(room, lambda folder: make(folder, classes()))


def test_the_first_three_bad_files_are_named_and_all_are_counted(room):
    bad = {f"cat/bad{i}.jpg": b"this is text" for i in range(7)} | {"dog/gif.png": encoded("GIF")}
    text = refuse(room, lambda folder: zipped(folder, classes() | bad))
    assert text.startswith("8 of 20 images cannot be read: cat/bad0.jpg (no image), cat/bad1.jpg")
    assert "bad3" not in text and "and others" in text


def test_names_in_texts_cannot_change_what_is_around_them(room):
    name = "cat/\x1b[2J\u202egpj.png"
    text = refuse(room, lambda folder: zipped(folder, classes() | {name: b"text"}))
    assert text.isprintable()


def test_some_images_are_those_of_all(room, in_this_process):
    _, folder = taken(room, classes())
    sized = Sized(3, 8, 8, 9)
    assert (decoded(folder, sized, 3, 7) == decoded(folder, sized)[3:7]).all()


def test_it_tells_how_far_it_is(room, monkeypatch):
    told = []
    monkeypatch.setattr(image_files, "_REPORT_EVERY", 5)
    _, folder = taken(room, classes(each=60))
    out = np.zeros((120, 3, 5, 6), np.uint8)
    decode_part(folder, 0, 120, Sized(3, 5, 6), out, Watch(report=lambda *given: told.append(given)))
    assert told[1] == (5 / 120, "decoding images: 5 of 120") and len(told) == 24


def test_it_ends_when_nobody_waits_any_longer(room):
    source, before = zipped(room / "brought", classes()), everything(room / "kept")
    with pytest.raises(Cancelled):
        take_in(source, room / "kept" / "images", GIVEN_UP)
    assert everything(room / "kept") == before
    _, folder = taken(room, classes())
    with pytest.raises(Cancelled):
        decode_part(folder, 0, 2, Sized(3, 5, 6), np.zeros((2, 3, 5, 6), np.uint8), GIVEN_UP)


def test_a_folder_with_something_in_it_stays(room):
    target = room / "kept" / "images"
    target.mkdir()
    (target / "mine").touch()
    with pytest.raises(StorageFailed, match="remove what is there"):
        taken(room, classes())
    assert [path.name for path in target.iterdir()] == ["mine"] and len(list((room / "kept").iterdir())) == 1


def test_what_was_kept_and_is_damaged_now_says_so(room, in_this_process):
    _, folder = taken(room, classes())
    (folder / "images.bin").write_bytes(bytes((folder / "images.bin").stat().st_size))
    with pytest.raises(CorruptFile, match="bring them anew"):
        decoded(folder, Sized(3, 5, 6))
    for content in ("{", "[]", '{"classes": []}'):
        (folder / "facts.json").write_text(content)
        with pytest.raises(CorruptFile, match="bring them anew"):
            read_facts(folder)
