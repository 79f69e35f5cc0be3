"""Mistakes in blocks, sub-workflows, loops, gates, quorums, secrets and last steps, each with its code, its path and what mends it."""

import time
from typing import Any

import pytest

from murakkab.errors import Diagnostic
from murakkab.load import parse
from murakkab.planner.check import check, result_types
from murakkab.planner.check_profiles import check_profiles
from murakkab.spec import Approve, Block, Effect, Input, Loop, Need, Output, Ref, Repeat, Step, Wait, Workflow
from murakkab.types import INT, STR
from tests.catalogs import functions, small_catalog
from tests.effort import effort

HEAD = "workflow: w\ninputs: {n: int, s: str, xs: 'list[str]'}\n"
NOTE = "uses: note, with: {text: x}"
SUM = "uses: text-summary, with: {text: x}"
AUDIO = "uses: speech-to-text, with: {audio: {source: {uri: x}, start: 0, end: 1}}"


def said(text: str) -> list[Diagnostic]:
    """Return all that is said of YAML *text*, which gets a step where it has none; the inputs of `HEAD` are taken as used."""
    if not text.startswith(("workflow:", "steps:")) and "\nsteps:" not in text:
        text = f"{text}\nsteps: {{s: {{uses: note, with: {{text: x}}}}}}"
    parsed = parse(text if text.startswith("workflow:") else HEAD + text, "f.yaml")
    assert parsed.workflow is not None
    return [d for d in parsed.report(check(parsed.workflow, small_catalog(), functions())) if d.code != "unused-input"]


def one(text: str) -> Diagnostic:
    found = said(text)
    assert len(found) == 1, [str(d) for d in found]
    return found[0]


Wrong = tuple[str, str, tuple[Any, ...], str]


def wrong(text: str, code: str, path: str, words: str = "") -> Wrong:
    return text, code, tuple(int(part) if part.isdigit() else part for part in path.split(".")), words


BLOCKS = [
    wrong("steps: {g: {steps: {a: {uses: text-sumary}}}}", "unknown-capability", "steps.g.steps.a.uses", "'text-summary'"),
    wrong(
        "steps: {g: {steps: {a: {uses: text-summary, with: {text: '${inputs.n}'}}}}}",
        "type-mismatch",
        "steps.g.steps.a.with.text",
        "steps.g.steps.a.with.text wants str",
    ),
    wrong(f"steps: {{g: {{steps: {{a: {{{SUM}}}}}, outputs: {{x: '${{b}}'}}}}}}", "unknown-name", "steps.g.outputs.x", "no 'b'"),
    wrong(
        f"steps: {{g: {{steps: {{a: {{{SUM}}}}}, outputs: {{x: {{value: '${{a}}', type: int}}}}}}}}", "type-mismatch", "steps.g.outputs.x"
    ),
    wrong(f"steps: {{g: {{steps: {{a: {{{SUM}}}}}, outputs: {{x y: 1}}}}}}", "bad-name", "steps.g.outputs.x y"),
    wrong(
        f"steps: {{g: {{steps: {{a: {{{SUM}}}}}}}, b: {{uses: note, with: {{text: '${{a}}'}}}}}}",
        "unknown-name",
        "steps.b.with.text",
        "make it one of its outputs, ${g.a}",
    ),
    wrong(
        f"steps: {{g: {{steps: {{a: {{{SUM}}}}}, outputs: {{x: '${{a}}'}}}}, b: {{uses: note, with: {{text: '${{g.y}}'}}}}}}",
        "no-such-field",
        "steps.b.with.text",
        "there are x",
    ),
    wrong(
        f"steps: {{g: {{steps: {{a: {{{SUM}}}}}}}, b: {{uses: note, with: {{text: '${{g.a}}'}}}}}}",
        "type-mismatch",
        "steps.b.with.text",
        "${g.a} (steps.g.a) gives str?; it may be null or missing",
    ),
    wrong("steps: {g: {steps: {a: {uses: note, with: {text: '${g.a}'}}}}}", "self-reference", "steps.g.steps.a.with.text"),
    wrong("steps: {g: {steps: {a: {uses: note, with: {text: x}, when: g.a != null}}}}", "self-reference", "steps.g.steps.a.when"),
    wrong(f"steps: {{g: {{steps: {{a: {{{NOTE}}}}}, outputs: {{x: '${{g}}'}}}}}}", "self-reference", "steps.g.outputs.x"),
    wrong(
        f"steps: {{b: {{{NOTE}}}, g: {{steps: {{a: {{{NOTE}, after: b}}}}}}}}",
        "unknown-step",
        "steps.g.steps.a.after.0",
        "say after: b at the step 'g'",
    ),
    wrong(f"steps: {{b: {{{NOTE}}}, g: {{steps: {{b: {{{NOTE}}}}}}}}}", "shadowed-name", "steps.g.steps.b", "steps.b"),
    wrong(
        f"steps: {{g: {{for_each: {{v: '${{inputs.xs}}'}}, steps: {{v: {{{NOTE}}}}}}}}}",
        "shadowed-name",
        "steps.g.steps.v",
        "steps.g.for_each.v",
    ),
    wrong(
        f"steps: {{g: {{for_each: {{v: '${{inputs.xs}}'}}, steps: {{a: {{{NOTE}, for_each: {{v: [x]}}}}}}}}}}",
        "shadowed-name",
        "steps.g.steps.a.for_each.v",
        "another loop variable",
    ),
    wrong(f"steps: {{g: {{steps: {{a: {{{NOTE}, after: b}}, b: {{{NOTE}, after: a}}}}}}}}", "cycle", "steps.g.steps.a", "a -> b -> a"),
    wrong(
        "steps:\n  b: {uses: text-summary, with: {text: '${g.a}'}}\n  g: {steps: {a: {uses: note, with: {text: '${b}'}}}, outputs: {a: x}}",
        "cycle",
        "steps.b",
        "b -> g -> b",
    ),
    wrong(f"steps: {{g: {{with: {{x: 1}}, steps: {{a: {{{NOTE}}}}}}}}}", "misplaced", "steps.g.with", "see everything around them"),
    *(
        wrong(
            f"steps: {{g: {{{field}: {value}, steps: {{a: {{{NOTE}}}}}}}}}",
            "misplaced",
            f"steps.g.{path or field}",
            "put it on the steps inside",
        )
        for field, value, path in (
            ("retry", "3", ""),
            ("cache", "true", ""),
            ("effect", "pure", ""),
            ("executor", "haar", ""),
            ("prefer", "{device: cpu}", ""),
            ("knobs", "{speed: 1}", ""),
            ("on_error", "{fallback: haar}", "on_error.fallback"),
        )
    ),
]

