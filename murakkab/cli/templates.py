"""data: workflows to begin with, each a file and the steps that it calls. `{name}` and `{steps}` stand for what they will be called."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Starter(NamedTuple):
    """A workflow to begin with: what it shows, its YAML, its steps in Python, and words of inputs to try it with."""

    about: str
    workflow: str
    steps: str
    words: str = ""


_HELLO = Starter(
    "one step in Python, one input",
    """\
inputs:
  who: {{type: str, default: world}}

steps:
  greet: {{call: "{steps}:greet", with: {{who: "${{inputs.who}}"}}}}

outputs:
  text: "${{greet}}"
""",
    """\
def greet(who: str) -> str:
    return f"Hello, {who}!"
""",
    "-i who=Ann",
)

_MAP = Starter(
    "one task per element of a list, all at once, and a step that takes all results",
    """\
inputs:
  texts: list[str]

steps:
  # One task per text, four at a time. A text that cannot be counted is left out.
  count:
    call: "{steps}:count"
    for_each: "${{inputs.texts}}"
    with: {{text: "${{item}}"}}
    max_parallel: 4
    on_error: skip

  total: {{call: "{steps}:total", with: {{counts: "${{count[*]}}"}}}}

outputs:
  words: "${{total}}"
""",
    """\
def count(text: str) -> int:
    return len(text.split())


def total(counts: list[int]) -> int:
    return sum(counts)
""",
    "-i texts='one two,three'",
)

_APPROVAL = Starter(
    "a person is asked before something happens that cannot be undone",
    """\
inputs:
  customer: str
  amount: float

steps:
  letter: {{call: "{steps}:write", with: {{customer: "${{inputs.customer}}", amount: "${{inputs.amount}}"}}}}

  # The job waits here, for two days at most; what was done before is not done again. Answer with `murakkab approve JOB`.
  ok:
    approve:
      message: {{$template: "Pay ${{inputs.amount}} back to ${{inputs.customer}}?"}}
      form:
        amount: {{type: float, default: 10.0, description: How much is paid back.}}
        note: {{type: str, default: ""}}
    after: [letter]
    timeout: 2d

  pay:
    call: "{steps}:pay"
    with: {{customer: "${{inputs.customer}}", amount: "${{ok.amount}}"}}
    effect: irreversible

# Runs however the job ends.
finally:
  record: {{call: "{steps}:record", with: {{status: "${{job.status}}"}}}}

outputs:
  receipt: "${{pay}}"
  letter: "${{letter}}"
""",
    """\
def write(customer: str, amount: float) -> str:
    return f"Dear {customer}, we owe you {amount:.2f}."


def pay(customer: str, amount: float) -> str:
    # The place to call a bank.
    return f"paid {amount:.2f} to {customer}"


def record(status: str) -> str:
    # The place to close what was opened.
    return f"the job ended as {status}"
""",
    "-i customer=Ann -i amount=12.5",
)

_LOOP = Starter(
    "a draft is made better until it is good enough, five rounds at most",
    """\
inputs:
  topic: str

steps:
  # `loop.last` is the result of the round before, null in the first.
  refine:
    steps:
      draft: {{call: "{steps}:improve", with: {{topic: "${{inputs.topic}}", last: "${{loop.last}}"}}}}
      score: {{call: "{steps}:judge", with: {{text: "${{draft}}"}}}}
    outputs: {{text: "${{draft}}", score: "${{score}}"}}
    repeat: {{at_most: 5, until: "result.score >= 0.8", otherwise: last}}

outputs:
  text: "${{refine.text}}"
  score: "${{refine.score}}"
""",
    """\
from typing import Any


def improve(topic: str, last: dict[str, Any] | None) -> str:
    # The place to call a model: with the last text and its score.
    return f"About {topic}." if last is None else last["text"] + " And more."


def judge(text: str) -> float:
    return min(1.0, len(text) / 40)
""",
    "-i topic=tea",
)

_AGENT = Starter(
    "a model decides which tool to use next, until it has an answer",
    """\
