"""Plans keep what an installation has: memory and devices of its pools, requests per minute of its providers, and what must be started."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.shells import Shell, shell

__all__ = ["shell"]

SITE = """
endpoints:
  h100s: {url: "http://127.0.0.1:9/v1"}
  openai: {url: "http://127.0.0.1:9/openai/v1", requests_per_minute: 3}
pools:
  gpu: {kind: h100, count: COUNT, on: false, startup: 30, endpoint: h100s, models: [llama-3.1-8b, qwen3-32b, llama-3.1-70b]}
  cloud: {kind: remote, endpoint: openai, models: [gpt-4o-mini]}
discover: {gpus: false, engines: false}
"""
PASSAGES = 'passages: [{document: light.md, text: "Skarn Light was first lit in 1868.", start: 0, score: 1.0}]'
ASKS = f"""
workflow: asks
inputs: {{questions: "list[str]"}}
steps:
  answer:
    for_each: ${{inputs.questions}}
    uses: answering
    executor: llm-answer
    prefer: {{model: MODEL}}
    with: {{question: "${{item}}", {PASSAGES}}}
outputs: {{texts: "${{answer}}"}}
goal: {{minimize: energy}}
"""
TWO = f"""
workflow: two
steps:
  answer:
    uses: answering
    executor: llm-answer
    prefer: {{model: qwen3-32b}}
    with: {{question: When was Skarn Light first lit?, {PASSAGES}}}
  summary:
    uses: text-summary
    executor: llm-summary
    prefer: {{model: llama-3.1-70b}}
    with: {{text: "${{answer.text}}"}}
