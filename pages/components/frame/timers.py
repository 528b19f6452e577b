"""Timers of a page that is being left: they must not take the place of the page that comes.

A part of a page that looks for news every half a second asks the server in the name of its page. Streamlit folds what
browsers ask into one request, the newest deciding which page is drawn: a timer that fires just after a click on the
menu would undo the click, or draw a part of the old page on the new one.
"""

from __future__ import annotations

import functools

from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

_fold = ScriptRequests._request_rerun_locked


def hold_back() -> None:
    """Have Streamlit leave out what timers of other pages ask for; call it as often as you like."""
    ScriptRequests._request_rerun_locked = _without_left_pages  # type: ignore[method-assign]


@functools.wraps(_fold)
def _without_left_pages(self: ScriptRequests, new_data: RerunData) -> bool:
    asked_last = self._rerun_data.page_script_hash
    if new_data.is_auto_rerun and asked_last and new_data.page_script_hash != asked_last:
        return True  # as if it were done
    return _fold(self, new_data)