inputs:
  question: str

# What the job may take before it pauses; `murakkab resume JOB --budget time=1h` goes on.
budget: {{time: 10m}}

steps:
  # Each round: the model decides, with all that was found before; then its tool is used.
  think:
    steps:
      decide: {{call: "{steps}:decide", with: {{question: "${{inputs.question}}", history: "${{loop.history}}"}}}}
      act: {{call: "{steps}:use_tool", with: {{choice: "${{decide}}"}}}}
    outputs: {{tool: "${{decide.tool}}", found: "${{act}}"}}
    repeat: {{at_most: 8, until: "result.tool == 'answer'"}}

outputs:
  answer: "${{think.found}}"
""",
    """\
from typing import Any, TypedDict


class Choice(TypedDict):
    tool: str
    argument: str


def decide(question: str, history: list[Any]) -> Choice:
    # The place to call a model. This one looks the question up, then answers with what was found.
    if not history:
        return {"tool": "look_up", "argument": question}
    return {"tool": "answer", "argument": history[-1]["found"]}


def use_tool(choice: Choice) -> str:
    return TOOLS[choice["tool"]](choice["argument"])


def look_up(topic: str) -> str:
    return f"what is known of {topic}"


TOOLS = {"look_up": look_up, "answer": lambda text: text}
""",
    "-i question='How tall is K2?'",
)

_SQL = Starter(
    "a question becomes SQL, is checked, shown to a person, and run",
    """\
inputs:
  question: str
  database: {{type: str, default: ":memory:"}}

steps:
  tables: {{call: "{steps}:tables", with: {{database: "${{inputs.database}}"}}}}

  # Written anew with the complaint of the check, until the database understands it.
  query:
    steps:
      write:
        call: "{steps}:write_sql"
        with: {{question: "${{inputs.question}}", tables: "${{tables}}", last: "${{loop.last}}"}}
      check: {{call: "{steps}:check_sql", with: {{sql: "${{write}}", database: "${{inputs.database}}"}}}}
    outputs: {{sql: "${{write}}", complaint: "${{check}}"}}
    repeat: {{at_most: 4, until: "result.complaint == ''"}}

  ok: {{approve: {{message: {{$template: "Run ${{query.sql}}"}}}}}}

  rows: {{call: "{steps}:run_sql", with: {{sql: "${{query.sql}}", database: "${{inputs.database}}"}}, after: [ok], effect: read}}

outputs:
  sql: "${{query.sql}}"
  rows: "${{rows}}"
""",
    """\
import sqlite3
from typing import Any


def connect(database: str) -> sqlite3.Connection:
    connection = sqlite3.connect(database)
    if database == ":memory:":
        # Something to ask about.
        connection.executescript("CREATE TABLE sales (country TEXT, amount REAL); INSERT INTO sales VALUES ('NL', 3), ('DE', 5)")
    return connection


def tables(database: str) -> str:
    rows = connect(database).execute("SELECT sql FROM sqlite_master WHERE type = 'table'").fetchall()
    return "\\n".join(sql for (sql,) in rows)


def write_sql(question: str, tables: str, last: dict[str, Any] | None) -> str:
    # The place to call a model: with the question, the tables, and what was wrong with the last try.
    return "SELECT country, SUM(amount) FROM sales GROUP BY country ORDER BY country"


def check_sql(sql: str, database: str) -> str:
    try:
        connect(database).execute(f"EXPLAIN {sql}")
    except sqlite3.Error as error:
        return str(error)
    return ""


def run_sql(sql: str, database: str) -> list[list[Any]]:
    return [list(row) for row in connect(database).execute(sql)]
""",
    "-i question='How much was sold where?'",
)

STARTERS: Final[Mapping[str, Starter]] = {
    "hello": _HELLO,
    "map": _MAP,
    "approval": _APPROVAL,
    "loop": _LOOP,
    "agent": _AGENT,
    "sql": _SQL,
}