outputs: {{text: "${{summary}}"}}
goal: {{minimize: energy}}
"""
EIGHT = ("-i", "questions=a,b,c,d,e,f,g,h")


@pytest.fixture(autouse=True)
def site(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("murakkab.yaml").write_text(SITE.replace("COUNT", "4"))
    Path("local.yaml").write_text(ASKS.replace("MODEL", "llama-3.1-70b"))
    Path("hosted.yaml").write_text(ASKS.replace("MODEL", "gpt-4o-mini").replace("energy", "cost"))
    Path("two.yaml").write_text(TWO)
    for name in ("MURAKKAB_SITE", "MURAKKAB_LLM_URL", "MURAKKAB_LLM_MODEL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def step_of(shell: Shell, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = shell.json("plan", *words)["steps"][0]
    return found


def test_the_number_of_devices_is_chosen_and_shown(shell: Shell) -> None:
    few, many = step_of(shell, "local.yaml", *EIGHT), step_of(shell, "local.yaml", *EIGHT, "--minimize", "latency")
    assert (few["pool"], few["devices"]) == ("gpu", 2)
    assert (many["pool"], many["devices"]) == ("gpu", 4)
    assert many["expected"]["seconds"]["value"] < few["expected"]["seconds"]["value"]
    assert re.search(r"on 4 x\s", shell("plan", "local.yaml", *EIGHT, "--minimize", "latency").out)


def test_points_of_a_frontier_that_differ_in_the_number_of_devices_say_so(shell: Shell) -> None:
    """They said nothing: how many devices there are was no difference."""
    found = shell.json("plan", "local.yaml", *EIGHT, "--pareto", "energy,latency")["points"]
    others = [point for point in found if not point["chosen"]]
    assert {point["choices"]["answer"]["devices"] for point in found} == {2, 4}
    assert others
    assert all("x gpu" in point["other_than_plan"]["answer"] for point in others)


def test_a_pool_says_on_how_many_devices_its_engine_runs(shell: Shell) -> None:
    Path("murakkab.yaml").write_text(SITE.replace("COUNT", "8").replace("on: false", "tensor_parallel: 4"))
    assert step_of(shell, "local.yaml", *EIGHT)["devices"] == 4
    Path("murakkab.yaml").write_text(SITE.replace("COUNT", "2").replace("on: false", "tensor_parallel: 4"))
    wrong = shell("plan", "local.yaml", *EIGHT)
    assert wrong.status != 0
    assert "the pool 'gpu' has 2 devices, and an engine cannot run on 4 of them" in wrong.err


def test_models_that_do_not_fit_into_a_pool_together_are_refused_in_words(shell: Shell) -> None:
    Path("murakkab.yaml").write_text(SITE.replace("COUNT", "2"))
    refused = shell("plan", "two.yaml")
    assert refused.status != 0
    assert "no choice keeps memory of pool gpu 144 GB" in refused.err
    assert "memory of pool gpu could be 213.7 GB" in refused.err
    Path("murakkab.yaml").write_text(SITE.replace("COUNT", "3"))
    assert {(step["pool"], step["devices"]) for step in shell.json("plan", "two.yaml")["steps"]} == {("gpu", 1), ("gpu", 2)}


def test_the_next_best_that_there_is_no_memory_for_is_said_to_be_that(shell: Shell) -> None:
    Path("murakkab.yaml").write_text(SITE.replace("COUNT", "3"))
    other = next(step["runner_up"] for step in shell.json("plan", "two.yaml")["steps"] if step["step"] == "answer")
    assert other["lost"].startswith("memory of pool gpu would be ")


def test_a_model_that_no_device_holds_is_refused_though_all_of_them_together_would(shell: Shell) -> None:
    Path("murakkab.yaml").write_text(SITE.replace("COUNT", "4").replace("on: false", "on: false, tensor_parallel: 1"))
    refused = shell("plan", "local.yaml", *EIGHT)
    assert refused.status != 0
    assert "no choice keeps memory of pool gpu 288 GB" in refused.err
    assert "memory of pool gpu could be 585.4 GB" in refused.err


def test_a_job_takes_no_more_of_a_pool_than_its_capacity(shell: Shell) -> None:
    Path("murakkab.yaml").write_text(SITE.replace("COUNT", "4").replace("startup: 30", "startup: 30, capacity: 1000"))
    assert shell("plan", "local.yaml", *EIGHT).status == 0
    Path("murakkab.yaml").write_text(SITE.replace("COUNT", "4").replace("startup: 30", "startup: 30, capacity: 0.01"))
    refused = shell("plan", "local.yaml", *EIGHT)
    assert refused.status != 0
    assert "no choice keeps capacity of pool gpu 0.01 device-seconds" in refused.err
    assert re.search(r"capacity of pool gpu could be [\d.]+ device-seconds", refused.err)


def test_a_capacity_of_what_is_elsewhere_is_a_mistake(shell: Shell) -> None:
    Path("murakkab.yaml").write_text("pools: {cloud: {kind: remote, capacity: 5}}\n")
    wrong = shell("plan", "local.yaml", *EIGHT)
    assert "murakkab.yaml:1:31: misplaced: the pool 'cloud' is elsewhere, where nobody counts device-seconds" in wrong.err


def test_a_tier_has_in_it_what_must_be_started(shell: Shell) -> None:
    plan = shell.json("plan", "local.yaml", *EIGHT, "--limit", "latency=best")
    (tier,) = plan["tiers"]
    assert plan["steps"][0]["startup"]["value"] == 30
    assert 30 < plan["expected"]["seconds"]["value"] <= tier["value"] < 60
    assert plan["chosen"]["beyond"] == []


def test_the_catalog_says_what_pools_allow_by_the_keys_that_say_it(shell: Shell) -> None:
    Path("murakkab.yaml").write_text(
        SITE.replace("COUNT", "4")
        .replace("startup: 30", "startup: 30, capacity: 3600, tensor_parallel: 2")
        .replace("minute: 3", "minute: 2500")
    )
    said = " ".join(shell("catalog", "pools").out.split())
    assert "gpu: memory 4 x 80 GB (288 for models), capacity 3,600 device-seconds a job, tensor_parallel 2, startup 30 s" in said
    assert "cloud: requests_per_minute 2,500" in said
    gpu, cloud = (one for one in shell.json("catalog", "pools")["pools"] if one["name"] in ("gpu", "cloud"))
    assert (gpu["memory"], gpu["capacity"], gpu["tensor_parallel"], gpu["startup"]["value"]) == (288e9, 3600, 2, 30)
    # As much as the devices draw when idle, where the file says nothing.
    assert gpu["base_watts"]["value"] == 4 * 70
    assert (cloud["requests_per_minute"], cloud["tokens_per_minute"], gpu["requests_per_minute"]) == (2500, None, None)


def test_a_plan_waits_for_the_requests_that_a_provider_allows(shell: Shell) -> None:
    plan = shell.json("plan", "hosted.yaml", *EIGHT)
    assert plan["expected"]["seconds"]["value"] == pytest.approx(60 * (8 / 3 - 1))
    assert plan["held_by"] == "requests per minute of openai"
    assert "held up by requests per minute of openai" in shell("plan", "hosted.yaml", *EIGHT).out
    assert not shell.json("plan", "hosted.yaml", "-i", "questions=a,b,c")["held_by"]


def test_a_limit_that_requests_per_minute_break_is_refused_with_both_ways_out(shell: Shell) -> None:
    refused = shell("plan", "hosted.yaml", *EIGHT, "--limit", "latency=30")
    assert refused.status != 0
    said = " ".join(refused.err.split())
    assert "no choice keeps latency 30 s and requests per minute of openai 3 together" in said
    assert "latency could be 100 s, or requests per minute of openai could be 5.33" in said
    assert shell("plan", "hosted.yaml", *EIGHT, "--limit", "latency=101").status == 0


def test_what_must_be_started_is_in_the_forecast_and_the_power_of_its_devices_alone(shell: Shell) -> None:
    cold = shell.json("plan", "local.yaml", "-i", "questions=a")
    (step,) = cold["steps"]
    assert step["startup"]["value"] == 30
    assert cold["expected"]["seconds"]["value"] == pytest.approx(30 + step["expected"]["seconds"]["value"])
    base = cold["expected"]["joules"]["value"] - step["expected"]["joules"]["value"]
    assert base == pytest.approx(2 * 70 * cold["expected"]["seconds"]["value"])
    Path("murakkab.yaml").write_text(SITE.replace("COUNT", "4").replace("on: false", "on: true").replace("startup: 30, ", ""))
    warm = shell.json("plan", "local.yaml", "-i", "questions=a")
    assert warm["steps"][0]["startup"] is None
    assert warm["expected"]["joules"]["value"] == pytest.approx(warm["steps"][0]["expected"]["joules"]["value"])


TEXTS = "\n".join(
    json.dumps({"inputs": {"text": f"The light was lit in {year}. It stands on a rock. Ships pass it."}}) for year in range(1860, 1864)
)
SUMMARY = """
workflow: short
inputs: {text: str}
steps: {summary: {uses: text-summary, executor: lead-summary, with: {text: "${inputs.text}"}}}
outputs: {text: "${summary}"}
"""


def test_profiling_measures_how_long_an_executor_takes_to_start_and_plans_reckon_with_it(shell: Shell) -> None:
    Path("texts.jsonl").write_text(TEXTS)
    Path("short.yaml").write_text(SUMMARY)
    done = shell.json("profile", "text-summary", "--data", "texts.jsonl", "--repeat", "1", "--executor", "lead-summary")
    startup = done["configurations"][0]["profile"]["startup"]
    assert startup["of"]["source"] == "measured"
    assert startup["of"]["count"] == 3
    assert startup["low"] <= startup["value"] <= startup["high"]
    # In a process of its own: in this one it is warm by now.
    assert shell.json("plan", "short.yaml", "-i", "text=Hello.")["steps"][0]["startup"] is None
    plan = json.loads(shell.process("plan", "short.yaml", "-i", "text=Hello.", "--json").out)
    assert plan["steps"][0]["startup"]["value"] == pytest.approx(startup["value"])
    assert plan["expected"]["seconds"]["value"] == pytest.approx(plan["steps"][0]["expected"]["seconds"]["value"] + startup["value"])