SUB = """workflows:
  sub:
    inputs: {q: str, k: {type: int, default: 1}}
    steps: {a: {uses: text-summary, with: {text: "${inputs.q}", ratio: "${inputs.k}"}}}
    outputs: {t: "${a}"}
"""

SUB_WORKFLOWS = [
    wrong(SUB + "steps: {p: {workflow: sub}}", "missing-input", "steps.p", "the workflow 'sub' needs the input 'q' (str)"),
    wrong(SUB + "steps: {p: {workflow: sub, with: {q: x, kk: 2}}}", "unknown-input", "steps.p.with.kk", "did you mean 'k'?"),
    wrong(SUB + "steps: {p: {workflow: sub, with: {q: '${inputs.n}'}}}", "type-mismatch", "steps.p.with.q", "wants str"),
    wrong(
        SUB + "steps: {p: {workflow: sub, with: {q: x}}, b: {uses: note, with: {text: '${p.u}'}}}",
        "no-such-field",
        "steps.b.with.text",
        "there are t",
    ),
    wrong(SUB + "steps: {p: {workflow: sub, with: {q: x}, retry: 2}}", "misplaced", "steps.p.retry", "put it on the steps inside"),
    wrong(
        "workflows:\n  sub: {steps: {a: {uses: note, with: {text: '${inputs.s}'}}}}\nsteps: {p: {workflow: sub}}",
        "no-such-field",
        "workflows.sub.steps.a.with.text",
        "'s'",
    ),
    wrong(
        f"workflows:\n  sub: {{steps: {{a: {{uses: note, with: {{text: '${{b}}'}}}}}}}}\nsteps: {{b: {{{SUM}}}, p: {{workflow: sub}}}}",
        "unknown-name",
        "workflows.sub.steps.a.with.text",
        "no 'b'",
    ),
    wrong(
        "workflows:\n  sub: {workflows: {sub2: {steps: {a: {uses: nope}}}}, steps: {p: {workflow: sub2}}}\nsteps: {p: {workflow: sub}}",
        "unknown-capability",
        "workflows.sub.workflows.sub2.steps.a.uses",
    ),
    wrong(
        f"workflows:\n  sub: {{steps: {{a: {{{NOTE}}}}}, finally: {{z: {{{NOTE}}}}}}}\nsteps: {{p: {{workflow: sub}}}}",
        "misplaced",
        "workflows.sub.finally",
        "outermost",
    ),
]

LOOPS = [
    wrong(f"steps: {{a: {{{SUM}, repeat: {{until: result == 'x'}}}}}}", "unbounded-loop", "steps.a.repeat", "at_most: 5"),
    wrong(f"steps: {{a: {{{SUM}, repeat: 10001}}}}", "out-of-range", "steps.a.repeat.at_most", "between 1 and 10,000"),
    wrong(f"steps: {{a: {{{SUM}, repeat: -1}}}}", "out-of-range", "steps.a.repeat.at_most"),
    wrong(f"steps: {{a: {{{SUM}, repeat: {{at_most: 2, until: result.score > 1}}}}}}", "no-such-field", "steps.a.repeat.until", "'score'"),
    wrong(f"steps: {{a: {{{SUM}, repeat: {{at_most: 2, until: result}}}}}}", "condition-type", "steps.a.repeat.until", "true or false"),
    wrong(
        f"steps: {{a: {{{SUM}, repeat: {{at_most: 2, until: reslt == 'x'}}}}}}",
        "unknown-name",
        "steps.a.repeat.until",
        "did you mean 'result'?",
    ),
    wrong(f"steps: {{a: {{{SUM}, repeat: {{at_most: 2, until: '1 > 2'}}}}}}", "contradiction", "steps.a.repeat.until", "never holds"),
    wrong(f"steps: {{a: {{{SUM}, when: result == 'x'}}}}", "unknown-name", "steps.a.when", "`result` is known in the condition `until`"),
    wrong("steps: {a: {uses: note, with: {text: '${loop.last}'}}}", "unknown-name", "steps.a.with.text", "with `repeat`"),
    wrong(f"steps: {{a: {{{SUM}, repeat: 2, when: loop.index > 0}}}}", "unknown-name", "steps.a.when", "with `repeat`"),
    wrong(
        "steps: {a: {uses: text-summary, with: {text: '${loop.last}'}, repeat: 2}}", "type-mismatch", "steps.a.with.text", "it may be null"
    ),
    wrong("steps: {a: {uses: text-summary, with: {text: '${loop.index}'}, repeat: 2}}", "type-mismatch", "steps.a.with.text", "gives int"),
    wrong(
        "steps: {a: {uses: text-summary, with: {text: '${loop.lst}'}, repeat: 2}}",
        "no-such-field",
        "steps.a.with.text",
        "did you mean 'last'?",
    ),
    wrong("steps: {a: {approve: Go?, repeat: 2}}", "misplaced", "steps.a.repeat"),
    wrong("steps: {a: {wait: 3s, repeat: 2}}", "misplaced", "steps.a.repeat"),
    wrong(
        f"steps: {{a: {{{SUM}, for_each: {{$zip: {{a1: '${{inputs.xs}}', b1: '${{inputs.n}}'}}}}}}}}", "not-a-list", "steps.a.for_each.b1"
    ),
    wrong(f"steps: {{a: {{{SUM}, for_each: {{$zip: {{a1: '${{inputs.xs}}', b1: '${{a1}}'}}}}}}}}", "unknown-name", "steps.a.for_each.b1"),
    wrong(
        f"steps: {{a: {{{SUM}, for_each: {{$zip: {{a1: [1, 2], b1: [1]}}}}}}}}",
        "contradiction",
        "steps.a.for_each.b1",
        "a1 has 2, b1 has 1",
    ),
    wrong(f"steps: {{a: {{{SUM}, for_each: {{$zip: {{x1: [1], loop: [1]}}}}}}}}", "bad-name", "steps.a.for_each.loop"),
    wrong(
        "steps: {a: {uses: note, for_each: {$zip: {t: [x], u: [1]}}, with: {text: '${u}'}}}",
        "type-mismatch",
        "steps.a.with.text",
        "gives int",
    ),
]

