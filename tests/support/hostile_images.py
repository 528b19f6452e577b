"""Sources of images that must be refused, each for a reason of its own, and odd ones that must be taken.

`HOSTILE` and `ODD` map what is special to a function that makes it in an empty folder and returns its path.
"""

import bz2
import contextlib
import functools
import gzip
import io
import lzma
import os
import pickle
import socket
import stat
import struct
import tarfile
import zipfile
import zlib

import numpy as np
from PIL import Image

CENTRAL, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\5\6"
FLAGS, METHOD, CRC, PACKED, UNPACKED, OFFSET = (8, "H"), (10, "H"), (16, "I"), (20, "I"), (24, "I"), (42, "I")
"""Where fields of an entry lie in the zip file's directory."""

# --- good images, and what becomes of them -----------------------------------------------------------------------


def picture(seed=0, size=(6, 5), mode="RGB"):
    width, height = size
    bands = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    return Image.fromarray(bands, "RGBA").convert("RGB").convert(mode)


def encoded(kind="PNG", image=None, **options):
    file = io.BytesIO()
    (image or picture()).save(file, kind, **options)
    return file.getvalue()


@functools.cache
def png(seed=0):
    return encoded(image=picture(seed))


def classes(names=("cat", "dog"), each=6, above=""):
    return {f"{above}{name}/{i}.png": png(100 * k + i) for k, name in enumerate(names) for i in range(each)}


def zipped(folder, files, method=zipfile.ZIP_STORED, name="source.zip"):
    """`files`: a dictionary, or pairs of a name or ZipInfo with content, which may repeat."""
    path = folder / name
    with zipfile.ZipFile(path, "w", method) as archive:
        for each, content in files.items() if isinstance(files, dict) else files:
            archive.writestr(each, content)
    return path


def laid_out(folder, files):
    for name, content in files.items():
        path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "source"


def with_one(name, content=None):
    """A good zip file with one file more."""
    return lambda folder: zipped(folder, classes() | {name: png() if content is None else content()})


def rewritten(change, files=classes, method=zipfile.ZIP_DEFLATED):
    """A good zip file whose bytes `change` makes others."""

    def make(folder):
        path = zipped(folder, files(), method)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def set_in(content, where, field, value):
    """A field of the entry whose header begins at `where`."""
    offset, kind = field
    changed = bytearray(content)
    struct.pack_into(f"<{kind}", changed, where + offset, value)
    return bytes(changed)


def directory_says(field, value, **options):
    """A good zip file whose directory states `value` of its first file."""
    return rewritten(lambda content: set_in(content, content.index(CENTRAL), field, value), **options)


def both_say(central, local, value):
    def change(content):
        content = set_in(content, content.index(CENTRAL), central, value)
        return set_in(content, content.index(LOCAL), local, value)

    return rewritten(change)


def end_says(field, value):
    return rewritten(lambda content: set_in(content, content.rindex(END), field, value))


def of_kind(mode):
    def make(folder):
        info = zipfile.ZipInfo("cat/odd.png")
        info.create_system, info.external_attr = 3, (mode | 0o777) << 16
        return zipped(folder, [*classes().items(), (info, b"/etc/passwd")])

    return make


def renamed(name):
    """A good zip file with one file of this name, byte for byte as given."""
    raw = name.encode(errors="surrogateescape")
    stand_in = b"Q" * len(raw)
    return rewritten(
        lambda content: content.replace(stand_in, raw),
        lambda: classes() | {stand_in.decode(): png()},
        zipfile.ZIP_STORED,
    )


def file_of(content, name="source.zip"):
    def make(folder):
        (folder / name).write_bytes(content() if callable(content) else content)
        return folder / name

    return make


# --- what is no zip file, or a broken one ------------------------------------------------------------------------


