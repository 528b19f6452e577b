"""Files of weights that must be refused, each for a reason of its own, and odd ones that must be taken.

`BAD_WEIGHTS` and `ODD_WEIGHTS` map what is special to a function that writes weights, of SqueezeNet if nothing else is
said, into a folder and returns the path.
"""

import functools
import gzip
import io
import json
import pickle
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from tests.support.hostile_networks import Evil, good, picture, safe, saved, zip_of


@functools.cache
def trained(architecture="squeezenet1_0", classes=2):
    """A network of torchvision with weights of its own; not to be changed."""
    from sample_models.vision import torchvision

    torch.manual_seed(1)
    return torchvision.models.get_model(architecture, num_classes=classes).eval()


def state(change=lambda tensor: tensor, **options):
    return OrderedDict((name, change(tensor)) for name, tensor in trained(**options).state_dict().items())


def in_torch(make, name="weights.pth", **options):
    def write(folder):
        torch.save(make(), folder / name, **options)
        return folder / name

    return write


def in_bytes(make, name="weights.pth"):
    def write(folder):
        (folder / name).write_bytes(make())
        return folder / name

    return write


def in_safetensors(make, name="weights.safetensors"):
    from safetensors.torch import save

    return in_bytes(lambda: save(dict(make())), name)


def with_one(name, make):
    """The right weights, but for one."""

    def change():
        return state() | {name: make(state().get(name))}

    return in_torch(change)


LAST = "classifier.1.weight"


def torch_zip(change):
    """A torch file of one tensor of 77 numbers, whose entries, name by content, `change` makes others."""

    def make():
        with zipfile.ZipFile(io.BytesIO(saved({"w": torch.ones(77)}))) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        return zip_of(**change(files))

    return in_bytes(make)


def pickle_says(old, new):
    """In the place of what the pickle in a torch file says, something else."""
    return torch_zip(
        lambda files: {name: body.replace(old, new) if name.endswith(".pkl") else body for name, body in files.items()}
    )


def legacy_tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:") as archive:
        for name in ("storages", "tensors", "pickle", "../../evil"):
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(pickle.dumps(Evil())[:4]))
    return file.getvalue()


class Persistent(pickle.Pickler):
    def persistent_id(self, value):
        return ("storage", ("storage", Evil()), "0", "cpu", 5) if value == "it" else None


def nested_persistent():
    file = io.BytesIO()
    Persistent(file, 2).dump({"w": "it"})
    return file.getvalue()


def arrays():
    file = io.BytesIO()
    np.savez(file, w=np.array([Evil()], dtype=object))
    return file.getvalue()


def script():
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), file)
    return file.getvalue()


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def lying(header, body=bytes(8), length=None):
    return in_bytes(lambda: safe(header, body, length), "weights.safetensors")