QUORUMS = [
    wrong(f"steps: {{a: {{{SUM}, need: 2}}}}", "misplaced", "steps.a.need", "for_each"),
    wrong(f"steps: {{a: {{{SUM}, for_each: [1, 2], need: 0}}}}", "out-of-range", "steps.a.need"),
    wrong(f"steps: {{a: {{{SUM}, for_each: [1, 2], need: {{share: 1.5}}}}}}", "out-of-range", "steps.a.need"),
    wrong(f"steps: {{a: {{{SUM}, for_each: [1, 2], need: -1}}}}", "out-of-range", "steps.a.need"),
    wrong(f"steps: {{a: {{{SUM}, for_each: [1, 2], need: 3}}}}", "contradiction", "steps.a.need", "3 must succeed, and there are 2"),
    wrong(f"steps: {{a: {{{SUM}, for_each: [1, 2], need: 2 of 3}}}}", "contradiction", "steps.a.need", "there are 2"),
    wrong(f"steps: {{a: {{{SUM}, for_each: '${{inputs.xs}}', need: 3 of 2}}}}", "contradiction", "steps.a.need", "more than there are"),
    wrong(f"steps: {{a: {{{SUM}, for_each: [1, 2], need: {{count: 1, share: 0.5}}}}}}", "contradiction", "steps.a.need"),
    wrong(f"steps: {{g: {{steps: {{a: {{{SUM}}}, b: {{{SUM}}}}}, need: 3}}}}", "contradiction", "steps.g.need", "there are 2"),
    wrong(
        f"steps: {{g: {{steps: {{a: {{{SUM}}}, b: {{{SUM}}}}}, need: 1, outputs: {{x: '${{a}}'}}}}}}",
        "misplaced",
        "steps.g.outputs",
        "may be missing",
    ),
    wrong("steps: {a: {uses: payment, with: {amount: 1}, for_each: [1, 2], need: 1}}", "unsafe-race", "steps.a", "steps.a.need cancels it"),
    wrong(
        "steps: {g: {steps: {a: {uses: payment, with: {amount: 1}}, b: {wait: 1s}}, need: 1}}",
        "unsafe-race",
        "steps.g.steps.a",
        "steps.g.need",
    ),
    wrong(
        "workflows:\n  pay: {steps: {a: {uses: payment, with: {amount: 1}}}}\nsteps: {g: {workflow: pay, for_each: [1, 2], need: 1}}",
        "unsafe-race",
        "steps.g",
    ),
    wrong(
        "steps: {g: {for_each: [1, 2], need: 1, steps: {h: {steps: {a: {uses: payment, with: {amount: 1}}}}}}}",
        "unsafe-race",
        "steps.g.steps.h.steps.a",
    ),
    wrong(
        f"steps: {{a: {{{SUM}, for_each: [1, 2], need: 1, on_error: {{default: x}}}}}}",
        "type-mismatch",
        "steps.a.on_error.default",
        "list[str]",
    ),
]

GATES = [
    wrong("steps: {a: {approve: {message: Go?, form: {by: str}}}}", "bad-name", "steps.a.approve.form.by"),
    wrong("steps: {a: {approve: {message: Go?, form: {b y: str}}}}", "bad-name", "steps.a.approve.form.b y"),
    wrong("steps: {a: {approve: {message: Go?, form: {n: {type: int, default: x}}}}}", "type-mismatch", "steps.a.approve.form.n.default"),
    wrong("steps: {a: {approve: {message: Go?, form: {n: {default: '${inputs.n}'}}}}}", "not-a-literal", "steps.a.approve.form.n.default"),
    wrong("steps: {a: {approve: '${inputs.nn}'}}", "no-such-field", "steps.a.approve.message"),
    wrong("steps: {a: {approve: Go?, with: {x: 1}}}", "misplaced", "steps.a.with"),
    wrong("steps: {a: {approve: Go?, executor: haar}}", "misplaced", "steps.a.executor", "has no executor"),
    wrong(
        "steps: {a: {approve: Go?}, b: {uses: note, with: {text: '${a.bye}'}}}", "no-such-field", "steps.b.with.text", "did you mean 'by'?"
    ),
    wrong(
        "steps: {a: {approve: {message: Go?, form: {n: int}}}, b: {uses: note, with: {text: '${a.n}'}}}",
        "type-mismatch",
        "steps.b.with.text",
    ),
    wrong("steps: {a: {approve: Go?, on_error: {default: {approved: 1, by: x}}}}", "type-mismatch", "steps.a.on_error.default.approved"),
    wrong("steps: {a: {wait: {for: '${inputs.xs}'}}}", "type-mismatch", "steps.a.wait.for", "a number of seconds"),
    wrong("steps: {a: {wait: {event: '${inputs.n}'}}}", "type-mismatch", "steps.a.wait.event", "wants str"),
    wrong("steps: {a: {wait: {until: '${inputs.xs}'}}}", "type-mismatch", "steps.a.wait.until"),
    wrong(
        "steps: {a: {wait: {event: paid, type: '{id: str}'}}, b: {uses: note, with: {text: '${a.ids}'}}}",
        "no-such-field",
        "steps.b.with.text",
    ),
    wrong("steps: {a: {wait: 3s}, b: {uses: note, with: {text: '${a}'}}}", "type-mismatch", "steps.b.with.text", "gives null"),
    wrong("steps: {a: {wait: 3s, timeout: 2s}}", "contradiction", "steps.a.wait"),
]