def tar_gz(folder):
    with tarfile.open(folder / "source.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("cat/1.png")
        info.size = len(png())
        archive.addfile(info, io.BytesIO(png()))
    return folder / "source.tar.gz"


def fifo(folder):
    os.mkfifo(folder / "source.zip")
    return folder / "source.zip"


def bind(folder, name):
    with socket.socket(socket.AF_UNIX) as it, contextlib.chdir(folder):  # names of sockets are short
        it.bind(name)


def a_socket(folder):
    bind(folder, "source.zip")
    return folder / "source.zip"


def link_to_device(folder):
    (folder / "source.zip").symlink_to("/dev/zero")
    return folder / "source.zip"


def huge(folder):
    with open(folder / "source.zip", "wb") as file:
        file.write(LOCAL)
        file.truncate(5_000_000_000)
    return folder / "source.zip"


NO_ZIP = {
    "a file that is not there": lambda folder: folder / "missing.zip",
    "an empty file": file_of(b""),
    "one byte": file_of(b"P"),
    "text": file_of(b"cat,dog\n1,2\n", "labels.csv"),
    "zeros": file_of(bytes(1000)),
    "random bytes": file_of(np.random.default_rng(1).bytes(1000)),
    "a RAR file": file_of(b"Rar!\x1a\x07\x01\x00" + bytes(50), "source.rar"),
    "a 7z file": file_of(b"7z\xbc\xaf\x27\x1c" + bytes(50), "source.7z"),
    "a tar.gz file": tar_gz,
    "a gzip file called zip": file_of(gzip.compress(b"cat")),
    "a bzip2 file": file_of(bz2.compress(b"cat")),
    "an xz file": file_of(lzma.compress(b"cat")),
    "a zstd file": file_of(b"\x28\xb5\x2f\xfd" + bytes(50)),
    "a single array": file_of(lambda: npy(np.zeros((20, 4, 4), np.uint8)), "source.npy"),
    "a pickle": file_of(pickle.dumps({"images": [1, 2]}), "source.npz"),
    "a PDF file": file_of(b"%PDF-1.7\n"),
    "a single JPEG": file_of(lambda: encoded("JPEG"), "cat.jpg"),
    "a single PNG": file_of(png, "cat.png"),
    "a page of the web": file_of(b"<!DOCTYPE html><title>404</title>"),
    "a program for Windows": file_of(b"MZ" + bytes(100), "source.exe"),
    "a program for Linux": file_of(b"\x7fELF" + bytes(100)),
    "an HDF5 file": file_of(b"\x89HDF\r\n\x1a\n" + bytes(50), "source.h5"),
    "a part of a spanned zip file": file_of(b"PK\x07\x08" + bytes(50)),
    "a zip file of nothing": lambda folder: zipped(folder, {}),
    "a pipe": fifo,
    "a socket": a_socket,
    "a device": link_to_device,
    "a huge file": huge,
}

BROKEN_ZIP = {
    "only the first half": rewritten(lambda content: content[: len(content) // 2]),
    "without its directory": rewritten(lambda content: content[: content.index(CENTRAL)]),
    "without its last two bytes": rewritten(lambda content: content[:-2]),
    "its directory is zeros": rewritten(
        lambda content: content[: (at := content.index(CENTRAL))] + bytes(len(content) - 22 - at) + content[-22:]
    ),
    "much after its end": rewritten(lambda content: content + bytes(70_000)),
    "a program before it": rewritten(lambda content: b"MZ" + bytes(200) + content),
    "a directory that begins after the end": end_says((16, "I"), 1 << 30),
    "a directory longer than the file": end_says((12, "I"), 1 << 30),
    "a directory without length": end_says((12, "I"), 0),
    "bytes flipped in an image": rewritten(lambda content: content[:60] + bytes(30) + content[90:]),
    "a wrong checksum": both_say(CRC, (14, "I"), 12345),
    "another name at the file itself": rewritten(lambda content: content.replace(b"cat/0", b"cow/0", 1)),
    "no header at the file itself": rewritten(lambda content: b"PK\3\4" + bytes(26) + content[30:]),
    "a file that begins after the end": directory_says(OFFSET, 1 << 30),
    "two files at one place": directory_says(OFFSET, 150),
    "an extra field that lies": rewritten(
        lambda content: set_in(content, content.index(CENTRAL), (30, "H"), 60_000), method=zipfile.ZIP_STORED
    ),
    "a 64-bit size without the size": directory_says(UNPACKED, 0xFFFFFFFF),
    "encrypted": both_say(FLAGS, (6, "H"), 1),
    "strongly encrypted": directory_says(FLAGS, 0x41),
    "with an encrypted directory": directory_says(FLAGS, 0x2000),
    "deflate64": both_say(METHOD, (8, "H"), 9),
    "imploded": both_say(METHOD, (8, "H"), 6),
    "PPMd": both_say(METHOD, (8, "H"), 98),
    "AES": both_say(METHOD, (8, "H"), 99),
    "a method that does not exist": both_say(METHOD, (8, "H"), 4711),
    "deflated bytes called bzip2": both_say(METHOD, (8, "H"), 12),
    "deflated bytes called LZMA": both_say(METHOD, (8, "H"), 14),
    "deflated bytes called stored": both_say(METHOD, (8, "H"), 0),
    "a link to the system's files": of_kind(stat.S_IFLNK),
    "a pipe inside": of_kind(stat.S_IFIFO),
    "a device inside": of_kind(stat.S_IFCHR),
    "a socket inside": of_kind(stat.S_IFSOCK),
}

# --- names -------------------------------------------------------------------------------------------------------

NAMES = {
    f"the name {name!r}"[:60]: renamed(name)
    for name in (
        *(
            "../evil.png",
            "cat/../../evil.png",
            "cat/..",
            "../../../../../../tmp/evil.png",
            "/tmp/evil.png",
            "//host/evil.png",
        ),
        *("C:/evil.png", "c:evil.png", "C:\\evil.png", "..\\evil.png", "cat\\9.png", "\\\\host\\evil.png"),
        *("cat/9\0.png", "CON/9.png", "cat/nul.png", "AUX", "cat/com1.txt", "lpt9/9.png", "prn .png", "cat//9.png"),
        *("cat/" + "n" * 300 + ".png", "cat/" + "ü" * 130 + ".png", "d/" * 20 + "9.png"),
    )
}


def twice(folder):
    return zipped(folder, [*classes().items(), ("cat/0.png", png(7))])


def twice_by_a_dot(folder):
    return zipped(folder, [*classes().items(), ("./cat/0.png", png(7))])


# --- bombs -------------------------------------------------------------------------------------------------------


def many_that_unpack(folder):
    files = {f"cat/{i}.bmp": bytes(900_000) for i in range(12)}
    return zipped(folder, files, zipfile.ZIP_DEFLATED)


def same_bytes_many_times(folder):
    """Fifield's simplest: many entries of the directory share one file."""
    content = zipped(folder, {"cat/0.png": b"kernel" * 1000}, zipfile.ZIP_DEFLATED).read_bytes()
    start, end = content.index(CENTRAL), content.rindex(END)
    entry = content[start:end]
    copies = b"".join(entry.replace(b"cat/0", f"cat/{i}".encode()) for i in range(10))
    tail = struct.pack("<4s4H2IH", END, 0, 0, 10, 10, len(copies), start, 0)
    (folder / "source.zip").write_bytes(content[:start] + copies + tail)
    return folder / "source.zip"


def quoted(folder):
    """Fifield's better one: a stored file holds the next one with its header."""
    inner = zipped(folder, {"cat/1.png": png()}).read_bytes()
    inner = inner[: inner.index(CENTRAL)]
    outer = zipped(folder, {"cat/0.png": inner}).read_bytes()
    start, end = outer.index(CENTRAL), outer.rindex(END)
    second = bytearray(outer[start:end].replace(b"cat/0", b"cat/1"))
    for field, value in (
        (CRC, zlib.crc32(png())),
        (PACKED, len(png())),
        (UNPACKED, len(png())),
        (OFFSET, outer.index(inner)),
    ):
        struct.pack_into("<I", second, field[0], value)
    entries = outer[start:end] + bytes(second)
    (folder / "source.zip").write_bytes(
        outer[:start] + entries + struct.pack("<4s4H2IH", END, 0, 0, 2, 2, len(entries), start, 0)
    )
    return folder / "source.zip"


def states_more_than_there_is(folder):
    """All sizes add up to more than is ever taken, each of them by a ratio that is allowed."""
    files = {f"cat/{i}.png": np.random.default_rng(i).bytes(400_000) for i in range(50)}
    content = zipped(folder, files).read_bytes()
    at = -1
    while (at := content.find(CENTRAL, at + 1)) >= 0:
        content = set_in(content, at, UNPACKED, 90_000_000)
    (folder / "source.zip").write_bytes(content)
    return folder / "source.zip"


def bomb(method):
    return lambda folder: zipped(folder, classes() | {"cat/9.bmp": bytes(20_000_000)}, method)


def small_by_its_word(method):
    """It says that it unpacks to a few bytes; much more is in it."""

    def change(content):
        at = content.rindex(CENTRAL)
        return set_in(set_in(content, at, UNPACKED, 900), content.rindex(LOCAL), (22, "I"), 900)

    return rewritten(change, lambda: classes() | {"cat/9.png": bytes(30_000_000)}, method)


def png_chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(*chunks, width=5, height=5, depth=8, colour=2):
    header = png_chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def rows(width=5, height=5, channels=3):
    return png_chunk(b"IDAT", zlib.compress(bytes((width * channels + 1) * height)))


def jpeg_of_size(width, height):
    content = encoded("JPEG")
    at = content.index(b"\xff\xc0")
    return content[: at + 5] + struct.pack(">2H", height, width) + content[at + 9 :]


def bmp_says(offset, kind, value):
    content = bytearray(encoded("BMP"))
    struct.pack_into(f"<{kind}", content, offset, value)
    return bytes(content)


def webp_of_size(width, height):
    content = encoded("WEBP", lossless=True)
    at = content.index(b"VP8L") + 9
    return content[:at] + struct.pack("<I", (width - 1) | (height - 1) << 14) + content[at + 4 :]


BOMBS = {
    "a bomb, deflated": bomb(zipfile.ZIP_DEFLATED),
    "a bomb, bzip2": bomb(zipfile.ZIP_BZIP2),
    "a bomb, LZMA": bomb(zipfile.ZIP_LZMA),
    "many small bombs": many_that_unpack,
    "one file in many entries": same_bytes_many_times,
    "a file that quotes the next": quoted,
    "a directory that states gigabytes": states_more_than_there_is,
    "a bomb that says it is small, deflated": small_by_its_word(zipfile.ZIP_DEFLATED),
    "a bomb that says it is small, bzip2": small_by_its_word(zipfile.ZIP_BZIP2),
    "a bomb that says it is small, LZMA": small_by_its_word(zipfile.ZIP_LZMA),
    "it states more bytes than there are": directory_says(UNPACKED, 100_000, method=zipfile.ZIP_STORED),
    "it states fewer bytes than there are": directory_says(UNPACKED, 20, method=zipfile.ZIP_DEFLATED),
    "it states more packed bytes than there are": directory_says(PACKED, 100_000),
    "a PNG of ten gigapixels": with_one("cat/9.png", lambda: png_of(rows(), width=100_000, height=100_000)),
    "a PNG of 50 million pixels": with_one("cat/9.png", lambda: png_of(rows(), width=10_000, height=5_000)),
    "a PNG as wide as can be": with_one("cat/9.png", lambda: png_of(rows(), width=0x7FFFFFFF, height=1)),
    "a PNG with much hidden text": with_one(
        "cat/9.png", lambda: png_of(png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(90_000_000))), rows())
    ),
    "a PNG with a huge colour profile": with_one(
        "cat/9.png", lambda: png_of(png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(90_000_000))), rows())
    ),
    "a JPEG of four gigapixels": with_one("cat/9.jpg", lambda: jpeg_of_size(65_500, 65_500)),
    "a WebP as large as can be": with_one("cat/9.webp", lambda: webp_of_size(16_383, 16_383)),
    "a BMP of a gigapixel": with_one("cat/9.bmp", lambda: bmp_says(18, "i", 200_000_000)),
    "a zip file inside": with_one("cat/inner.zip", lambda: b"PK\3\4"),
    "a tar.gz file inside": with_one("inner.tar.gz", lambda: b"\x1f\x8b"),
    "a 7z file inside": with_one("cat/inner.7Z", lambda: b"7z"),
    "an npz file inside": with_one("inner.npz", lambda: b"PK\3\4"),
}