BAD_PICKLES = {
    "a command": in_bytes(lambda: pickle.dumps(Evil())),
    "a command by torch": in_torch(Evil),
    "a command among weights": in_torch(lambda: state() | {"evil": Evil()}),
    "a command in an old file": in_torch(Evil, _use_new_zipfile_serialization=False),
    "a whole network": in_torch(trained),
    "a dictionary of arrays, pickled": in_bytes(lambda: pickle.dumps({"w": np.ones(3)}), "weights.pkl"),
    "arrays of objects": in_bytes(arrays, "weights.npz"),
    "a compressed pickle, as joblib writes": in_bytes(lambda: gzip.compress(pickle.dumps(Evil())), "weights.joblib"),
    "a storage in a storage": in_bytes(nested_persistent),
    "a script": in_bytes(script),
    "a tar file that leads outside": in_bytes(legacy_tar),
    "a zip file that leads outside": torch_zip(
        lambda files: {name.replace("data/0", "../../../evil"): body for name, body in files.items()}
    ),
    "a zip file without a pickle": torch_zip(
        lambda files: {name: body for name, body in files.items() if not name.endswith(".pkl")}
    ),
    "a zip file without numbers": torch_zip(
        lambda files: {name: body for name, body in files.items() if not name.endswith("data/0")}
    ),
    "a zip file of something else": in_bytes(lambda: zip_of(cat=b"dog")),
    "half of a zip file": in_bytes(lambda: (content := saved(state()))[: len(content) // 2]),
    "a zip file without its last bytes": in_bytes(lambda: saved({"w": torch.ones(9)})[:-30]),
    "a storage of 2^40 numbers": pickle_says(b"KM", b"\x8a\x06" + (1 << 40).to_bytes(6, "little")),
    "a pickle that never ends": pickle_says(b".", b""),
    "half of an old file": in_bytes(
        lambda: (content := saved(state(), _use_new_zipfile_serialization=False))[: len(content) // 2]
    ),
    "another module's class": torch_zip(
        lambda files: {
            n: b"\x80\x02cos\nsystem\nX\x0a\0\0\0touch evil\x85R." if n.endswith(".pkl") else b
            for n, b in files.items()
        }
    ),
    "lists in lists": in_bytes(lambda: b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."),
}

BAD_SAFETENSORS = {
    "a header of 2^63 bytes": lying({}, length=1 << 63),
    "a header of 200 MB, it says": lying({}, length=200_000_000),
    "a header longer than the file": lying({"w": entry()}, length=5000),
    "no header": lying("", length=0),
    "seven bytes": in_bytes(lambda: bytes(7), "weights.safetensors"),
    "a header that is no JSON": lying("{cat"),
    "a header that is a list": lying("[1, 2]"),
    "a header that is no text": lying("{\udcff\udcfe}"),
    "a header in a hundred thousand brackets": lying('{"w":' + "[" * 100_000),
    "overlapping numbers": lying({"v": entry(), "w": entry(offsets=(4, 12))}, bytes(12)),
    "numbers beyond the file": lying({"w": entry(offsets=(0, 8000), shape=(2000,))}),
    "numbers from 2^62 on": lying({"w": entry(offsets=(1 << 62, (1 << 62) + 8))}),
    "numbers that end before they begin": lying({"w": entry(offsets=(8, 0))}),
    "a hole between numbers": lying({"v": entry(), "w": entry(offsets=(16, 24))}, bytes(24)),
    "more bytes than numbers": lying({"w": entry()}, bytes(800)),
    "sizes that lie": lying({"w": entry(shape=(1 << 40,))}),
    "sizes whose product overflows": lying({"w": entry(shape=(1 << 33, 1 << 33))}),
    "sizes below zero": lying({"w": entry(shape=(-2,))}),
    "a type that does not exist": lying({"w": entry("F99")}),
    "another type than the bytes": lying({"w": entry("F64")}),
    "a name twice": lying(f'{{"w":{json.dumps(entry())},"w":{json.dumps(entry())}}}'),
    "a pickle by the name of safetensors": in_torch(state, "weights.safetensors"),
}

BAD_VALUES = {
    "no such file": lambda folder: folder / "missing.pth",
    "a folder": lambda folder: folder,
    "an empty file": in_bytes(bytes),
    "text": in_bytes(lambda: b"cat"),
    "a PNG": in_bytes(lambda: picture("PNG")),
    "an ONNX file": in_bytes(lambda: good().SerializeToString()),
    "an HDF5 file": in_bytes(lambda: b"\x89HDF\r\n\x1a\n" + bytes(50), "weights.h5"),
    "a web page": in_bytes(lambda: b"<!DOCTYPE html>"),
    "a Git LFS pointer": in_bytes(lambda: b"version https://git-lfs.github.com/spec/v1\n"),
    "a weight that is NaN": with_one(LAST, lambda tensor: tensor * torch.nan),
    "a weight that is infinite": with_one(LAST, lambda tensor: tensor / 0),
    "a double beyond float32": with_one(LAST, lambda tensor: tensor.double() + 1e300),
    "another architecture's": in_torch(lambda: {f"layer{i}.0.conv1.weight": torch.ones(3) for i in range(9)}),
    "a weight of another size": with_one("features.0.weight", lambda tensor: tensor[:, :2]),
    "a transposed weight": with_one("features.3.squeeze.weight", lambda tensor: tensor.transpose(0, 1)),
    "a classifier of another size": with_one(LAST, lambda tensor: tensor[:, :100]),
    "a classifier for 10^12 classes, without numbers": with_one(LAST, lambda _: torch.ones(10**12, 512, 1, 0)),
    "a weight of 4 TB in four bytes": with_one(LAST, lambda _: torch.ones(1).expand(1 << 40)),
    "one weight a thousand times": in_torch(
        lambda: (one := torch.ones(1 << 10).repeat(1 << 10)) is None or {f"w{i}": one for i in range(1000)}
    ),
    "a weight missing": in_torch(lambda: {name: one for name, one in state().items() if name != LAST}),
    "a weight too many": with_one("extra", lambda _: torch.ones(3)),
    "whole numbers instead of weights": with_one(LAST, lambda tensor: (tensor * 127).to(torch.int8)),
    "complex weights": with_one(LAST, lambda tensor: tensor.to(torch.complex64)),
    "sparse weights": with_one(LAST, lambda tensor: tensor.reshape(2, -1).to_sparse()),
    "quantized weights": with_one(
        LAST, lambda tensor: torch.quantize_per_tensor(tensor, scale=0.1, zero_point=0, dtype=torch.qint8)
    ),
    "weights without numbers": with_one(LAST, lambda tensor: tensor.to("meta")),
    "an empty dictionary": in_torch(dict),
    "a list": in_torch(lambda: [torch.ones(3)]),
    "a tensor": in_torch(lambda: torch.ones(3)),
    "a number": in_torch(lambda: 3),
    "nothing": in_torch(lambda: None),
    "text by torch": in_torch(lambda: "weights"),
    "numbers by name": in_torch(lambda: {"accuracy": 0.9, "epoch": 3}),
    "tensors by number": in_torch(lambda: {0: torch.ones(3), 1: torch.ones(3)}),
    "a state of nothing": in_torch(lambda: {"state_dict": {}}),
    "the optimizer's state alone": in_torch(
        lambda: torch.optim.Adam(trained().parameters()).state_dict() | {"epoch": 1}
    ),
    "a name of a kilobyte": with_one("w\n\x1b[2J" * 200, lambda _: torch.ones(3)),
}

BAD_WEIGHTS = {**BAD_PICKLES, **BAD_SAFETENSORS, **BAD_VALUES}

WEIGHTS_IN_A_CHILD = "a command", "a weight of 4 TB in four bytes"


def of_many(make):
    """A checkpoint as trainers write it: the state among other things."""

    def checkpoint():
        optimizer = torch.optim.SGD(trained().parameters(), 0.1)
        return {"epoch": 3, "optimizer": optimizer.state_dict(), "best": 0.9, "args": OrderedDict(lr=0.1)} | make()

    return in_torch(checkpoint, "checkpoint.pth.tar")


def prefixed(prefix):
    return in_torch(lambda: {prefix + name: tensor for name, tensor in state().items()})


def tied():
    """Each tensor a part of one."""
    whole_thing = torch.cat([tensor.reshape(-1) for tensor in state().values()])
    sizes = [tensor.numel() for tensor in state().values()]
    parts = whole_thing.split(sizes)
    return {name: part.view(tensor.shape) for (name, tensor), part in zip(state().items(), parts, strict=True)}


def turned(tensor):
    """The same numbers, in another order in memory."""
    return tensor.t().contiguous().t() if tensor.dim() == 2 else tensor.contiguous(memory_format=torch.channels_last)


def without_counts():
    return {name: one for name, one in state(architecture=SHUFFLE).items() if "num_batches_tracked" not in name}


SHUFFLE = "shufflenet_v2_x0_5"
ODD_WEIGHTS = {
    "by torch": in_torch(state),
    "by torch, the old way": in_torch(state, _use_new_zipfile_serialization=False),
    "safetensors": in_safetensors(state),
    "safetensors by the name of torch": in_safetensors(state, "weights.pt"),
    "an old pickle of torch with a strange name": in_torch(
        state, "Gewichte (1).bin", _use_new_zipfile_serialization=False
    ),
    "a checkpoint": of_many(lambda: {"state_dict": state()}),
    "a checkpoint of another kind": of_many(lambda: {"model_state_dict": state()}),
    "a checkpoint of a third kind": of_many(lambda: {"model": state()}),
    "in DataParallel": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "compiled, in DataParallel": prefixed("_orig_mod.module."),
    "parameters": in_torch(lambda: state(nn.Parameter)),
    "float64": in_torch(lambda: state(torch.Tensor.double)),
    "float16": in_torch(lambda: state(torch.Tensor.half)),
    "bfloat16": in_safetensors(lambda: state(torch.Tensor.bfloat16)),
    "parts of one tensor": in_torch(tied),
    "channels last": in_torch(lambda: state(lambda one: turned(one) if one.dim() == 4 else one)),
    "seven classes": in_torch(lambda: state(classes=7)),
    "with counts of batches": in_torch(lambda: state(architecture=SHUFFLE)),
    "without counts of batches": in_safetensors(without_counts),
    "of an architecture with versions": in_torch(lambda: state(architecture="mnasnet0_5")),
}