SECRETS = "secrets: {token: 'env:TOKEN'}\n"

OTHERS = [
    wrong(
        SECRETS + "steps: {a: {call: 'jobs:anything', with: {k: '${secrets.tokn}'}}}",
        "unknown-name",
        "steps.a.with.k",
        "did you mean 'token'?",
    ),
    wrong("steps: {a: {call: 'jobs:anything', with: {k: '${secrets.key}'}}}", "unknown-name", "steps.a.with.k", "secrets: {key: env:KEY}"),
    wrong(SECRETS + "steps: {a: {call: 'jobs:anything', with: {k: '${secrets}'}}}", "secret-leak", "steps.a.with.k", "${secrets.name}"),
    *(
        wrong(SECRETS + text, "secret-leak", path)
        for text, path in (
            (
                f"steps: {{a: {{{AUDIO}, knobs: {{model: '${{secrets.token}}'}}}}}}",
                "steps.a.knobs.model",
            ),
            ("steps: {a: {approve: '${secrets.token}'}}", "steps.a.approve.message"),
            ("steps: {a: {wait: {event: '${secrets.token}'}}}", "steps.a.wait.event"),
            (f"steps: {{a: {{{SUM}, on_error: {{default: '${{secrets.token}}'}}}}}}", "steps.a.on_error.default"),
            (f"steps: {{a: {{{SUM}, for_each: ['${{secrets.token}}']}}}}", "steps.a.for_each.item.0"),
            (f"steps: {{a: {{{SUM}, when: secrets.token == 'x'}}}}", "steps.a.when"),
            (f"steps: {{a: {{{SUM}, repeat: {{at_most: 2, until: secrets.token == 'x'}}}}}}", "steps.a.repeat.until"),
            ("outputs: {o: {$template: 'x ${secrets.token}'}}", "outputs.o"),
            (SUB + "steps: {p: {workflow: sub, with: {q: '${secrets.token}'}}}", "steps.p.with.q"),
        )
    ),
    wrong(f"finally: {{z: {{{NOTE}, when: job.state == 'failed'}}}}", "no-such-field", "finally.z.when", "did you mean 'status'?"),
    wrong(f"steps: {{a: {{{NOTE}, when: job.status == 'failed'}}}}", "unknown-name", "steps.a.when", "in the steps of `finally`"),
    wrong(
        f"steps: {{a: {{{SUM}}}}}\nfinally: {{z: {{uses: note, with: {{text: '${{a}}'}}}}}}",
        "type-mismatch",
        "finally.z.with.text",
        "it may be null",
    ),
    wrong(f"steps: {{a: {{{SUM}}}}}\nfinally: {{a: {{{NOTE}}}}}", "shadowed-name", "finally.a", "steps.a"),
    wrong(f"finally: {{z: {{{NOTE}, after: y}}, y: {{{NOTE}, after: z}}}}", "cycle", "finally.z"),
    wrong(f"finally: {{z: {{{NOTE}, afer: y}}}}", "unknown-field", "finally.z.afer"),
    wrong("finally: {z: {steps: {y: {uses: nope}}}}", "unknown-capability", "finally.z.steps.y.uses"),
    wrong(
        f"steps: {{a: {{{SUM}, with: {{text: '${{error.reason}}'}}}}}}".replace("with: {text: x}, ", ""),
        "unknown-name",
        "steps.a.with.text",
        "on_error",
    ),
    wrong(
        f"steps: {{a: {{{SUM}, on_error: {{default: '${{error.attempt}}'}}}}}}", "type-mismatch", "steps.a.on_error.default", "gives int"
    ),
    wrong(f"steps: {{a: {{{SUM}, on_error: {{default: '${{error.why}}'}}}}}}", "no-such-field", "steps.a.on_error.default", "'why'"),
    *(
        wrong(f"steps: {{{name}: {{{NOTE}}}}}", "bad-name", f"steps.{name}", "reserved")
        for name in ("secrets", "loop", "result", "error", "job", "finally")
    ),
    wrong("steps: {a: {does: shorten a text}}", "unmapped", "steps.a.does", "uses: text-summary"),
    wrong("steps: {a: {does: dance}}", "unmapped", "steps.a.does", "`uses` or `call`"),
    wrong("steps: {a: {uses: note, with: {text: x}, approve: Go?}}", "no-work", "steps.a", "both `uses` and `approve`"),
    wrong("steps: {a: {uses: note, wait: 3s, with: {text: x}, approve: Go?}}", "no-work", "steps.a", "`uses` and `approve` and `wait`"),
    wrong(f"steps: {{a: {{{SUM}, prefer: {{device: gpus}}}}}}", "bad-choice", "steps.a.prefer.device", "did you mean 'gpu'?"),
    wrong(f"steps: {{a: {{{SUM}, prefer: {{device: gpu}}}}}}", "unmet-preference", "steps.a.prefer.device", "there is cpu"),
    wrong(
        f"steps: {{a: {{{SUM}, prefer: {{device: gpu, executor: textrank}}}}}}",
        "contradiction",
        "steps.a.prefer.device",
        "'textrank' runs on cpu",
    ),
    wrong(f"steps: {{a: {{{SUM}, prefer: {{model: x}}}}}}", "unmet-preference", "steps.a.prefer.model", "no model can be chosen"),
]