# --- what is no image --------------------------------------------------------------------------------------------


def cut(kind, keep=0.6, **options):
    return lambda: (content := encoded(kind, picture(size=(40, 40)), **options))[: int(keep * len(content))]


def without(content, marker):
    return content.replace(marker, bytes(len(marker)), 1)


BAD_IMAGES = {
    f"for an image, {words}": with_one(f"cat/9.{suffix}", content)
    for words, suffix, content in (
        ("text", "jpg", lambda: b"this is a cat"),
        ("nothing", "png", lambda: b""),
        ("zeros", "bmp", lambda: bytes(500)),
        ("a GIF", "gif", lambda: encoded("GIF")),
        ("a GIF by the name of PNG", "png", lambda: encoded("GIF")),
        ("a TIFF", "tif", lambda: encoded("TIFF")),
        ("a TIFF by the name of JPEG", "jpg", lambda: encoded("TIFF")),
        ("a HEIC", "heic", lambda: b"\0\0\0\x18ftypheic" + bytes(50)),
        ("an AVIF by the name of JPEG", "jpg", lambda: b"\0\0\0\x18ftypavif" + bytes(50)),
        ("an SVG", "svg", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        (
            "SVG with entities",
            "png",
            lambda: b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
        ),
        ("a page of the web", "jpg", lambda: b"<html>not found</html>"),
        ("a PDF", "jpg", lambda: b"%PDF-1.4"),
        ("PostScript", "jpg", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(w) (/tmp/evil) file"),
        ("a zip file", "png", lambda: LOCAL + bytes(40)),
        ("a program", "jpeg", lambda: b"\x7fELF" + bytes(40)),
        ("a Photoshop file", "psd", lambda: b"8BPS" + bytes(40)),
        ("an icon", "ico", lambda: encoded("ICO")),
        ("a sound", "webp", lambda: b"RIFF\x20\0\0\0WAVEfmt " + bytes(40)),
        ("a pickle", "png", lambda: pickle.dumps([1])),
        ("a portable pixmap", "ppm", lambda: encoded("PPM")),
        ("JPEG 2000 by its first bytes", "jp2", lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40)),
        ("a JPEG cut off", "jpg", cut("JPEG")),
        ("a progressive JPEG cut off", "jpg", cut("JPEG", progressive=True)),
        ("a PNG cut off", "png", cut("PNG")),
        ("a WebP cut off", "webp", cut("WEBP")),
        ("a lossless WebP cut off", "webp", cut("WEBP", lossless=True)),
        ("a BMP cut off", "bmp", cut("BMP")),
        ("only the first bytes of JPEG", "jpg", lambda: b"\xff\xd8\xff\xe0"),
        ("only the first bytes of PNG", "png", lambda: b"\x89PNG\r\n\x1a\n"),
        ("only the first bytes of BMP", "bmp", lambda: b"BM" + bytes(10)),
        ("only the first bytes of WebP", "webp", lambda: b"RIFF\x04\0\0\0WEBP"),
        ("a JPEG without quantization tables", "jpg", lambda: encoded("JPEG").replace(b"\xff\xdb", b"\xff\xfe")),
        ("a JPEG without a frame", "jpg", lambda: without(encoded("JPEG"), b"\xff\xc0")),
        ("a JPEG without pixels", "jpg", lambda: jpeg_of_size(0, 0)),
        ("a PNG whose header is wrong", "png", lambda: png()[:20] + b"\xff" + png()[21:]),
        ("a PNG without data", "png", png_of),
        ("a PNG of an unknown packing", "png", lambda: png_of(png_chunk(b"IDAT", b"\xff" * 30))),
        ("a PNG with broken data", "png", lambda: png_of(png_chunk(b"IDAT", b"\x78\x9c" + bytes(30)))),
        ("a PNG without width", "png", lambda: png_of(rows(), width=0)),
        ("a PNG of an unknown colour type", "png", lambda: png_of(rows(), colour=5)),
        ("a PNG of three bits", "png", lambda: png_of(rows(), depth=3)),
        ("a PNG with a chunk that never ends", "png", lambda: png()[:33] + struct.pack(">I", 0x7FFFFFFF) + b"IDAT"),
        ("a BMP of no width", "bmp", lambda: bmp_says(18, "i", 0)),
        ("a BMP of 7 bits", "bmp", lambda: bmp_says(28, "H", 7)),
        ("a BMP with an unknown packing", "bmp", lambda: bmp_says(30, "I", 77)),
        ("a BMP whose pixels lie elsewhere", "bmp", lambda: bmp_says(10, "I", 1 << 30)),
        ("a BMP with an unknown header", "bmp", lambda: bmp_says(14, "I", 13)),
        ("a WebP with noise inside", "webp", lambda: encoded("WEBP")[:20] + bytes(200)),
    )
}

# --- folders and classes -----------------------------------------------------------------------------------------


def of(files, make=zipped):
    return lambda folder: make(folder, files() if callable(files) else files)


def class_called(name):
    return of(lambda: classes(("dog", name)))


def folder_with(add):
    def make(folder):
        source = laid_out(folder, classes())
        add(source)
        return source

    return make


def outside(source):
    path = source.parent / "outside.png"
    path.write_bytes(png())
    return path


def sparse(name, size):
    def add(source):
        with open(source / name, "wb") as file:
            file.truncate(size)

    return add


FOLDERS = {
    "no images": of({"README.txt": b"cats", "labels.csv": b"1,cat"}),
    "only folders": of({"cat/": b"", "dog/": b""}),
    "only what systems leave behind": of({"__MACOSX/cat/._1.jpg": b"", ".DS_Store": b"", "Thumbs.db": b""}),
    "one class": of(lambda: classes(("cat",), 20)),
    "a class of four images": of(lambda: classes() | classes(("emu",), 4)),
    "a class of one image": of(lambda: classes() | {"emu/1.png": png()}),
    "other classes in the test": of(lambda: classes(above="train/") | classes(("cat", "emu"), above="test/")),
    "a class that the test lacks": of(lambda: classes(("cat", "dog", "emu"), above="train/") | classes(above="test/")),
    "a class only in validation": of(lambda: classes(above="train/") | classes(("cat", "dog", "emu"), above="val/")),
    "an image beside class folders": of(lambda: classes() | {"preview.png": png()}),
    "folders within classes": of(lambda: classes() | classes(("red", "black"), above="cat/")),
    "another folder beside train and test": of(
        lambda: classes(above="train/") | classes(above="test/") | classes(above="extra/")
    ),
    "splits within classes": of(
        lambda: classes(("train", "test"), above="cat/") | classes(("train", "test"), above="dog/")
    ),
    "no folder to train on": of(lambda: classes(above="val/") | classes(above="test/")),
    "a test without classes": of(lambda: classes(above="train/") | {f"test/{i}.png": png(i) for i in range(9)}),
    "too few to train on": of(lambda: classes(each=1, above="train/") | classes(above="test/")),
    "two images without classes": of(lambda: {f"{i}.png": png(i) for i in range(2)}),
    "a class called cat and one called Cat": of(lambda: classes(("cat", "Cat", "dog"))),
    "two classes composed differently": of(lambda: classes(("\u00e4pfel", "a\u0308pfel"))),
    "two classes that differ by a space": of(lambda: classes(("cat", "cat "))),
    "too many classes": of(lambda: {f"{i:04}/1.png": png() for i in range(1001)}),
    "a class with a line break": class_called("cat\nCookie: a=b"),
    "a class with an escape": class_called("\x1b[2Jcat"),
    "a class with a bell": class_called("cat\a"),
    "a class written backwards": class_called("cat\u202egpj"),
    "a class with an isolate": class_called("\u2067cat"),
    "a class with a line separator": class_called("cat\u2028dog"),
    "a class that is a formula": class_called("=HYPERLINK(1)"),
    "a class that is a macro": class_called("@SUM(1)"),
    "a class that is a command": class_called("+cmd|' C'!A0"),
    "a class that subtracts": class_called("-2+3"),
    "a class that is a space": class_called(" "),
    "a class of 101 letters": class_called("c" * 101),
    "a file that is in it twice": twice,
    "a file that is in it twice by another path": twice_by_a_dot,
    "an empty folder": lambda folder: folder,
    "a link to a file outside": folder_with(lambda source: (source / "cat/l.png").symlink_to(outside(source))),
    "a link to a folder outside": folder_with(lambda source: (source / "emu").symlink_to("/etc")),
    "a link to itself": folder_with(lambda source: (source / "cat/again").symlink_to(source)),
    "a link to nothing": folder_with(lambda source: (source / "cat/l.png").symlink_to("/nowhere")),
    "a pipe in a folder": folder_with(lambda source: os.mkfifo(source / "cat/p.png")),
    "a socket in a folder": folder_with(lambda source: bind(source, "it.png")),
    "a name with a backslash in a folder": folder_with(lambda source: (source / "cat\\1.png").touch()),
    "a reserved name in a folder": folder_with(lambda source: (source / "cat/con.png").touch()),
    "a folder of folders of folders": folder_with(lambda source: (source / ("d/" * 30)).mkdir(parents=True)),
    "a class that is no text": lambda folder: laid_out(folder, classes(("dog", os.fsdecode(b"\xff\xfe")))),
    "an image of 33 MB": folder_with(sparse("cat/9.png", 33_000_000)),
    "a folder of five gigabytes": folder_with(sparse("cat/9.png", 5_000_000_000)),
}

# --- arrays ------------------------------------------------------------------------------------------------------

LABELS = np.arange(24) % 3


def images(*shape, dtype=np.uint8):
    return np.random.default_rng(3).integers(0, 256, shape or (24, 6, 5), dtype=np.uint8).astype(dtype)


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz(**arrays):
    return of({f"{name}.npy": npy(np.asarray(array)) for name, array in arrays.items()}, in_npz)


def in_npz(folder, files):
    return zipped(folder, files, zipfile.ZIP_DEFLATED, "source.npz")


def labelled(labels=LABELS, **more):
    return npz(images=images(), labels=labels, **more)


def header(words, body=720, version=(1, 0), length=None):
    """An array with this header, and so many bytes behind it."""
    raw = words.encode("latin1") + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(raw) if length is None else length)
    content = b"\x93NUMPY" + bytes(version) + size + raw + np.random.default_rng(5).bytes(body)
    return of({"images.npy": content}, in_npz)


