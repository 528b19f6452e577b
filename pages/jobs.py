"""Jobs: what is under way, what came of it, every result there is, and the room it takes."""

from __future__ import annotations

import streamlit as st

from pages.components.frame import menu

menu.frame("Jobs", reads_link=True, has_title=True)

from pages.components.jobs import board, dialogs, disk, history, job_link, lists

job_link.arrive()
st.title("Jobs", anchor=False)
show = job_link.choose()
if show == job_link.WORK:
    board.show()
    lists.show()
elif show == job_link.HISTORY:
    history.show()
else:
    disk.show()
dialogs.show()
job_link.write()