LIMITS = [
    wrong(f"steps: {{a: {{{AUDIO}, prefer: {{model: bse}}}}}}", "unmet-preference", "steps.a.prefer.model", "did you mean 'base'?"),
    wrong(
        f"steps: {{a: {{{AUDIO}, executor: pocketsphinx, prefer: {{model: base}}}}}}",
        "contradiction",
        "steps.a.prefer.model",
        "pocketsphinx",
    ),
    wrong(
        f"steps: {{a: {{{AUDIO}, prefer: {{model: base}}, knobs: {{model: large}}}}}}",
        "contradiction",
        "steps.a.prefer.model",
        "say it in one place",
    ),
    wrong(f"steps: {{a: {{{SUM}, retry: {{attempts: 3, delay: 2m}}}}}}", "contradiction", "steps.a.retry.delay", "max_delay"),
    wrong(f"timeout: 5s\nsteps: {{a: {{{SUM}, timeout: 6s}}}}", "contradiction", "steps.a.timeout", "shorten"),
    wrong("timeout: 5s\nsteps: {a: {wait: 6s}}", "contradiction", "steps.a.wait"),
    wrong("timeout: 5s\nbudget: {time: 5s}", "contradiction", "budget.time"),
    wrong("budget: {cost: 1}\ngoal: {limits: {cost: 2}}", "contradiction", "budget.cost"),
    wrong("budget: {energy: 1 J}\ngoal: {limits: {energy: 2 J}}", "contradiction", "budget.energy"),
    wrong("budget: {tokens: 0}", "out-of-range", "budget.tokens"),
    wrong("budget: {cost: -1}", "out-of-range", "budget.cost"),
]


@pytest.mark.parametrize(
    ("text", "code", "path", "words"),
    [*BLOCKS, *SUB_WORKFLOWS, *LOOPS, *QUORUMS, *GATES, *OTHERS, *LIMITS],
    ids=lambda value: str(value)[:60],
)
def test_a_mistake_has_its_code_its_path_and_its_mending(text: str, code: str, path: tuple[Any, ...], words: str) -> None:
    found = one(text)
    assert (found.code, found.path, found.is_warning) == (code, path, False)
    assert words in f"{found.message}; {found.hint}"
    assert found.place is not None
    assert found.place.line > 0


# ---------------------------------------------------------------------------------------------------------------- warnings

WARNINGS = [
    wrong(f"steps: {{a: {{{NOTE}, when: 'false'}}}}", "unreachable", "steps.a.when"),
    wrong(f"steps: {{a: {{{NOTE}, when: '1 > 2'}}}}", "unreachable", "steps.a.when"),
    wrong(f"steps: {{a: {{{NOTE}, when: 'false && inputs.n > 1'}}}}", "unreachable", "steps.a.when"),
    wrong(f"steps: {{a: {{{NOTE}, when: \"!(inputs.n > 1 || 'a' < 'b')\"}}}}", "unreachable", "steps.a.when"),
    wrong(f"steps: {{g: {{steps: {{a: {{{NOTE}, when: 'false'}}}}}}}}", "unreachable", "steps.g.steps.a.when"),
    wrong("steps: {a: {uses: note, with: {text: x}, for_each: [1, 2], need: 1}}", "unsafe-race", "steps.a", "say effect: read"),
    wrong(f"steps: {{a: {{approve: Go?, on_error: skip}}, b: {{{NOTE}, after: a}}}}", "ungated", "steps.b.after.0", "when: a.approved"),
    wrong(
        f"steps: {{a: {{approve: Go?, on_error: {{default: {{approved: false, by: x}}}}}}, b: {{{NOTE}, after: a}}}}",
        "ungated",
        "steps.b.after.0",
    ),
    wrong("secrets: {k: 'env:K'}", "unused", "secrets.k", "the secret 'k'"),
    wrong(f"workflows: {{v: {{steps: {{a: {{{NOTE}}}}}}}}}", "unused", "workflows.v", "the workflow 'v'"),
    wrong(
        f"steps: {{a: {{{SUM}}}, b: {{{SUM}, after: a}}}}\noutputs: {{o: '${{a}}'}}", "unused", "steps.b", "nothing uses the result of 'b'"
    ),
    wrong(f"steps: {{g: {{steps: {{a: {{{SUM}}}, b: {{{NOTE}}}}}, outputs: {{o: '${{b}}'}}}}}}", "unused", "steps.g.steps.a"),
    wrong(
        f"workflows: {{v: {{budget: {{cost: 1}}, steps: {{a: {{{NOTE}}}}}}}}}\nsteps: {{p: {{workflow: v}}}}",
        "misplaced",
        "workflows.v.budget",
    ),
]


@pytest.mark.parametrize(("text", "code", "path", "words"), WARNINGS, ids=lambda value: str(value)[:60])
def test_what_is_only_suspicious_is_a_warning(text: str, code: str, path: tuple[Any, ...], words: str) -> None:
    found = one(text)
    assert (found.code, found.path, found.is_warning) == (code, path, True)
    assert words in f"{found.message}; {found.hint}"
    assert ": warning: " in str(found)