def shaped(shape, descr="'|u1'", **options):
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", **options)


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


ARRAYS = {
    "images that are objects": npz(images=np.array([Evil()] * 24, dtype=object)),
    "labels that are objects": labelled(np.array([Evil()] * 24, dtype=object)),
    "classes that are objects": labelled(classes=np.array(["cat", Evil(), "emu"], dtype=object)),
    "a pickle instead of an array": of({"images.npy": pickle.dumps(Evil())}, in_npz),
    "text instead of an array": of({"images.npy": b"0 1 2 3"}, in_npz),
    "nothing instead of an array": of({"images.npy": b""}, in_npz),
    "a header that says more images": shaped((25, 6, 5)),
    "a header that says fewer images": shaped((23, 6, 5)),
    "a header that says exabytes": shaped((1 << 40, 1 << 20, 3)),
    "a header whose product overflows": shaped((1 << 32, 1 << 32, 1)),
    "a header that says less than none": shaped((-24, -6, 5)),
    "a header that counts in halves": shaped((24.5, 6, 5)),
    "a header that runs a program": header("__import__('os').system('touch evil')"),
    "a header that is no dictionary": header("[1, 2, 3]"),
    "a header in a hundred brackets": header("(" * 3000),
    "a header of megabytes": header("{" + " " * 2_000_000, version=(2, 0)),
    "a header that ends too late": shaped((24, 6, 5), length=60_000),
    "a header of another version": shaped((24, 6, 5), version=(9, 9)),
    "a header with objects": shaped((24, 6, 5), "'|O'"),
    "a header with a record": shaped((24, 6, 5), "[('a', '|u1')]"),
    "a header with an unknown type": shaped((24, 6, 5), "'|q9'"),
    "a header with one shape in another": shaped(((24, 6), 5)),
    "float32 images": npz(images=images(dtype=np.float32) / 255),
    "float64 images": npz(images=images(dtype=np.float64)),
    "int64 images": npz(images=images(dtype=np.int64)),
    "boolean images": npz(images=images() > 100),
    "complex images": npz(images=images(dtype=np.complex64)),
    "images of text": npz(images=np.array([["cat"] * 3] * 24)),
    "one image": npz(images=images(6, 5)),
    "a number": npz(images=np.uint8(3)),
    "films": npz(images=images(4, 2, 6, 5, 3)),
    "no images in an array": npz(images=images(0, 6, 5)),
    "images without pixels": npz(images=images(24, 0, 5)),
    "images of two channels": npz(images=images(24, 6, 5, 2)),
    "images of five channels": npz(images=images(24, 5, 6, 5)),
    "an array of black images": npz(images=np.zeros((60, 200, 200), np.uint8)),
    "too many tiny images": npz(images=images(200_001, 1, 1)),
    "float labels": labelled(LABELS / 1),
    "boolean labels": labelled(LABELS > 1),
    "labels that are text": labelled(LABELS.astype(str)),
    "labels that are dates": labelled(LABELS.astype("datetime64[s]")),
    "negative labels": labelled(LABELS - 1),
    "huge labels": labelled(LABELS * 1000),
    "labels beyond 64 bits": labelled(LABELS.astype(np.uint64) + np.uint64(1 << 63)),
    "one-hot labels": labelled(np.eye(3, dtype=int)[LABELS]),
    "too few labels": labelled(LABELS[:-1]),
    "too many labels": labelled(np.arange(25) % 3),
    "no labels at all": labelled(LABELS[:0]),
    "labels that skip a class": labelled(LABELS + (LABELS > 0)),
    "labels from one": labelled(LABELS + 1),
    "labels all the same": labelled(LABELS * 0),
    "a label of two images": labelled(np.where(np.arange(24) < 2, 2, LABELS % 2)),
    "a label without a name": labelled(classes=np.array(["cat", "dog"])),
    "a name without images": labelled(classes=np.array(["cat", "dog", "emu", "fox"])),
    "names in bytes": labelled(classes=np.array([b"cat", b"dog", b"emu"])),
    "names in a table": labelled(classes=np.array([["cat", "dog", "emu"]])),
    "names that are numbers": labelled(classes=np.arange(3)),
    "the same name twice": labelled(classes=np.array(["cat", "dog", "cat"])),
    "an empty name": labelled(classes=np.array(["cat", "", "emu"])),
    "a name that is a formula": labelled(classes=np.array(["cat", "=1+1", "emu"])),
    "a name with a tab": labelled(classes=np.array(["cat", "d\tog", "emu"])),
    "a name of 1,000 letters": labelled(classes=np.array(["cat", "d" * 1000, "emu"])),
    "names for nothing": npz(images=images(), classes=np.array(["cat", "dog"])),
    "letters that do not exist": of(
        lambda: {
            "images.npy": npy(images()),
            "labels.npy": npy(LABELS),
            "classes.npy": npy(np.array(["cat", "dog", "emu"])).replace(b"d\0\0\0", b"\xff\xff\xff\x7f"),
        },
        in_npz,
    ),
    "no array called images": npz(x=images(), y=LABELS),
    "a test and nothing to train on": npz(x_test=images(), y_test=LABELS),
    "labels of the training only": npz(x_train=images(), y_train=LABELS, x_test=images()),
    "labels of another part": npz(x_train=images(), y_test=LABELS),
    "parts of two sizes": npz(x_train=images(), y_train=LABELS, x_test=images(24, 5, 6), y_test=LABELS),
    "a part by two names": npz(x_train=images(), train_x=images(), y_train=LABELS),
    "a part of floats": npz(x_train=images(), y_train=LABELS, x_test=images() / 255, y_test=LABELS),
    "parts that are too many together": npz(x_train=images(150_000, 1, 1), x_test=images(60_000, 1, 1)),
    "three arrays too few images": npz(images=images(2, 6, 5)),
}

