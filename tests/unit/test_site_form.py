"""What an installation says that it has: every mistake has its place, its cause and what to do, and a key is never repeated."""

import pytest

from murakkab.catalog import Device
from murakkab.devices import Endpoint
from murakkab.figures import Figure, Provenance, Source
from murakkab_cluster.figures import shipped
from murakkab_cluster.site_form import Declared, Looks, read_site

KNOWN = shipped()
GOOD = """
site: {carbon: 350, electricity: {value: 0.15, low: 0.12, high: 0.2, source: measured, where: our bill, date: 2026-10-01}, pue: 1.25}
endpoints:
  engine: {url: "http://gpu1:8000/v1/", key: env:ENGINE_KEY}
  laptop: http://127.0.0.1:11434/v1
pools:
  local: {kind: cpu, base_watts: 15, count: 7.5}
  big: {kind: H100, count: 4, on: false, endpoint: engine, models: [meta-llama/Llama-3.1-70B-Instruct, mine]}
prices:
  - {model: gpt-4o, provider: openai, in: 2, out: 8, cached: 1, requests_per_minute: 60, tokens_per_minute: 100000}
  - {model: mine, provider: me, in: 0.1, out: 0.2, key: env:MY_KEY}
devices:
  H100: {usd_per_hour: 2.1}
  mine: {device: gpu, memory: 24, bandwidth: 1000, flops: 165, peak_watts: 450, memory_share: {value: 0.8, low: 0.7, high: 0.9}}
models:
  mine: {like: llama-3.1-8b, aliases: [me/mine], context: 8192, quality: {exam: 0.7}}
  small: {parameters: 1.5, layers: 24, heads: 16, head_size: 64, kv_bytes: 49152}
discover: {gpus: false}
"""


def declared(text: str) -> Declared:
    found, told = read_site(text, "site.yaml", KNOWN)
    assert told == []
    return found


def test_everything_that_can_be_said() -> None:
    found = declared(GOOD)
    assert found.site.carbon == Figure(350, 350, 350, Provenance(Source.ASSUMED, "site.yaml"))
    assert found.site.usd_per_kwh == Figure(0.15, 0.12, 0.2, Provenance(Source.MEASURED, "our bill", "2026-10-01"))
    assert found.site.overhead == 1.25
    assert found.endpoints["engine"] == Endpoint("engine", "http://gpu1:8000/v1", "ENGINE_KEY")
    assert found.endpoints["laptop"] == Endpoint("laptop", "http://127.0.0.1:11434/v1")
    local, big = found.pools["local"], found.pools["big"]
    assert (local.kind, local.count, local.base_watts.value, local.is_on) == ("cpu", 7.5, 15, True)
    assert (big.kind, big.count, big.endpoint, big.is_on) == ("H100", 4, "engine", False)
    assert found.looks == Looks(gpus=False)


def test_what_may_be_asked_of_an_endpoint_and_how_its_engine_runs() -> None:
    text = """
endpoints: {engine: {url: "http://gpu1:8000/v1", requests_per_minute: 60, tokens_per_minute: 1e5}}
pools: {big: {kind: h100, count: 4, endpoint: engine, tensor_parallel: 2, startup: {value: 90, low: 60, high: 200}}}
"""
    found = declared(text)
    engine, big = found.endpoints["engine"], found.pools["big"]
    assert (engine.requests_per_minute, engine.tokens_per_minute) == (60.0, 100_000.0)
    assert (big.tensor_parallel, big.startup.low, big.startup.value, big.startup.high) == (2, 60.0, 90.0, 200.0)
    for wrong, place in (("requests_per_minute: 60", "requests_per_minute: 0"), ("tensor_parallel: 2", "tensor_parallel: 8")):
        _, told = read_site(text.replace(wrong, place), "site.yaml", KNOWN)
        assert [one.code for one in told] == ["out-of-range" if "minute" in wrong else "contradiction"]


def test_prices_replace_those_that_ship() -> None:
    prices = declared(GOOD).known.prices
    (own,) = [one for one in prices if one.model == "gpt-4o"]
    assert (own.usd_in, own.usd_out, own.usd_cached, own.requests_per_minute) == (pytest.approx(2e-6), pytest.approx(8e-6), 1e-6, 60)
    assert own.of == Provenance(Source.ASSUMED, "site.yaml")
    assert len(prices) == len(KNOWN.prices) + 1
    assert declared(GOOD).own_keys == {"me": ("MY_KEY",)}


