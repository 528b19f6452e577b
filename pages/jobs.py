"""Jobs: what is under way, what came of it, every result there is, and the room it takes."""

from __future__ import annotations

import streamlit as st

from pages.components import menu

menu.frame(menu.JOBS, reads_link=True)

from pages.components import (  # noqa: E402  (only now, see `menu`)
    disk,
    job_board,
    job_dialogs,
    job_link,
    job_lists,
    past,
)

job_link.arrive()
st.title("Jobs", anchor=False)
show = job_link.choose()
if show == job_link.WORK:
    job_board.show()
    job_lists.show()
elif show == job_link.HISTORY:
    past.show()
else:
    disk.show()
job_dialogs.show()
job_link.write()
