"""What a measurement was made on and with. Cheap: neither torch nor ONNX Runtime is imported."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

from compression import ENGINE_VERSION
from compression.results.record import Machine

THREADS = 1
"""One thread: what other programs do disturbs it least, and a small network gains little from more."""
BATCH_SIZE = 1
"""One image: latency is how long a single answer takes."""

_RELEVANT = (
    *("avx", "fma", "avx2", "avx512f", "avx512bw", "avx512_bf16", "avx512_fp16", "avx512_vnni", "avx_vnni"),
    *("amx_bf16", "amx_int8", "neon", "asimd", "asimddp", "i8mm", "bf16", "sve"),
)
"""Those that decide which kernels a runtime picks for float32, bfloat16 and int8."""


@functools.cache
def describe_machine() -> Machine:
    """CPU, relevant instruction sets, threads, batch size, and versions of what computes."""
    packages = {name: _version(name) for name in ("torch", "onnxruntime", "onnx")}
    return Machine(
        cpu=_cpu(),
        instruction_sets=_instruction_sets(),
        threads=THREADS,
        batch_size=BATCH_SIZE,
        versions={"python": platform.python_version(), **packages, "engine": ENGINE_VERSION},
    )


@functools.cache
def machine_id() -> str:
    """16 hexadecimal digits, equal where timings can be compared: CPU, instruction sets, runtimes' versions."""
    machine = describe_machine()
    versions = [machine.versions["onnxruntime"], machine.versions["torch"]]
    facts = json.dumps([machine.cpu, machine.instruction_sets, machine.threads, machine.batch_size, versions])
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    """The processor's name as its maker writes it, or at least its architecture."""
    name = _cpuinfo().get("model name") or _sysctl("machdep.cpu.brand_string") or platform.processor()
    return " ".join((name or platform.machine() or "unknown").split())


def _instruction_sets() -> tuple[str, ...]:
    info = _cpuinfo()
    words = set((info.get("flags") or info.get("Features") or "").lower().split())
    words |= {word.lower() for word in _sysctl("machdep.cpu.features machdep.cpu.leaf7_features").split()}
    if platform.machine().lower() in {"arm64", "aarch64"}:
        words.add("neon")  # every 64-bit Arm has it
    found = {word.replace("_", "") for word in words}  # macOS writes AVX512VNNI, Linux avx512_vnni
    return tuple(name for name in _RELEVANT if name.replace("_", "") in found)


@functools.cache
def _cpuinfo() -> dict[str, str]:
    """The first processor of Linux's list; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return parse_cpuinfo(text)


def parse_cpuinfo(text: str) -> dict[str, str]:
    """Keys and values of the first processor in the text of `/proc/cpuinfo`."""
    lines = (line.split(":", 1) for line in text.split("\n\n", maxsplit=1)[0].splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in lines}


def _sysctl(names: str) -> str:
    """Values that macOS knows by these names, on one line; empty elsewhere."""
    if platform.system() != "Darwin":
        return ""
    command = ["/usr/sbin/sysctl", "-n", *names.split()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return " ".join(done.stdout.split())