def test_a_device_is_changed_in_part_or_is_new() -> None:
    devices = declared(GOOD).known.devices
    assert devices["h100"].usd_per_hour == Figure(2.1, 2.1, 2.1, Provenance(Source.ASSUMED, "site.yaml"))
    assert devices["h100"].memory == KNOWN.devices["h100"].memory
    assert (devices["mine"].memory, devices["mine"].bandwidth, devices["mine"].flops) == (24e9, 1e12, 165e12)
    assert devices["mine"].device is Device.GPU
    assert set(devices) == {*KNOWN.devices, "mine"}


def test_a_model_of_the_same_size_has_its_own_names_and_quality() -> None:
    known = declared(GOOD).known
    card = known.model("me/mine")
    assert card is not None
    assert (card.name, card.parameters, card.context, set(card.quality)) == ("mine", 8.03e9, 8192, {"exam"})
    like = known.model("meta-llama/Llama-3.1-8B-Instruct")
    assert like is not None
    assert like.name == "llama-3.1-8b"
    assert (known.models["small"].parameters, known.models["small"].active) == (1.5e9, 1.5e9)


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_nothing_is_a_thing_to_say(text: str) -> None:
    assert declared(text) == Declared(KNOWN)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pool: {}", "1:1: unknown-field: there is no field 'pool' here; did you mean 'pools'?"),
        ("[]", "1:1: wrong-form: a mapping is wanted here, not a list; write one of site, endpoints"),
        ("pools: [a]", "1:1: wrong-form: a mapping is wanted here, not a list; write the name of a pool, then its fields"),
        ("a: [", "2:1: syntax"),
        ("site: {}\nsite: {}", "2:1: duplicate-key"),
        ("site: {carbon: -3}", "1:16: out-of-range: -3 is less than 0"),
        ("site: {carbon: lots}", "1:16: wrong-form: a number is wanted here, not 'lots'"),
        ("site: {carbon: .inf}", "1:16: bad-quantity: inf is not a finite number"),
        ("site: {carbon: {low: 3}}", "1:8: missing-field: this figure has no value; write {value: 3, low: 2, high: 5}"),
        ("site: {carbon: {value: 3, low: 4}}", "contradiction: 3 is not between 4 and 3; low, value and high go upwards"),
        ("site: {carbon: {value: 3, hi: 4}}", "unknown-field: there is no field 'hi' here; did you mean 'high'?"),
        ("site: {carbon: {value: 3, source: meassured}}", "bad-choice: 'meassured' is no source of a figure; did you mean 'measured'?"),
        ("site: {carbon: {value: 3, date: May}}", "bad-quantity: 'May' is no day; write it as 2026-05-01"),
        ("site: {pue: 0.5}", "1:13: out-of-range: 0.5 is less than 1"),
        ("endpoints: {a: }", "1:16: wrong-form: a mapping is wanted here, not nothing; write one of url, key"),
        ("endpoints: {a: {}}", "1:13: missing-field: this endpoint does not say where it is; write url: http://host:8000/v1"),
        ("endpoints: {a: host}", "1:16: wrong-form: 'host' is no address of an engine; write http://host:8000/v1"),
        ("endpoints: {a: 'ftp://host'}", "wrong-form: 'ftp://host' is no address of an engine"),
        ("endpoints: {a: 'http://host:99999'}", "wrong-form: this is no address"),
        ("endpoints: {a: 'http://me:word@host'}", "bad-secret: an address has no name and password in it; write key: env:NAME"),
        ("endpoints: {a: {url: 'http://h', key: hush}}", "1:39: bad-secret: a key is never written down; name the environment variable"),
        ("pools: {a: {}}", "1:9: missing-field: the pool 'a' does not say what it is of; write kind: one of a100-40"),
        ("pools: {a: 3}", "1:12: wrong-form: a mapping is wanted here, not 3; write one of kind, count"),
        ("pools: {a: {kind: h1000}}", "1:19: bad-choice: there is no kind of device 'h1000'; did you mean 'h100'?"),
        ("pools: {a: {kind: abacus}}", "bad-choice: there is no kind of device 'abacus'; declare it below `devices`; there are a100-40"),
        ("pools: {a: {kind: cpu, count: 0}}", "1:31: out-of-range: 0 is not above zero"),
        ("pools: {a: {kind: cpu, on: 1}}", "1:28: wrong-form: true or false is wanted here, not 1"),
        ("pools: {a: {kind: cpu, endpoint: b}}", "1:34: bad-choice: there is no endpoint 'b'; declare it below `endpoints`"),
        (
            "endpoints: {big: 'http://h'}\npools: {a: {endpoint: bigg}}",
            "2:23: bad-choice: there is no endpoint 'bigg'; did you mean 'big'?",
        ),
        ("prices: {}", "1:1: wrong-form: a list is wanted here, not a mapping; write - {model"),
        ("prices: [3]", "1:10: wrong-form: a mapping is wanted here, not 3"),
        ("prices: [{model: x, in: 1}]", "1:10: missing-field: this price does not say provider, out; in and out are USD per million"),
        ("prices: [{model: x, provider: y, in: -1, out: 1}]", "1:38: out-of-range: -1 is less than 0"),
        ("devices: {h100: {memory: 0}}", "1:26: out-of-range: 0 is not above zero"),
        ("devices: {h100: {memory_share: 2}}", "1:32: out-of-range: 2 is not between 0 and 1"),
        ("devices: {x: {device: tpu}}", "1:23: bad-choice: 'tpu' is no device; there are cpu, gpu, remote"),
        ("models: {m: {like: llama-3.1-8}}", "1:20: bad-choice: there is no model 'llama-3.1-8'; did you mean 'llama-3.1-8b'?"),
        ("models: {m: {quality: {exam: 70}}}", "1:30: out-of-range: 70 is not between 0 and 1"),
        ("models: {m: {layers: 0}}", "1:22: out-of-range: 0 is less than one"),
        ("models: {m: {layers: 1.5}}", "1:22: wrong-form: a whole number is wanted here, not 1.5"),
        ("discover: {gpu: true}", "1:12: unknown-field: there is no field 'gpu' here; did you mean 'gpus'?"),
    ],
)
def test_a_mistake_has_its_place_and_what_to_do(text: str, told: str) -> None:
    _, found = read_site(text, "site.yaml", KNOWN)
    (one,) = found
    assert str(one).startswith("site.yaml:1:") or str(one).startswith("site.yaml:2:")
    assert told in str(one)
    assert not one.is_warning