HOSTILE = {**NO_ZIP, **BROKEN_ZIP, **NAMES, **BOMBS, **BAD_IMAGES, **FOLDERS, **ARRAYS}

IN_A_CHILD = (
    *("a page of the web", "a device", "only the first half", "encrypted", "a link to the system's files"),
    *("the name '../evil.png'", "a bomb, bzip2", "a bomb that says it is small, LZMA", "one file in many entries"),
    *("a PNG with much hidden text", "a WebP as large as can be", "for an image, a JPEG cut off", "one class"),
    *("a pipe in a folder", "images that are objects", "a header in a hundred brackets", "float32 images"),
)
"""One of each kind, for the real child process."""

# --- odd but good ------------------------------------------------------------------------------------------------


def all_as(encode, suffix="png"):
    """Two classes of six images in a format."""
    return of(
        lambda: {
            f"{name}/{i}.{suffix}": encode(picture(10 * k + i))
            for k, name in enumerate(("cat", "dog"))
            for i in range(6)
        }
    )


def saved(kind, mode="RGB", **options):
    return lambda image: encoded(kind, image.convert(mode), **options)


def deep(image):
    return encoded("PNG", Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257))


def see_through(image):
    return encoded("PNG", image.quantize(8), transparency=0)


def turned(image):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("JPEG", image, exif=exif)


