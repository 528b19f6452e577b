"""The tables, as they lie in databases that people have: what is added may be empty, and no name changes.

Where a column's name is of an earlier wording, `key` is what it is called here.
"""

import sqlalchemy as sql

SCHEMA = 1
"""Raise it when a table changes in a way that older programs cannot read. A new table does not, nor a column that may
be empty: both are added to a database that lacks them, and who does not know them leaves them empty."""

METADATA = sql.MetaData()

COUNTERS = sql.Table(
    "counters",
    METADATA,
    sql.Column("name", sql.String(20), primary_key=True),
    sql.Column("value", sql.Integer, nullable=False),
)
RESULTS = sql.Table(
    "results",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True),
    sql.Column("result_key", sql.String(64), nullable=False, unique=True),
    sql.Column("recipe_id", sql.String(16), nullable=False),
    sql.Column("model", sql.String(100), nullable=False, index=True),
    sql.Column("model_version", sql.String(64), nullable=False),
    sql.Column("data_version", sql.String(200), nullable=False),
    sql.Column("engine_version", sql.String(40), nullable=False),
    sql.Column("machine_id", sql.String(64), nullable=False),
    sql.Column("document", sql.Text, nullable=False),  # the `Result` as JSON
    sql.Column("graph", sql.String(32)),  # its `graph`: results with the same one share their timings
    sql.Column("workspace", sql.String(40)),  # empty: everybody's
)
ANSWERS = sql.Table(
    "answers",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True),
    sql.Column("answer_key", sql.String(64), nullable=False, unique=True),
    sql.Column("result_key", sql.String(64), nullable=False, index=True),
    sql.Column("kind", sql.String(40), nullable=False),
    sql.Column("artifact", sql.String(64), nullable=False),  # the `Answer` as JSON, a content-addressed file
)
DISPATCHERS = sql.Table(
    "engines",
    METADATA,
    sql.Column("engine_id", sql.String(32), key="dispatcher_id", primary_key=True),
    sql.Column("host", sql.String(255), nullable=False),
    sql.Column("pid", sql.Integer, nullable=False),
    sql.Column("process_started", sql.Double, nullable=False),
    sql.Column("heartbeat", sql.Double, nullable=False),
)
JOBS = sql.Table(
    "jobs",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True),
    sql.Column("job_id", sql.String(32), nullable=False, unique=True),
    sql.Column("recipe", sql.Text, nullable=False),
    sql.Column("recipe_id", sql.String(16), nullable=False),
    sql.Column("study", sql.Text, key="inquiry"),  # the `Inquiry` as JSON; empty where the recipe is to be measured
    sql.Column("job_group", sql.String(200), nullable=False),
    sql.Column("workspace", sql.String(40)),
    sql.Column("background", sql.Boolean, nullable=False),
    sql.Column("state", sql.String(16), nullable=False),
    sql.Column("progress", sql.Double, nullable=False),
    sql.Column("message", sql.Text, nullable=False),
    sql.Column("preview", sql.Text),  # of a running job: the `Underway` as JSON, once it is known
    sql.Column("learning", sql.Text),  # of a running job that trains: the `Learning` as JSON
    sql.Column("error", sql.Text),
    sql.Column("attempts", sql.Integer, nullable=False),
    sql.Column("claim", sql.String(32)),
    sql.Column("owner", sql.ForeignKey("engines.dispatcher_id", ondelete="SET NULL")),
    # Unix time, UTC: the one form of a time that every database keeps as it is.
    sql.Column("created_at", sql.Double, nullable=False),
    sql.Column("started_at", sql.Double),
    sql.Column("finished_at", sql.Double),
    sql.Column("cancel_requested_at", sql.Double),
    sql.Column("enough_requested_at", sql.Double),  # its training shall end with the best so far
    sql.Index("jobs_of_group", "job_group", "state"),
    sql.Index("jobs_of_owner", "owner", "state"),
    sql.Index("jobs_of_state", "state", "finished_at"),
    sql.Index("jobs_of_recipe", "recipe_id"),
)
LOGS = sql.Table(
    "job_logs",
    METADATA,
    sql.Column("job_id", sql.ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    sql.Column("lines", sql.Text, nullable=False),  # see `store.logs`; apart, so that lists of jobs stay small
)
GUESSES = sql.Table(
    "guesses",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True),
    sql.Column("workspace", sql.String(40), nullable=False),  # "" where no class was
    sql.Column("question", sql.String(200), nullable=False),
    sql.Column("visitor", sql.String(32), nullable=False),  # a random name of a browser, nothing of a person
    sql.Column("choice", sql.String(40), nullable=False),
    sql.Column("is_answered", sql.Boolean, nullable=False),
    sql.Column("changed_at", sql.Double, nullable=False),
    sql.UniqueConstraint("workspace", "visitor", "question"),
    sql.Index("guesses_of_question", "workspace", "question"),
)
NOTES = sql.Table(
    "notes",
    METADATA,
    sql.Column("result_key", sql.String(64), primary_key=True),
    sql.Column("tags", sql.Text, nullable=False),  # a list of words as JSON
    sql.Column("note", sql.Text, nullable=False),
    sql.Column("changed_at", sql.Double, nullable=False),
)
SEARCHES = sql.Table(
    "searches",
    METADATA,
    sql.Column("sequence", sql.Integer, primary_key=True),
    sql.Column("search_id", sql.String(32), nullable=False, unique=True),
    sql.Column("model", sql.String(100), nullable=False),
    sql.Column("workspace", sql.String(40), nullable=False),  # "": everybody's
    sql.Column("wish", sql.Text, nullable=False),  # as JSON, which `compression.search` reads
    sql.Column("state", sql.String(16), nullable=False),
    sql.Column("minutes", sql.Double, nullable=False),  # to spend
    sql.Column("spent_s", sql.Double, nullable=False),
    sql.Column("progress", sql.Text, nullable=False),  # a list as JSON: seconds, settings, hypervolume
    sql.Column("message", sql.Text, nullable=False),
    sql.Column("owner", sql.ForeignKey("engines.dispatcher_id", ondelete="SET NULL")),
    sql.Column("created_at", sql.Double, nullable=False),
    sql.Column("finished_at", sql.Double),
)