def test_all_mistakes_are_told_at_once_in_the_order_of_the_text() -> None:
    _, found = read_site("site: {pue: 0}\npools:\n  a: {kind: x}\n  b: {}\ndiscover: {cpus: true}", "site.yaml", KNOWN)
    assert [(one.place.line, one.code) for one in found if one.place] == [
        (1, "out-of-range"),
        (3, "bad-choice"),
        (4, "missing-field"),
        (5, "unknown-field"),
    ]


def test_a_model_of_which_nothing_is_known_is_remarked() -> None:
    _, (told,) = read_site("pools: {a: {kind: h100, models: [llama-3.1-8]}}", "site.yaml", KNOWN)
    assert told.is_warning
    assert str(told) == (
        "site.yaml:1:34: warning: unknown-name: nothing is known of the model 'llama-3.1-8': no plan can count on it; "
        "did you mean 'llama-3.1-8b'?"
    )


@pytest.mark.parametrize("text", ["endpoints: {a: {url: 'http://h', key: sk-abc123}}", "endpoints: {a: 'http://u:sk-abc123@h'}"])
def test_a_key_that_was_written_down_is_not_repeated(text: str) -> None:
    _, (told,) = read_site(text, "site.yaml", KNOWN)
    assert "abc123" not in str(told)


def test_an_endpoint_that_is_wrong_is_there_for_pools() -> None:
    _, (told,) = read_site("endpoints: {a: host}\npools: {p: {endpoint: a}}", "site.yaml", KNOWN)
    assert told.code == "wrong-form"


def test_bytes_that_are_no_text_are_refused() -> None:
    _, (told,) = read_site(b"\xff", "site.yaml", KNOWN)
    assert told.code == "not-text"