def test_what_can_never_have_its_input_is_never_done_either() -> None:
    found = said(
        "steps:\n"
        f"  a: {{{SUM}, when: 'false'}}\n"
        "  b: {uses: note, with: {text: '${a}'}}\n"
        "  g: {steps: {c: {uses: note, with: {text: '${a}'}}}}\n"
        "  d: {uses: note, with: {text: {$first: ['${a}', x]}}}\n"
        f"  e: {{{NOTE}, after: [a, b]}}\n"
        "  f: {call: 'jobs:anything', with: {x: '${g}'}}\n"
        "outputs: {o: '${a}', p: {$first: ['${a}', 1]}}"
    )
    assert [(d.code, d.path[1]) for d in found] == [("unreachable", name) for name in ("a", "b", "g", "f", "o")]
    assert "it needs 'a', which is never done" in found[1].message
    assert "the output 'o' never has a value" in found[-1].message


def test_unused_inputs_are_told_and_used_ones_are_not() -> None:
    text = (
        "workflow: w\ninputs: {a: str, b: 'list[str]', c: int, d: str, e: str, f: str, g: int, h: str}\n"
        "steps:\n"
        "  x: {uses: note, for_each: '${inputs.b}', with: {text: {$template: '${inputs.a}'}}, when: inputs.c > 1}\n"
        "  y: {steps: {z: {uses: text-summary, with: {text: '${inputs.d}'}, on_error: {default: '${inputs.e}'}, "
        "repeat: {at_most: 2, until: inputs.g > 1}}}}\n"
        "finally: {v: {uses: note, with: {text: '${inputs.f}'}}}\n"
    )
    parsed = parse(text)
    assert parsed.workflow is not None
    assert [(d.code, d.path) for d in check(parsed.workflow, small_catalog(), functions())] == [("unused-input", ("inputs", "h"))]


def test_inputs_that_are_handed_on_as_a_whole_are_used() -> None:
    text = "workflow: w\ninputs: {a: str, b: str}\nsteps: {x: {call: 'jobs:anything', with: {x: '${inputs}'}}}"
    parsed = parse(text)
    assert parsed.workflow is not None
    assert check(parsed.workflow, small_catalog(), functions()) == []


def test_what_is_unused_because_of_a_misspelt_name_is_not_told() -> None:
    assert one(f"steps: {{summary: {{{SUM}}}}}\noutputs: {{o: '${{sumary}}'}}").code == "unknown-name"


def test_a_definition_that_another_one_uses_is_used() -> None:
    text = f"workflows:\n  inner: {{steps: {{a: {{{NOTE}}}}}}}\n  outer: {{steps: {{b: {{workflow: inner}}}}}}\n"
    text += "steps: {p: {workflow: outer}}"
    assert said(text) == []


# ------------------------------------------------------------------------------------------------------------- what is right

