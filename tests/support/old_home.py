"""The home that commit 9cc6861 made, and what its code read in it. See `tests/store/test_old_home.py`."""

import json
from pathlib import Path

OLD_HOME = Path(__file__).parents[1] / "data" / "home-of-9cc6861"
READ = json.loads((OLD_HOME / "read.json").read_text())
LINKS = json.loads((OLD_HOME / "links.json").read_text())
