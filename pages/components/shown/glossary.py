"""The words that everybody meets here first, each in a sentence."""

from __future__ import annotations

import streamlit as st

from compression.models.subject import all_subjects
from compression.results.metrics import METRICS
from compression.results.score import said

WORDS = {
    "Neural network": "layers of numbers (**weights**) that a picture's pixels are multiplied by; it learned them from "
    "examples.",
    "Pruning, quantization": "setting weights to zero or taking whole channels out; keeping few different values.",
    "Student": "a smaller network of the same kind that is trained anew, often on the large one's answers.",
    "Slimmable": "one network trained so that its first channels alone are good networks too: students that need no "
    "training.",
    "Stored file": METRICS["stored"].meaning,
    "MACs": METRICS["macs"].meaning,
    "Test images": "pictures that the network never learned from. Where settings are chosen by accuracy, other "
    "pictures decide (the validation images), so that these stay fair.",
    "Curve": "one way of compressing at several strengths. All points of the curves are measured in the background, to "
    "compare your setting with.",
    "Pareto front": "the settings that nothing else beats: every other one is larger (or slower) or less accurate.",
    "95 % interval": "measured again on other pictures or at another time, 95 of 100 "
    "such intervals would contain the truth.",
}


def show() -> None:
    """A button that opens them."""
    with st.popover("What do the words mean?", icon=":material/menu_book:", key="glossary"):
        words = (WORDS | _data_sets()).items()
        st.markdown(said("\n".join(f"- **{word}:** {meaning}" for word, meaning in words)))


def _data_sets() -> dict[str, str]:
    """What the models learned from."""
    every = {subject.data.name: subject for subject in all_subjects()}
    return {
        name: f"{subject.data.train_images:,} pictures to learn from, {' × '.join(map(str, subject.data.shape[1:]))} "
        f"pixels, of {len(subject.data.classes)} kinds. {subject.entry.task.partition(',')[0]}."
        for name, subject in every.items()
    }