RIGHT = {
    "closures": """
steps:
  a: {uses: text-summary, with: {text: "${inputs.s}"}}
  g:
    for_each: {v: "${inputs.xs}"}
    repeat: {at_most: 3, until: "result.x == a || loop.index > 1"}
    steps:
      b: {uses: text-summary, with: {text: {$template: "${a} ${v} ${loop.last.x} ${inputs.n}"}}}
      h:
        steps: {c: {uses: text-summary, with: {text: "${b}"}, when: loop.index > 0 && v != "x"}}
        outputs: {y: {value: "${c}", optional: true}}
    outputs: {x: "${b}", y: "${h.y}"}
  e: {uses: note, with: {text: "${g[0].x}"}}
""",
    "item inside of item": """
steps:
  g: {for_each: [["a"], ["b"]], steps: {a: {uses: note, for_each: "${item}", with: {text: "${item}"}}}}
""",
    "the same name in two blocks": """
steps:
  g: {steps: {a: {uses: note, with: {text: x}}}}
  h: {steps: {a: {uses: note, with: {text: x}}}}
""",
    "gates": """
steps:
  ok:
    approve: {message: {$template: "Send ${inputs.s}?"}, form: {amount: {type: float, default: 5}, note: "str?"}}
    timeout: 2d
    on_error: skip
  pay: {uses: payment, with: {amount: "${ok.amount}"}}
  told: {uses: note, with: {text: "${ok.by}"}, when: ok.approved, after: ok}
  each: {approve: "${item}", for_each: "${inputs.xs}", on_error: {default: {approved: false, by: nobody}}}
  rest: {wait: {for: "${inputs.n}"}}
  event: {wait: {event: {$template: "paid-${inputs.s}"}, type: "{id: str}"}}
  seen: {uses: note, with: {text: "${event.id}"}}
  at: {wait: {until: "2030-01-01T00:00:00Z"}}
""",
    "quorums": """
steps:
  votes: {uses: text-summary, for_each: "${inputs.xs}", with: {text: "${item}"}, need: 60%}
  three: {uses: text-summary, for_each: [a, b, c], with: {text: "${item}"}, need: 2 of 3, on_error: {default: []}}
  race: {steps: {a: {uses: text-summary, with: {text: x}}, b: {uses: text-summary, with: {text: y}}}, need: 1}
  first: {uses: note, with: {text: {$first: ["${votes[0]}", "${three[0]}"]}}}
  which: {uses: note, with: {text: x}, when: has(race.a)}
""",
    "zips": """
steps:
  a: {uses: text-summary, for_each: {$zip: {t: "${inputs.xs}", k: [1, 2]}}, with: {text: "${t}", ratio: "${k}"}, when: k > 1 && t != ""}
  b: {uses: note, for_each: {$levels: [{$zip: {p: [["a"]], q: [1]}}, {r: "${p}"}]}, with: {text: "${r}"}}
""",
    "secrets": """
secrets: {token: env:TOKEN, other: "file:/run/secrets/x"}
steps:
  a: {call: "jobs:anything", with: {k: "${secrets.token}", deep: [{x: {$template: "Bearer ${secrets.other}"}}]}, repeat: 2}
  b: {steps: {c: {call: "jobs:anything", with: {k: "${secrets.token}"}}}}
finally:
  z: {uses: note, with: {text: {$template: "${secrets.token}"}}}
""",
    "last steps": """
steps: {a: {uses: text-summary, with: {text: x}}}
finally:
  told: {call: "jobs:anything", with: {status: "${job.status}", why: "${job.failures[*].message}", a: "${a}"}}
  more: {uses: note, with: {text: x}, when: "job.status == 'failed' && a != null", after: told}
""",
    "errors": """
steps:
  e:
    call: "jobs:anything"
    on_error: {default: {reason: "${error.reason}", n: "${error.attempt}", t: "${error.task}", m: "${error.message}"}}
""",
    "preferences": """
steps:
  a: {uses: speech-to-text, with: {audio: {source: {uri: x}, start: 0, end: 1}}, prefer: {device: cpu, model: base, executor: whisper}}
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_left_alone(name: str) -> None:
    assert [str(d) for d in said(RIGHT[name])] == []


def test_the_types_of_all_kinds_of_work() -> None:
    parsed = parse(
        HEAD
        + SUB
        + (
            "steps:\n"
            f"  block: {{steps: {{a: {{{SUM}}}}}, outputs: {{x: '${{a}}', y: {{value: '${{a}}', optional: true}}}}}}\n"
            f"  sinks: {{steps: {{a: {{{SUM}}}, b: {{call: 'jobs:double', with: {{x: 1}}, after: a}}}}}}\n"
            f"  race: {{steps: {{a: {{{SUM}}}, b: {{{SUM}}}}}, need: 1}}\n"
            "  part: {workflow: sub, with: {q: x}, for_each: [1, 2]}\n"
            "  ok: {approve: {message: x, form: {n: int}}}\n"
            "  rest: {wait: 3s}\n"
            "  event: {wait: {event: x, type: '{id: str}'}}\n"
            f"  rounds: {{{SUM}, repeat: 3, for_each: [1]}}\n"
        )
    )
    assert parsed.workflow is not None
    assert {name: str(of) for name, of in result_types(parsed.workflow, small_catalog(), functions()).items()} == {
        "block": "{x: str, y: str?}",
        "sinks": "{b: int?}",
        "race": "{a?: str, b?: str}",
        "part": "list[{t: str}]",
        "ok": "{approved: bool, by: str, n: int}",
        "rest": "null",
        "event": "{id: str}",
        "rounds": "list[str]",
    }


# ------------------------------------------------------------------------------------------------------- made in Python


def of_(step: Step, *, output: Any) -> list[Diagnostic]:
    return check(Workflow("w", steps={step.name: step}, outputs={"o": Output(output)}), small_catalog(), functions())


def of(step: Step, **more: Any) -> list[tuple[str, tuple[Any, ...]]]:
    found = check(Workflow("w", steps={step.name: step}, **more), small_catalog(), functions())
    return [(d.code, d.path) for d in found]


@pytest.mark.parametrize(
    ("step", "code", "path"),
    [
        (Step("a", wait=Wait()), "wrong-form", ("wait",)),
        (Step("a", wait=Wait(seconds=1, event="x")), "wrong-form", ("wait",)),
        (Step("a", wait=Wait(seconds=1, type=INT)), "wrong-form", ("wait", "type")),
        (Step("a", wait=Wait(seconds="soon")), "bad-quantity", ("wait", "for")),
        (Step("a", wait=Wait(seconds=-1)), "out-of-range", ("wait", "for")),
        (Step("a", wait=Wait(until="tomorrow")), "bad-quantity", ("wait", "until")),
        (Step("a", workflow="nope"), "unknown-workflow", ("workflow",)),
        (Step("a", approve=Approve("?", {"approved": Input(STR)})), "bad-name", ("approve", "form", "approved")),
        (Step("a", call="jobs:names", repeat=Repeat(2, delay=-1.0)), "out-of-range", ("repeat", "delay")),
        (Step("a", call="jobs:names", for_each=(Loop("i", [1]),), need=Need(of=3), effect=Effect.READ), "out-of-range", ("need",)),
        (Step("a", call="jobs:names", for_each=(Loop("i", [1], {"i": [1]}),)), "shadowed-name", ("for_each", "i")),
    ],
)
def test_mistakes_that_only_python_can_make(step: Step, code: str, path: tuple[Any, ...]) -> None:
    assert of(step) == [(code, ("steps", "a", *path))]


@pytest.mark.parametrize("source", ["s3cret", "env: ", "env:A B", "file:\n", "ENV:X"])
def test_where_a_secret_is_kept_is_said_and_what_is_written_is_not_repeated(source: str) -> None:
    step = Step("a", call="jobs:anything", with_={"k": Ref("secrets", ("k",))})
    (found,) = check(Workflow("w", steps={"a": step}, secrets={"k": source}), small_catalog(), functions())
    assert (found.code, found.path) == ("bad-secret", ("secrets", "k"))
    assert source not in str(found)


@pytest.mark.parametrize("name", ["money", "quality"])
def test_there_are_four_budgets(name: str) -> None:
    (found,) = check(Workflow("w", steps={"a": Step("a", call="jobs:names")}, budget={name: 1.0}), small_catalog(), functions())
    assert (found.code, found.path) == ("unknown-goal", ("budget", name))


# ------------------------------------------------------------------------------------------------------------------ hostile


def test_workflows_that_contain_themselves_are_refused() -> None:
    inside: dict[str, Workflow] = {}
    inside["me"] = Workflow("me", steps={"a": Step("a", workflow="me")}, workflows=inside)
    found = check(Workflow("w", steps={"a": Step("a", workflow="me")}, workflows=inside), small_catalog(), functions())
    assert {d.code for d in found} == {"cycle"}


def nested(depth: int) -> Step:
    step = Step("s", call="jobs:names")
    for i in range(depth):
        step = Step(f"b{i}", block=Block({step.name: step}))
    return step


def test_blocks_are_nested_twenty_deep_at_most() -> None:
    assert of(nested(20)) == []
    assert of(nested(21)) == [("too-deep", ("steps", "b20"))]
    assert {code for code, _ in of(nested(400))} == {"too-deep"}


def chained(depth: int) -> Workflow:
    made = Workflow("v", steps={"s": Step("s", call="jobs:names")})
    for _ in range(depth):
        made = Workflow("v", steps={"s": Step("s", workflow="v")}, workflows={"v": made})
    return made


def test_workflows_are_nested_twenty_deep_at_most() -> None:
    assert check(chained(20), small_catalog(), functions()) == []
    for depth in (21, 2000):
        assert {d.code for d in check(chained(depth), small_catalog(), functions())} == {"too-deep"}


def test_blocks_and_workflows_count_together() -> None:
    made = Workflow("w", steps={"b": Step("b", block=Block({"p": Step("p", workflow="v")}))}, workflows={"v": chained(19)})
    assert {d.code for d in check(made, small_catalog(), functions())} == {"too-deep"}


def doubling(depth: int) -> Workflow:
    """Return a workflow of 2 ** *depth* steps, written down in a few lines."""
    made = Workflow("v", steps={name: Step(name, call="jobs:names") for name in "ab"})
    for _ in range(depth - 1):
        made = Workflow("v", steps={name: Step(name, workflow="v") for name in "ab"}, workflows={"v": made})
    return made


def test_the_steps_of_everything_that_is_used_are_counted_before_they_are_made() -> None:
    assert check(doubling(15), small_catalog(), functions()) == []
    began = time.process_time()
    (found,) = check(doubling(20), small_catalog(), functions())
    assert time.process_time() - began < 1
    assert (found.code, found.path) == ("too-large", ("steps",))
    assert "2,097,150 steps" in found.message


def test_what_is_wrong_with_a_definition_is_told_once() -> None:
    bad = Workflow("v", steps={"a": Step("a", uses="nope")})
    between = [Workflow(f"m{i}", steps={"p": Step("p", workflow="v")}, workflows={"v": bad}) for i in range(50)]
    steps = {f"s{i}": Step(f"s{i}", workflow=f"m{i}") for i in range(50)}
    found = check(Workflow("w", steps=steps, workflows={one.name: one for one in between}), small_catalog(), functions())
    assert [d.code for d in found] == ["unknown-capability"]
    assert found[0].path[:1] + found[0].path[2:] == ("workflows", "workflows", "v", "steps", "a", "uses")


def calls(text: str) -> tuple[int, int]:
    parsed = parse(HEAD + text)
    workflow = parsed.workflow
    assert workflow is not None
    found, count = effort(lambda: check(workflow, small_catalog(), functions()))
    return count, len(found)


@pytest.mark.parametrize(
    ("mistakes", "line"),
    [
        (2, "  s{i}: {{uses: text-sumary, with: {{text: '${{s{j}x}}'}}}}\n"),
        (3, "  s{i}: {{steps: {{a{i}: {{uses: note, with: {{text: '${{s{j}.x}}', y: 1}}, when: inputs.m > 1}}}}}}\n"),
        (1, "  s{i}: {{does: 'shorten the text of {i} and look for objects'}}\n"),
        (3, "  s{i}: {{uses: note, with: {{text: x}}, need: 3, executor: notebok, after: t{j}q}}\n"),
    ],
)
def test_more_mistakes_take_no_longer_each(mistakes: int, line: str) -> None:
    few, many = (calls("steps:\n" + "".join(line.format(i=i, j=i // 2) for i in range(1, size // mistakes + 1))) for size in (240, 960))
    assert many[1] >= 950
    assert many[0] < 4 * few[0] * 1.4


@pytest.mark.parametrize("field", ["i{i}", "i{i}x"])
@pytest.mark.timeout(60)
def test_ten_thousand_inputs_and_as_many_references_take_seconds_at_most(field: str) -> None:
    inputs = {f"i{i}": Input(STR) for i in range(10_000)}
    steps = {f"s{i}": Step(f"s{i}", uses="note", with_={"text": Ref("inputs", (field.format(i=i),))}) for i in range(10_000)}
    began = time.process_time()
    found = check(Workflow("w", inputs=inputs, steps=steps), small_catalog(), functions())
    assert len(found) == (1001 if field.endswith("x") else 0)
    assert time.process_time() - began < 5


def test_a_large_record_is_not_shown_field_by_field() -> None:
    steps = {f"s{i}": Step(f"s{i}", call="jobs:names") for i in range(50)}
    (found,) = of_(Step("g", block=Block(steps)), output=Ref("g", ("nope",)))
    assert "record of 50 fields has no field 'nope'" in found.message
    assert len(str(found)) < 400


# ----------------------------------------------------------------------------------------------------------------- profiles

PROFILES = """\
workflow: w
inputs: {text: str}
steps:
  a: {uses: text-summary, with: {text: "${inputs.text}"}}
outputs: {o: "${a}"}
profiles:
  dev: {steps: {a: {executor: textrnk}}}
  prod: {inputs: {text: {type: int}}}
  bad: {steps: {a: {retry: many}}}
  fine: {steps: {a: {executor: textrank}}}
  loads: {steps: {a: {uses: null, call: 'elsewhere:f'}}}
"""


def test_profiles_are_checked_where_they_stand() -> None:
    parsed = parse(PROFILES, "f.yaml")
    assert parsed.workflow is not None
    found = parsed.places.placed(check_profiles(parsed.workflow, small_catalog(), functions()))
    assert [(d.place and d.place.line, d.code) for d in found] == [(4, "type-mismatch"), (7, "unknown-executor"), (9, "wrong-form")]
    assert found[1].message == "under the profile 'dev': there is no executor 'textrnk'"