def with_directories(folder):
    return zipped(folder, [("cat/", b""), ("dog/", b""), ("emu/", b""), *classes().items()])


def in_64_bits(folder):
    path = folder / "source.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in classes().items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
    return path


def streamed(folder):
    """Sizes after the files, as a program writes that cannot go back."""

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def tell(self):
            raise OSError

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in classes().items():
            archive.writestr(name, content)
    (folder / "source.zip").write_bytes(pipe.getvalue())
    return folder / "source.zip"


def with_comment(folder):
    path = zipped(folder, classes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"cats and dogs"
    return path


def by_macos(folder):
    """UTF-8 without the flag that says so, decomposed."""

    def unflagged(content):
        at = -1
        while (at := content.find(CENTRAL, at + 1)) >= 0:
            content = set_in(content, at, FLAGS, 0)
        at = -1
        while (at := content.find(LOCAL, at + 1)) >= 0:
            content = set_in(content, at, (6, "H"), 0)
        return content

    return rewritten(unflagged, lambda: classes(("a\u0308pfel", "birnen")))(folder)


ODD = {
    "progressive JPEG": all_as(saved("JPEG", progressive=True), "jpg"),
    "grey JPEG": all_as(saved("JPEG", "L"), "jpeg"),
    "CMYK JPEG": all_as(saved("JPEG", "CMYK"), "JPG"),
    "JPEG turned by EXIF": all_as(turned, "JPEG"),
    "palette PNG": all_as(lambda image: encoded("PNG", image.quantize(8))),
    "palette PNG with a transparent colour": all_as(see_through),
    "16-bit PNG": all_as(deep),
    "1-bit PNG": all_as(saved("PNG", "1")),
    "PNG with alpha": all_as(saved("PNG", "RGBA")),
    "grey PNG with alpha": all_as(saved("PNG", "LA")),
    "lossy WebP": all_as(saved("WEBP"), "webp"),
    "lossless WebP with alpha": all_as(saved("WEBP", "RGBA", lossless=True), "WebP"),
    "BMP": all_as(saved("BMP"), "bmp"),
    "1-bit BMP": all_as(saved("BMP", "1"), "BMP"),
    "PNG by the name of JPEG": all_as(saved("PNG"), "jpg"),
    "animated PNG": all_as(lambda image: encoded("PNG", image, save_all=True, append_images=[image.rotate(180)])),
    "names with spaces": of(lambda: classes(("black cat", "brown dog"))),
    "umlauts": of(lambda: classes(("Äpfel", "Öl"))),
    "Chinese": of(lambda: classes(("猫", "狗"))),
    "emoji": of(lambda: classes(("🐱", "👩‍🔬"))),
    "negative numbers as names": of(lambda: classes(("-1", "+1"))),
    "decomposed names of macOS": by_macos,
    "mixed sizes": all_as(lambda image: encoded("PNG", image.resize((4 + image.getpixel((0, 0))[0] % 3, 5)))),
    "grey and colour": of(lambda: classes() | {"cat/9.png": encoded(image=picture(mode="L"))}),
    "one wrapping folder": of(lambda: classes(above="Archive/")),
    "three wrapping folders": of(lambda: classes(above="Archive/data/images/")),
    "train only": of(lambda: classes(above="dataset/train/")),
    "train and test": of(lambda: classes(above="dataset/Training/") | classes(above="dataset/TEST/")),
    "train and validation": of(lambda: classes(above="train/") | classes(above="valid/")),
    "all three, wrapped again": of(
        lambda: classes(above="train/train/") | classes(above="val/val/") | classes(above="test/test/")
    ),
    "official splits with a class of two": of(
        lambda: classes(above="train/") | classes(above="test/") | {f"{s}/emu/1.png": png(3) for s in ("train", "test")}
    ),
    "no classes": of(lambda: {f"{i}.png": png(i) for i in range(12)}),
    "no classes but a test": of(lambda: {f"{split}/{i}.png": png(i) for split in ("train", "test") for i in range(12)}),
    "what systems leave behind": of(
        lambda: (
            classes()
            | dict.fromkeys(
                ("__MACOSX/cat/._0.png", ".DS_Store", "cat/Thumbs.db", "dog/desktop.ini", ".git/x.png"), b"?"
            )
        )
    ),
    "texts beside images": of(lambda: classes() | dict.fromkeys(("README.txt", "labels.csv", "LICENSE"), b"text")),
    "folders as entries, one of them empty": with_directories,
    "deflated": of(classes, functools.partial(zipped, method=zipfile.ZIP_DEFLATED)),
    "packed by bzip2": of(classes, functools.partial(zipped, method=zipfile.ZIP_BZIP2)),
    "packed by LZMA": of(classes, functools.partial(zipped, method=zipfile.ZIP_LZMA)),
    "64-bit zip": in_64_bits,
    "streamed zip": streamed,
    "a comment in the zip": with_comment,
    "a zip called something else": lambda folder: zipped(folder, classes(), name="cats and dogs"),
    "a folder": lambda folder: laid_out(folder, classes()),
    "a folder with empty and hidden ones": folder_with(
        lambda source: [(source / name).mkdir() for name in ("emu", ".cache")]
    ),
    "npz, grey": labelled(),
    "npz, one channel last": npz(images=images(24, 6, 5, 1), labels=LABELS),
    "npz, one channel first": npz(images=images(24, 1, 6, 5), labels=LABELS.astype(np.uint8)),
    "npz, colours last": npz(images=images(24, 6, 5, 3), labels=LABELS.astype(">i4")),
    "npz, colours first": npz(images=images(24, 3, 6, 5), labels=LABELS),
    "npz, alpha last": npz(images=images(24, 6, 5, 4), labels=LABELS),
    "npz, alpha first": npz(images=images(24, 4, 6, 5), labels=LABELS),
    "npz, Fortran order": npz(images=np.asfortranarray(images(24, 6, 5, 3)), labels=LABELS),
    "npz, no labels": npz(images=images()),
    "npz, names": labelled(classes=np.array(["cat", "dög", "🐱"])),
    "npz, other arrays too": labelled(notes=np.array([Evil()], dtype=object)),
    "npz, training and test": npz(x_train=images(48, 6, 5), y_train=[*LABELS] * 2, x_test=images(), y_test=LABELS),
    "npz, three parts": npz(
        **{f"{part}_images": images(24, 6, 5, 3) for part in ("train", "val", "test")},
        **{f"{part}_labels": LABELS[:, None] for part in ("train", "val", "test")},
    ),
    "npz, parts without labels": npz(train_x=images(), test_x=images()),
    "npz, images and a part": labelled(x_test=images()),
    "npz, stored": lambda folder: zipped(folder, {"images.npy": npy(images())}),
}
